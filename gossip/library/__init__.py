"""The library: a peer inside a program, as `gossip.join()`.

peer        join, Peer           messages    Message, and the messages not taken yet
networks    seeds, network       subscribing what the node tells; callbacks
aio         join for asyncio     starting    settings, lists of seeds, ports, errors
signals     handled after a call, instead of cutting it off

`gossip/__init__.py` names what programs use. README.md in this folder shows it in use.
"""
