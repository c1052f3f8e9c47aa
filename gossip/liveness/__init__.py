"""Liveness: unanswered requests counted in rounds, and probes before a verdict.

rounds   a peer's neighbours: requests unanswered in a row
prober   probes of seeds and peers, a limited number at once, and which address is next

What follows from a death is in peer.py and seed.py; the lines of a probe are in node/probe.py.
"""
