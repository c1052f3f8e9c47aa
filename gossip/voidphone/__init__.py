"""The VoidPhone gossip module: a binary API for modules of the same host, peers on others.

messages   what is said, as bytes              view       neighbours and known addresses
ini        the configuration                   news       what is new, waits, or is remembered
work       proof of work, in workers           node       the module: links, threads, handshake
doorway    links, and strangers among them     outbox     what goes out together
program    peer.py -c                          client     who uses the API, for the next two
processes  modules as processes, with clients  experiment runner.py module
bench      runner.py bench --module
"""
