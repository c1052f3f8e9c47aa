"""Registering.

registry        the peers that a seed lists      relays    what a seed tells other seeds
registrations   the seeds that a peer is with    cadence   when to ask for the list again
joining         the part of a peer that registers

The seed itself is seed.py; how an address is probed is in liveness/.
"""
