"""The library: a peer inside a program, as `gossip.join()`.

peer        join, Peer           messages    Message, and the messages not taken yet
networks    seeds, network       starting    settings, lists of seeds, ports, errors
aio         the same for asyncio

`gossip/__init__.py` names what programs use. README.md in this folder shows it in use.
"""
