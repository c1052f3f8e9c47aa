"""Registering.

registry        the peers that a seed lists
joining         the part of a peer that registers, and asks for lists
admission       the part of a seed that registers peers

The seed itself is seed.py; how an address is probed is in liveness/.
"""
