"""Registering: whom a seed lists, and with which seeds a peer is registered.

Rules only. The seed itself is seed.py; how an address is probed is in liveness/.
"""
