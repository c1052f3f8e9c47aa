"""The doorway: the connection of a peer, its roles, and the room of those not yet verified.

Rules only, but for the links that are kept here. (The room differs from node/waiting_room.py:
the oldest connection of the IP address that has most of them gives way, not the oldest of all.
Proof of work takes minutes, so one host could otherwise push out everybody who works.)
"""

import collections
import itertools
import threading

from gossip.addresses import Address
from gossip.net.link import Link
from gossip.settings import Settings
from gossip.voidphone import messages

# Roles of a link, as this peer sees the other end.
MODULE = "a module"
STRANGER = "one who has not said HELLO"
CHALLENGED = "one who has not done the work"
DIALLED = "one who has not answered HELLO"
WORKED_FOR = "one whose work we do"
ANSWERED = "one who has not answered our work"
NEIGHBOUR = "a neighbour"

MESSAGE_LIMIT = 20.0  # seconds in which a message that has begun has to end
OUTSIDE_VIEW = 256  # connections beside the view


class PeerLink(Link):
    """A connection that carries binary messages, and what is kept of its handshake."""

    _serials = itertools.count(1)

    def __init__(self, sock, flusher, settings: Settings, role: str):
        super().__init__(sock, flusher, settings, role, messages.Frames)
        self.serial = next(PeerLink._serials)
        self.hello: Address | None = None  # the address that a stranger's HELLO named
        self.slot: int | None = None  # in which it was given work last
        self.nonce = 0  # of the work that we were given
        self.asked = False  # a neighbour owes us an answer to 504

    def trust(self) -> None:
        """A module, or a neighbour: only what it has begun is due."""
        super().trust()
        self.unfinished_limit = MESSAGE_LIMIT


class Doorway:
    """The connections that are not verified: at most so many; the oldest one of the IP that has
    most of them gives way."""

    def __init__(self, most: int):
        self._most = most
        self._lock = threading.Lock()  # guards _links
        self._links: dict[Link, str] = {}  # -> IP, the oldest first

    def enter(self, link: PeerLink, ip: str) -> Link | None:
        """Take one more; return the one that gives way, if there are too many."""
        with self._lock:
            self._links[link] = ip
            return self._take_oldest() if len(self._links) > self._most else None

    def give_way(self) -> Link | None:
        """Take one out, if there is one: its place is needed."""
        with self._lock:
            return self._take_oldest() if self._links else None

    def _take_oldest(self) -> Link:
        """Expects the lock."""
        crowd = collections.Counter(self._links.values()).most_common(1)[0][0]
        oldest = next(one for one, ip in self._links.items() if ip == crowd)
        del self._links[oldest]
        return oldest

    def leave(self, link: PeerLink) -> None:
        with self._lock:
            self._links.pop(link, None)

    def count(self) -> int:
        with self._lock:
            return len(self._links)
