"""The library: a peer inside a program, as `gossip.join()`.

peer        join, Peer, network      messages    Message, messages not taken yet, callbacks
aio         join for asyncio         starting    seeds, settings, ports, errors, signals, forks

`gossip/__init__.py` names what programs use. README.md in this folder shows it in use.
"""
