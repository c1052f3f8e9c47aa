"""Liveness: who has answered, who has missed how often, who is suspected dead.

Rules only. The liveness thread calls `next_round`, link readers the rest. A neighbour whose
link broke keeps its row and misses every round until it is linked again, forgotten, or dead.
"""

import threading
from typing import NamedTuple

from gossip.addresses import Address


class Round(NamedTuple):
    """What a liveness round has to do, in the order of addresses."""

    ask: list[Address]  # send a request to these
    missed: list[tuple[Address, int]]  # these have missed so many in a row
    suspects: list[Address]  # these have just reached the limit: probe once more
    lost: list[Address]  # these have no link: try to connect again

    def events(self) -> list[str]:
        """The round in the words of the output file."""
        return [*(f"liveness missed:{peer}:{misses}" for peer, misses in self.missed),
                *(f"liveness request:{peer}" for peer in self.ask)]


class _Count:
    __slots__ = ("link", "serial", "misses", "asked", "answered", "suspect")

    def __init__(self, link, serial: int, now: float):
        self.link = link  # None once it broke
        self.serial = serial  # of the link's admission
        self.misses = 0  # in a row
        self.asked: dict[str, float] = {}  # TIME of requests unanswered so far -> when sent
        self.answered = now  # when it last proved to live
        self.suspect = False


class Liveness:
    """Counts unanswered requests; `limit` in a row make a suspect."""

    def __init__(self, limit: int, lost_limit: int):
        self._limit = limit
        self._lost_limit = lost_limit  # peers counted without a link; the oldest is forgotten
        self._lock = threading.Lock()  # guards everything below
        self._rows: dict[Address, _Count] = {}

    def linked(self, peer: Address, link, serial: int, now: float) -> None:
        """A link was made, which is a proof of life. Of two calls the later admission counts."""
        with self._lock:
            row = self._rows.pop(peer, None)
            later = row is None or row.serial < serial
            self._rows[peer] = _Count(link, serial, now) if later else row

    def lost(self, peer: Address, link) -> None:
        """This link broke: from now on every round is a miss."""
        with self._lock:
            row = self._rows.get(peer)
            if row is not None and row.link is link:
                row.link = None
                row.asked.clear()
                lost = [other for other, row in self._rows.items() if row.link is None]
                if len(lost) > self._lost_limit:
                    del self._rows[lost[0]]

    def forget(self, peer: Address, link=None) -> bool:
        """Count no more a peer linked by this link (None: whose link broke); answer whether
        it was counted."""
        with self._lock:
            if peer not in self._rows or self._rows[peer].link is not link:
                return False
            del self._rows[peer]
            return True

    def next_round(self, time: str, now: float, late: bool) -> Round:
        """Begin a round at `now`; `time` is the TIME of its requests.

        A late round (this peer itself was asleep or overloaded) blames nobody.
        """
        ask, missed, suspects, lost = [], [], [], []
        with self._lock:
            for peer, row in sorted(self._rows.items()):
                if row.suspect:
                    continue
                if not late and (row.asked or row.link is None):
                    row.misses += 1
                    missed.append((peer, row.misses))
                if row.misses >= self._limit:
                    row.suspect = True
                    suspects.append(peer)
                elif row.link is not None:
                    row.asked[time] = now
                    if len(row.asked) > self._limit:  # late rounds ask without counting
                        del row.asked[next(iter(row.asked))]
                    ask.append(peer)
                else:
                    lost.append(peer)
        return Round(ask, missed, suspects, lost)

    def reply_from(self, peer: Address, time: str, now: float) -> float | None:
        """A reply has come: seconds since its request, or None when none was waiting."""
        with self._lock:
            row = self._rows.get(peer)
            if row is None or time not in row.asked:
                return None
            sent = row.asked[time]
            row.asked.clear()
            row.misses = 0
            row.suspect = False
            row.answered = now
            return now - sent

    def spare(self, peer: Address, heard: float) -> bool:
        """A suspect has answered the last probe: if something came over its link since it was
        first asked in vain, the link is slow, not dead, and counting begins anew; answer
        whether that is so."""
        with self._lock:
            row = self._rows.get(peer)
            if row is None or not row.suspect or heard <= min(row.asked.values(), default=heard):
                return False
            row.asked.clear()
            row.misses = 0
            row.suspect = False
            return True

    def postpone(self, peer: Address) -> None:
        """The last probe of a suspect could not be made: one miss less, so that the next round
        has it probed again."""
        with self._lock:
            row = self._rows.get(peer)
            if row is not None and row.suspect:
                row.misses -= 1
                row.suspect = False

    def verdict(self, peer: Address):
        """The last probe is over: count no more, and answer (whether the peer was still
        suspect, its link if it has one). It may have answered or linked again meanwhile."""
        with self._lock:
            if peer not in self._rows or not self._rows[peer].suspect:
                return False, None
            return True, self._rows.pop(peer).link

    def answered_within(self, peer: Address, seconds: float, now: float) -> bool:
        """Whether the peer has a link and has proved to live that lately."""
        with self._lock:
            row = self._rows.get(peer)
            return row is not None and row.link is not None and now - row.answered < seconds
