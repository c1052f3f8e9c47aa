"""The library: a peer inside a program, as `gossip.join()`.

peer        join, Peer           messages    Message, messages not taken yet, callbacks
networks    seeds, network       starting    settings, lists of seeds, ports, errors
aio         join for asyncio

`gossip/__init__.py` names what programs use. README.md in this folder shows it in use.
"""
