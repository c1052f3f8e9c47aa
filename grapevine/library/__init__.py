"""The library, by which `grapevine.join()` runs a peer inside a program.

peer        join, Peer, network               messages    Message, inbox, callbacks
aio         join for asyncio                  node        the peer inside, and the thread `hand`
starting    settings, seeds, addresses        serving     the seeds that a program serves, too
deaths      deaths, told at once              errors      PortInUse, NoSeed, Refused

grapevine/__init__.py names what programs use, and README.md shows its use.
"""
