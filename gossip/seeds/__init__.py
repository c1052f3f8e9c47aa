"""Registering.

registry        the peers that a seed lists      relays    what a seed tells other seeds
registrations   the seeds that a peer is with    cadence   when to ask for the list again
joining         the part of a peer that registers
admission       the part of a seed that registers peers          rests     who is tried rarely

The seed itself is seed.py; how an address is probed is in liveness/.
"""

LONG_AGO = float("-inf")  # a time before all others
