"""Liveness: how it is found out whether an address answers.

prober   probes of seeds and peers, a limited number at once, and which address is next

Rounds of requests, and what was missed in a row, are counted in overlay/neighbours.py. What follows
from a death is in peer.py and seed.py; the lines of a probe are in node/probe.py.
"""
