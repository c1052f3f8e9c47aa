"""The shape of the network: the ring, the draw of other neighbours, and who gives way.

Pure functions on addresses. All listed addresses in order, the first one after the last, are the
ring. Every peer keeps a link to its successor there, so that the graph is connected. Its other
neighbours are drawn by IP, then with probability proportional to their capacity; as capacities
follow a power law (capacity.py), degrees do so, too. Ports cost nothing: so an IP with many links
gives way to an IP with few. Where all peers have one IP, or each its own, that changes nothing.
"""

import bisect
import collections
import itertools
import random
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from gossip.addresses import Address
from gossip.capacity import Capacity

LEAD = 2  # how many more links an IP must have before it gives a place to another IP
SPARE = 8  # links above capacity that may settle; more are given up at once
RING_PLACES = 2  # links of the ring among those of a peer: successor and predecessor
SUCCESSORS_SENT = 8  # the next after an asker on the ring, in an answer that names but some peers


def successors(own: Address, ordered: Sequence[Address]) -> Iterator[Address]:
    """Yield sorted addresses in the order of the ring, beginning with one's own successor."""
    behind = bisect.bisect(ordered, own)
    yield from itertools.islice(ordered, behind, None)
    yield from itertools.islice(ordered, behind)


def between(low: Address, middle: Address, high: Address) -> bool:
    """Return whether `middle` comes after `low` and before `high` on the way round the ring."""
    if low < high:
        return low < middle < high
    return middle > low or middle < high


def ring_holders(own: Address, ordered: Sequence[Address]) -> set[Address]:
    """Return one's successor and predecessor among sorted addresses: they have the ring places."""
    if not ordered:
        return set()
    behind = bisect.bisect(ordered, own)
    return {ordered[behind % len(ordered)], ordered[behind - 1]}


class Tie(NamedTuple):
    """The facts that decide which neighbours are given up first."""

    age: float  # seconds since the link was made
    proven: bool = True  # the peer has answered at the address that it announces
    unreached: bool = False  # it was looked for there, in vain
    listed: bool = True  # a seed has named it
    chosen: bool = False  # the peer that decides wanted the link by itself


def accepts(own: Address, asker: Address, ties: dict[Address, Tie], places: int) -> bool:
    """Return whether a peer takes the asker: if it has room, if none of its neighbours lies between
    the asker and itself on the ring, or if an IP that has more links gives a place to the asker,
    unless there are SPARE above `places`. `ties` are the neighbours that count for this asker."""
    if len(ties) < places or not any(between(asker, peer, own) for peer in ties):
        return True
    return (len(ties) < places + SPARE
            and bool(favoured({asker.ip}, ties, ring_holders(own, sorted(ties)), places)))


def favoured(ips: Iterable[str], ties: dict[Address, Tie], stay: set[Address],
             places: int) -> set[str]:
    """Return the IPs that take a place of an IP with LEAD links more. Only a link that others
    chose gives way, and only if it is not in `stay`. Ties beyond `places` do not count."""
    kept = ties.keys() - set(_in_turn(ties, stay, len(ties) - places))
    links = collections.Counter(peer.ip for peer in kept)
    most = max((links[peer.ip] for peer in kept - stay if not ties[peer].chosen), default=0)
    return {ip for ip in ips if links[ip] + LEAD <= most}


def _in_turn(ties: dict[Address, Tie], stay: set[Address], number: int) -> list[Address]:
    """Return `number` neighbours, in the order in which they are given up."""
    links = collections.Counter(peer.ip for peer in ties)
    left, gone = ties.keys() - stay, []

    def rank(peer: Address) -> tuple:
        """Rank a neighbour: the smallest rank is given up first."""
        tie = ties[peer]
        return tie.proven, tie.listed, tie.chosen, -links[peer.ip], tie.age, peer

    while left and len(gone) < number:
        peer = min(left, key=rank)
        left.remove(peer)
        links[peer.ip] -= 1
        gone.append(peer)
    return gone


def surplus(own: Address, ties: dict[Address, Tie], places: int,
            settled: float) -> list[Address]:
    """Return the neighbours to give up, see "Whom it gives up" in README.md: as many as there are
    above `places`, but neither those that are reached and linked for less than `settled` seconds,
    nor others instead, unless there are more than SPARE above `places`. The nearest proven, listed
    ones on either side always stay, and the nearest unlisted ones until they are settled."""
    proven = sorted(peer for peer, tie in ties.items() if tie.proven)
    holders = ring_holders(own, [peer for peer in proven if ties[peer].listed])
    nearest = ring_holders(own, proven)
    excess = max(0, len(ties) - places)
    return [peer for at, peer in enumerate(_in_turn(ties, holders, excess))
            if ties[peer].unreached or ties[peer].age >= settled
            or at < excess - SPARE and peer not in nearest]


def draw(candidates: list[Address], capacity: Capacity, rng: random.Random) -> Address:
    """Draw an IP by the mean capacity of its candidates, then a candidate of that IP by its own."""
    of_ip = collections.Counter(peer.ip for peer in candidates)
    return rng.choices(candidates, [capacity.of(peer) / of_ip[peer.ip] for peer in candidates])[0]
