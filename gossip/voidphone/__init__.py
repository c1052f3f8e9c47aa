"""The VoidPhone gossip module: a binary API for modules of the same host, peers on others.

gossip_module  threads, links, other peers     neighbours  links, the handshake, addresses
relay          announce, validate, spread on   messages    what is said, as bytes; a client
news           what is new, waits, or is kept  work        proof of work, in workers
ini            its configuration

Not here: the program peer.py -c (programs/), modules as processes (lab/experiments/).
"""
