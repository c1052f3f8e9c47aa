"""The VoidPhone gossip module: a binary API for modules of the same host, peers on others.

gossip_module  roles, threads, links           handshake  links, HELLO, work, welcome
relay          announce, validate, spread on   messages   what is said, as bytes
view           neighbours, known addresses     news       what is new, waits, or is kept
work           proof of work, in workers       ini        its configuration
client         who uses the API

Not here: the program peer.py -c (programs/), modules as processes (lab/experiments/).
"""
