"""The VoidPhone gossip module: a binary API for modules of the same host, peers on others.

gossip_module  roles, threads, links           handshake  HELLO, work, welcome
relay          announce, validate, spread on   messages   what is said, as bytes
view           neighbours, known addresses     news       what is new, waits, or is remembered
doorway        links not verified yet          work       proof of work, in workers
outbox         what goes out together          ini        its configuration
client         who uses the API                unwanted   news kept for who is about to want them

Not here: the program peer.py -c (programs/), modules as processes (experiments/).
"""
