"""The library, by which `gossip.join()` runs a peer inside a program.

peer        join, Peer, network      messages    Message, inbox, callbacks
aio         join for asyncio         starting    seeds, settings, ports, errors, signals, forks

`gossip/__init__.py` names what programs use, and README.md shows its use.
"""
