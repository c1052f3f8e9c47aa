"""The VoidPhone gossip module, with a binary API for its host.

gossip_module  threads, links, other peers    neighbours  links, the handshake, addresses
relay          announce, validate, forward    messages    binary messages; a client
news           what is new, waits or is kept  work        proof of work, in workers
ini            its configuration

The program `peer.py -c` is in programs/, an experiment with many modules in lab/experiments/.
"""
