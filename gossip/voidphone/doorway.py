"""The doorway: the connection of a peer, its roles, and the room of those not yet verified.

Rules only, but for the links that are kept here. (The room differs from node/waiting_room.py:
the oldest connection of the IP address that has most of them gives way, not the oldest of all.
Proof of work takes minutes, so one host could otherwise push out everybody who works.)
"""

import collections
import itertools

from gossip.addresses import Address
from gossip.node.counters import Budget
from gossip.node.link import Link
from gossip.settings import Settings
from gossip.voidphone import messages

# Roles of a link: what the other end is to us. They stand in `refused:` lines.
MODULE = "a module"
STRANGER = "one who has not said HELLO"
CHALLENGED = "one who has not done the work"
DIALLED = "one who has not answered HELLO"
WORKED_FOR = "one whose work we do"
ANSWERED = "one who has not answered our work"
NEIGHBOUR = "a neighbour"
DIALLED_BACK = "one that we dial back"

MESSAGE_LIMIT = 20.0  # seconds from the first byte of a message to its last
OUTSIDE_VIEW = 256  # connections that may be without verification at once


class PeerLink(Link):
    """A connection that carries binary messages, and the state of its handshake."""

    _serials = itertools.count(1)

    def __init__(self, role: str, settings: Settings, flusher, now, connection=None):
        super().__init__(role, settings, flusher, now, connection, messages.Frames)
        self.serial = next(PeerLink._serials)
        self.hello: Address | None = None  # the address that the other end's HELLO named
        self.slot: int | None = None  # time slot in which it was last given work
        self.nonce = 0  # of the work that the other end gave us
        self.asked = False  # we sent a 504 (peer request); the 505 has not come yet
        self.alone: Budget | None = None  # of a module: messages that go out in a `send` each

    def trust(self) -> None:
        """A module or a neighbour may be silent, but has to end a message that it began."""
        super().trust()
        self.unfinished_limit = MESSAGE_LIMIT


class Doorway:
    """The connections that are not verified yet, at most `most`.

    Above that, one gives way: the oldest of the IP address that has most of them.
    """

    def __init__(self, most: int):
        self._most = most
        self._links: dict[Link, str] = {}  # connection -> IP address, the oldest first

    def enter(self, link: PeerLink, ip: str) -> Link | None:
        """Let a connection in; return the one that gives way for it, or None."""
        self._links[link] = ip
        return self._take_oldest() if len(self._links) > self._most else None

    def give_way(self) -> Link | None:
        """Take one connection out and return it; None if there is none."""
        return self._take_oldest() if self._links else None

    def _take_oldest(self) -> Link:
        crowd = collections.Counter(self._links.values()).most_common(1)[0][0]
        oldest = next(one for one, ip in self._links.items() if ip == crowd)
        del self._links[oldest]
        return oldest

    def leave(self, link: PeerLink) -> None:
        """The other end is verified, or the connection has ended."""
        self._links.pop(link, None)

    def count(self) -> int:
        return len(self._links)
