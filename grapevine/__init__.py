"""Grapevine: a gossip network of seeds and peers over TCP, with the standard library alone.

    with grapevine.join(5001) as peer:         # says goodbye at the end
        peer.say("hello")
        for message in peer:                   # ends when the peer does
            print(message.origin, message.text)

    join(port, seeds=…, on_message=…, …)       a Peer in this process
    aio.join(port, …)                          the same for asyncio
    seeds("config.txt")                        the seeds of this machine, in this process
    network(peers=5)                           a whole network, for tests
    Message, Peer, PortInUse, NoSeed, Refused

help(grapevine.join) names all arguments; library/README.md shows programs. To read the code, begin
with peer.py and seed.py.
"""

import importlib
import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from grapevine.library import aio as aio
    from grapevine.library.errors import (
        NoSeed as NoSeed, PortInUse as PortInUse, Refused as Refused)
    from grapevine.library.messages import Message as Message
    from grapevine.library.peer import Peer as Peer, join as join, network as network
    from grapevine.library.starting import seeds as seeds

if sys.version_info < (3, 10):
    raise SystemExit("Grapevine needs Python 3.10 or newer; this is "
                     f"{sys.version_info[0]}.{sys.version_info[1]} ({sys.executable})")

# peer.py, seed.py and runner.py are modules of this package: installed, they lie in it; in a
# checkout, beside it, and are looked for there last. Nobody imports `peer`, which may be somebody's
# own.
__path__.append(os.path.dirname(__path__[0]))

__all__ = ["Message", "NoSeed", "Peer", "PortInUse", "Refused", "aio", "join", "network", "seeds"]

_HOMES = {"Message": "messages", "Peer": "peer", "join": "peer", "network": "peer",
          "seeds": "starting", **dict.fromkeys(("NoSeed", "PortInUse", "Refused"), "errors")}


if not TYPE_CHECKING:  # or any name would be one of type Any
    def __getattr__(name: str) -> Any:
        """Import a name when it is first used, so that `import grapevine` costs nothing."""
        if name not in __all__:
            raise AttributeError(f"module 'grapevine' has no attribute {name!r}")
        module = importlib.import_module(f"grapevine.library.{_HOMES.get(name, name)}")
        return getattr(module, name) if name in _HOMES else module
