"""The shape of the network: the ring, whom to draw, who gives way.

Pure functions on addresses. Every peer keeps a link to its successor on the ring of all listed
addresses, so that the graph is connected; the other places are drawn with probability
proportional to capacity, and since capacities follow a power law (capacity.py), so do degrees.
"""

import bisect
import itertools
import random
from collections.abc import Iterator, Sequence

from gossip.addresses import Address
from gossip.capacity import Capacity

RING_PLACES = 2  # of the capacity, one on either side


def successors(own: Address, ordered: Sequence[Address]) -> Iterator[Address]:
    """The addresses of others, which come in order, in ring order: from behind one's own on."""
    behind = bisect.bisect(ordered, own)
    yield from itertools.islice(ordered, behind, None)
    yield from itertools.islice(ordered, behind)


def between(low: Address, middle: Address, high: Address) -> bool:
    """True when `middle` lies strictly inside the arc from low up to high on the ring."""
    if low < high:
        return low < middle < high
    return middle > low or middle < high


def ring_holders(own: Address, ordered: Sequence[Address]) -> set[Address]:
    """The nearest of these (they come in order) on either side: they hold the ring places."""
    if not ordered:
        return set()
    behind = bisect.bisect(ordered, own)
    return {ordered[behind % len(ordered)], ordered[behind - 1]}


def accepts(own: Address, asker: Address, linked, places: int) -> bool:
    """Whether a peer with these links takes the asker: it has room, or nobody linked lies
    between the asker and itself (then the asker may have no other way into the ring)."""
    return len(linked) < places or not any(between(asker, peer, own) for peer in linked)


def surplus(own: Address, ages: dict[Address, float], places: int, spare: int,
            settled: float, rng: random.Random) -> list[Address]:
    """Whom to give up: ordinary links, `settled` seconds old, while there are more than
    `places`; and links of any age beyond `spare` above that."""
    ordinary = sorted(set(ages) - ring_holders(own, sorted(ages)))
    rng.shuffle(ordinary)
    ordinary.sort(key=lambda peer: ages[peer] < settled)
    excess = len(ages) - places
    old = [peer for peer in ordinary if ages[peer] >= settled]
    return ordinary[: max(min(excess, len(old)), excess - spare, 0)]


def draw(candidates: list[Address], capacity: Capacity, rng: random.Random) -> Address:
    """One of the candidates, with probability proportional to capacity."""
    return rng.choices(candidates, [capacity.of(peer) for peer in candidates])[0]
