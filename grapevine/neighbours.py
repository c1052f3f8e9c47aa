"""The table of neighbours: who is linked, is accepted, has missed rounds, is given up. Pure.

A neighbour whose link broke keeps its row without one: it misses every round until it is linked
again, dead, or forgotten. The ring is all listed addresses in order, the first behind the last;
each peer keeps a link to its successor, so that the graph is connected. Because anybody can invent
addresses, only neighbours that seeds have named (`named` below) count for the ring and for places.
"""

import bisect
import math
from collections.abc import Iterator, Sequence

from grapevine.addresses import Address

SPARE = 8  # links above capacity at most, and rows without a link
DOUBTED_AGAIN = 5.0  # seconds after which a link may be doubted once more


class Neighbour:
    """A row of the table."""

    def __init__(self, link, is_dialled: bool, now: float):
        self.link = link  # None once it broke
        self.is_dialled = is_dialled  # this peer has dialled it, not the other way round
        self.doubted_at = -math.inf  # when another connection was made in its name last
        self.since = self.silent_since = now
        self.misses = 0  # rounds in a row
        self.is_suspect = False  # its last probe is under way
        self.requests: dict[str, float] = {}  # TIME of each unanswered request -> when it was sent

    def is_silent(self) -> bool:
        """Tell whether nothing at all has come since the first unanswered request."""
        return self.link is None or self.link.heard_at <= self.silent_since

    def asked(self, time: str, now: float) -> None:
        """A request was sent."""
        if not self.requests:
            self.silent_since = now
        self.requests[time] = now

    def clear_suspicion(self) -> None:
        """Begin to count anew."""
        self.misses, self.is_suspect = 0, False
        self.requests.clear()


class Neighbours:
    def __init__(self, own: Address, capacity: int, misses: int, rng):
        self._own, self.capacity, self._misses, self._rng = own, capacity, misses, rng
        self.rows: dict[Address, Neighbour] = {}
        self.links: list = []  # of all rows that have one, drawn; replaced, never changed

    def enter(self, peer: Address, link, is_dialled: bool, now: float) -> None:
        self.rows[peer] = Neighbour(link, is_dialled, now)
        self._renew()

    def link_broke(self, peer: Address, now: float) -> None:
        """Keep the row without its link, unless there are too many such rows already."""
        row = self.rows[peer]
        row.link, row.silent_since = None, row.silent_since if row.requests else now
        if len(self.rows) - len(self.links) >= self.capacity + SPARE:
            del self.rows[peer]
        self._renew()

    def remove(self, peer: Address) -> None:
        self.rows.pop(peer, None)
        self._renew()

    def _renew(self) -> None:
        """List the links in an order that is this peer's own, because messages are sent in it: if
        all peers began with the same neighbour, others would hear late."""
        links = [row.link for row in self.rows.values() if row.link is not None]
        self.links = self._rng.sample(links, len(links))

    def link(self, peer: Address):
        row = self.rows.get(peer)
        return None if row is None else row.link

    def linked(self) -> list[Address]:
        """Return who has a link, in order."""
        return sorted(peer for peer, row in self.rows.items() if row.link is not None)

    def fault_of(self, asker: Address, named: set[Address]) -> str:
        """Return why a newcomer is refused, or nothing. A full peer accepts if, round the
        ring, no neighbour lies behind the newcomer and before it, because the newcomer may have no
        other way in. If seeds have named the newcomer, only neighbours that they have named count.
        """
        if asker == self._own:
            return "self"
        if self.link(asker) is not None:
            return "duplicate"
        if len(self.links) >= self.capacity + SPARE:
            return "full"
        counted = [peer for peer in self.linked() if peer in named or asker not in named]
        is_nearest = next(successors(asker, sorted([*counted, self._own]))) == self._own
        return "" if is_nearest or len(counted) < self.capacity else "full"

    def doubt(self, peer: Address, now: float) -> bool:
        """Note that another connection is made in a neighbour's name; return whether to dial it:
        only what this peer dials surely leads there, and takes the place of a stranger's link."""
        row = self.rows.get(peer)
        if (row is None or row.link is None or row.is_dialled
                or now < row.doubted_at + DOUBTED_AGAIN):
            return False
        row.doubted_at = now
        return True

    def surplus(self, now: float, named: set[Address], settled: float) -> list[Address]:
        """Return whom to give up of those linked beyond capacity: first who is not named, then who
        has dialled this peer, the youngest first. Those on the ring stay, of whom only named ones
        count; and named ones stay for their first `settled` seconds."""
        linked, on_ring = self.linked(), ring_neighbours(self._own, self.linked())
        staying = on_ring | ring_neighbours(self._own, [peer for peer in linked if peer in named])
        count = len(linked) - len(on_ring - named) - self.capacity
        ranked = sorted(set(linked) - staying, key=lambda peer: (
            peer in named, self.rows[peer].is_dialled, -self.rows[peer].since, peer))
        return [peer for peer in ranked[:max(0, count)]
                if peer not in named or now - self.rows[peer].since >= settled]

    # Liveness.

    def next_round(self, time: str, now: float, is_late: bool
                   ) -> tuple[list[tuple[Address, int]], list[Address], list[Address]]:
        """Begin a round, whose requests carry TIME; a late peer counts no miss. Return who has
        missed how many in a row, whom to ask now, and who gets a last probe."""
        missed, asked, suspects = [], [], []
        for peer, row in sorted(self.rows.items()):
            if row.is_suspect:
                continue
            if (row.requests or row.link is None) and not is_late:
                row.misses += 1
                missed.append((peer, row.misses))
            if row.misses >= self._misses:
                row.is_suspect = True
                suspects.append(peer)
            elif row.link is not None:
                row.asked(time, now)
                if len(row.requests) > self._misses:
                    del row.requests[next(iter(row.requests))]
                asked.append(peer)
        return missed, asked, suspects

    def replied(self, peer: Address, time: str, now: float) -> float | None:
        """Take a reply; return the seconds since its request, or None if it is not awaited."""
        row = self.rows.get(peer)
        sent_at = None if row is None else row.requests.get(time)
        if sent_at is None:
            return None
        row.clear_suspicion()
        return now - sent_at


# The ring.

def successors(own: Address, ordered: Sequence[Address]) -> Iterator[Address]:
    """Yield addresses, given in order, as they stand on the ring behind `own`."""
    at = bisect.bisect(ordered, own)
    yield from ordered[at:]
    yield from ordered[:at]


def ring_neighbours(own: Address, ordered: Sequence[Address]) -> set[Address]:
    """Return the successor and the predecessor of `own` among others, given in order."""
    at = bisect.bisect(ordered, own)
    return {ordered[at % len(ordered)], ordered[at - 1]} if ordered else set()
