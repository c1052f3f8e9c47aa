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

from gossip.addresses import Address
from gossip.capacity import Capacity

RING_PLACES = 2  # links of the ring among those of a peer: successor and predecessor


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
    may be the asker's successor."""
    return len(linked) < places or not any(between(asker, peer, own) for peer in linked)


def surplus(own: Address, ages: dict[Address, float], places: int, spare: int,
            settled: float, rng: random.Random) -> list[Address]:
    """The neighbours to give up: as many as there are above `places`, from those linked for
    `settled` seconds or longer. Younger ones go only when there are more than `spare` above
    `places`. The successor and the predecessor always stay."""
    ordinary = sorted(set(ages) - ring_holders(own, sorted(ages)))
    rng.shuffle(ordinary)
    ordinary.sort(key=lambda peer: ages[peer] < settled)
    excess = len(ages) - places
    old = [peer for peer in ordinary if ages[peer] >= settled]
    return ordinary[: max(min(excess, len(old)), excess - spare, 0)]


def draw(candidates: list[Address], capacity: Capacity, rng: random.Random) -> Address:
    """One of the candidates, drawn with probability proportional to its capacity."""
    return rng.choices(candidates, [capacity.of(peer) for peer in candidates])[0]
