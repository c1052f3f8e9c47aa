"""The shape of the network: the ring, the draw of other neighbours, and who gives way.

Pure functions on addresses. All listed addresses in order, the first one after the last, are the
ring. Every peer keeps a link to its successor there, so that the graph is connected. Its other
neighbours are drawn with probability proportional to their capacity; as capacities follow a
power law (capacity.py), degrees do so, too.
"""

import bisect
import itertools
import random
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from gossip.addresses import Address
from gossip.capacity import Capacity

RING_PLACES = 2  # links of the ring among those of a peer: successor and predecessor
SUCCESSORS_SENT = 8  # the next after an asker on the ring, in an answer that names but some peers


def successors(own: Address, ordered: Sequence[Address]) -> Iterator[Address]:
    """Sorted addresses in the order of the ring, beginning with one's own successor."""
    behind = bisect.bisect(ordered, own)
    yield from itertools.islice(ordered, behind, None)
    yield from itertools.islice(ordered, behind)


def between(low: Address, middle: Address, high: Address) -> bool:
    """Whether `middle` comes after `low` and before `high` on the way round the ring."""
    if low < high:
        return low < middle < high
    return middle > low or middle < high


def ring_holders(own: Address, ordered: Sequence[Address]) -> set[Address]:
    """One's own successor and predecessor among sorted addresses: they have the ring places."""
    if not ordered:
        return set()
    behind = bisect.bisect(ordered, own)
    return {ordered[behind % len(ordered)], ordered[behind - 1]}


def accepts(own: Address, asker: Address, linked, places: int) -> bool:
    """Whether a peer takes the asker as a neighbour. A peer with room does; a full one does if
    none of its neighbours lies between the asker and itself on the ring, for then it
    may be the asker's successor. `linked` are those neighbours that count for this asker."""
    return len(linked) < places or not any(between(asker, peer, own) for peer in linked)


class Tie(NamedTuple):
    """What decides which neighbours are given up first."""

    age: float  # seconds since the link was made
    proven: bool = True  # the peer has answered at the address that it announces
    unreached: bool = False  # it was looked for there, in vain
    listed: bool = True  # a seed has named it
    chosen: bool = False  # the peer that decides wanted the link by itself

    def rank(self) -> tuple:
        """Whoever has the smaller one is given up first."""
        return self.proven, self.listed, self.chosen, self.age


def surplus(own: Address, ties: dict[Address, Tie], places: int, spare: int,
            settled: float) -> list[Address]:
    """The neighbours to give up: as many as there are above `places`. First unproven ones, then
    unlisted ones, then those that others chose, then the rest; of each kind the youngest, so a
    younger link never costs an older one its place. Who is reached and linked for less than
    `settled` seconds is not given up yet, nor is another instead, unless there are more than
    `spare` above `places`. The nearest proven, listed ones on either side always stay, and the
    nearest unlisted ones until they are settled: a seed may name them soon."""
    proven = sorted(peer for peer, tie in ties.items() if tie.proven)
    holders = ring_holders(own, [peer for peer in proven if ties[peer].listed])
    nearest = ring_holders(own, proven)
    ordinary = sorted(set(ties) - holders, key=lambda peer: (*ties[peer].rank(), peer))
    excess = max(0, len(ties) - places)
    return [peer for at, peer in enumerate(ordinary[:excess])
            if ties[peer].unreached or ties[peer].age >= settled
            or at < excess - spare and peer not in nearest]


def draw(candidates: list[Address], capacity: Capacity, rng: random.Random) -> Address:
    """One of the candidates, drawn with probability proportional to its capacity."""
    return rng.choices(candidates, [capacity.of(peer) for peer in candidates])[0]
