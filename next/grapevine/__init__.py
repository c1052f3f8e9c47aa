"""Grapevine: a gossip network of seeds and peers over TCP, with the standard library alone.

To read the code, begin with peer.py and seed.py beside this folder.
"""
