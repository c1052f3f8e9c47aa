"""The VoidPhone gossip module: a binary API for modules of the same host, peers on others.

gossip_module  roles, threads, links           handshake  HELLO, work, welcome
relay          announce, validate, spread on   messages   what is said, as bytes
view           neighbours, known addresses     news       what is new, waits, or is kept
links          links, and their outbox         work       proof of work, in workers
client         who uses the API                ini        its configuration

Not here: the program peer.py -c (programs/), modules as processes (lab/experiments/).
"""
