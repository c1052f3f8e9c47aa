"""Grapevine: a broadcast among processes that survives anything.

    with gossip.join(5001) as peer:            # says goodbye at the end
        peer.say("hello")
        for message in peer:                   # ends when the peer does
            print(message.origin, message.text)

    join(port, seeds=…, on_message=…, …)       a Peer in this process
    aio.join(port, …)                          the same for asyncio
    seeds("config.txt")                        the local seeds, in this process
    network(peers=5)                           a whole network, for tests
    Message, Peer, PortInUse, NoSeed, Refused

help(gossip.join) names all arguments; gossip/library/README.md shows programs, and
gossip/README.md how the network works, with a map of these folders.
"""

import importlib
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gossip.library import aio as aio
    from gossip.library.messages import Message as Message
    from gossip.library.peer import Peer as Peer, join as join, network as network
    from gossip.library.starting import (
        NoSeed as NoSeed, PortInUse as PortInUse, Refused as Refused, seeds as seeds)

if sys.version_info < (3, 10):
    raise SystemExit("Grapevine needs Python 3.10 or newer; this is "
                     f"{sys.version_info[0]}.{sys.version_info[1]} ({sys.executable})")

__all__ = ["Message", "NoSeed", "Peer", "PortInUse", "Refused", "aio", "join", "network", "seeds"]

_HOMES = {"Message": "messages", "Peer": "peer", "join": "peer", "network": "peer",
          **dict.fromkeys(("NoSeed", "PortInUse", "Refused", "seeds"), "starting")}


def __getattr__(name: str) -> Any:
    """Import a name when first used, so that `import gossip` costs nothing."""
    if name not in __all__:
        raise AttributeError(f"module 'gossip' has no attribute {name!r}")
    module = importlib.import_module(f"gossip.library.{_HOMES.get(name, name)}")
    return getattr(module, name) if name in _HOMES else module
