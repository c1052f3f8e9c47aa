"""From a command line to running nodes: one file per program, and what they share.

The classes Seed and Peer are handed in by seed.py and peer.py.
"""
