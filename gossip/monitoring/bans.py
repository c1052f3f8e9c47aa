"""Bans: who is shut out, until when, and how bad it was.

Rules only. Link readers and the turns of a seed call it.
"""

import collections
import threading
from typing import Hashable, NamedTuple

REMEMBERED = 10_000  # bans; of more, the oldest goes


class Ban(NamedTuple):
    """Until when a ban is in force, and the badness that it is for."""

    until: float
    badness: float


class Bans:
    """Bans by whom they shut out: an address, or a pair of those that are to leave each other
    alone."""

    def __init__(self):
        self._lock = threading.Lock()  # guards _bans
        self._bans: collections.OrderedDict[Hashable, Ban] = collections.OrderedDict()

    def add(self, who: Hashable, ban: Ban, now: float) -> bool:
        """Begin a ban; return whether it is news. One in force stays as it is."""
        with self._lock:
            held = self._bans.get(who)
            if ban.until <= now or held is not None and held.until > now:
                return False
            self._bans[who] = ban
            self._bans.move_to_end(who)
            if len(self._bans) > REMEMBERED:
                self._bans.popitem(last=False)
            return True

    def of(self, who: Hashable, now: float) -> Ban | None:
        """The ban in force, or None."""
        with self._lock:
            ban = self._bans.get(who)
            return ban if ban is not None and ban.until > now else None

    def in_force(self, now: float) -> dict[Hashable, Ban]:
        """All bans in force, in the order in which they began."""
        with self._lock:
            for who in [who for who, ban in self._bans.items() if ban.until <= now]:
                del self._bans[who]
            return dict(self._bans)
