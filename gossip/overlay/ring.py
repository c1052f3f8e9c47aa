"""The shape of the network: the ring, other neighbours, which give way.

Pure functions on addresses. All listed addresses in order, the first one after the last, are the
ring. Every peer keeps a link to its successor there, so that the graph is connected. Its other
neighbours are drawn by IP, then with probability proportional to their capacity; as capacities
follow a power law (capacity.py), degrees do so, too. Because ports cost nothing, an IP with many
links gives way to an IP with few. Where all peers share an IP, or none do, that changes nothing.
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
    """Yield sorted addresses in ring order, beginning with the successor of `own`."""
    behind = bisect.bisect(ordered, own)
    yield from itertools.islice(ordered, behind, None)
    yield from itertools.islice(ordered, behind)


def between(low: Address, middle: Address, high: Address) -> bool:
    """Return whether `middle` is between `low` and `high` on the ring."""
    if low < high:
        return low < middle < high
    return middle > low or middle < high


def ring_holders(own: Address, ordered: Sequence[Address]) -> set[Address]:
    """Return the successor and predecessor of `own`, which have the ring places."""
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
    """Return whether a peer accepts the asker. It does if it has room; if none of its neighbours
    lies between the asker and itself on the ring; or, with fewer than SPARE links above `places`,
    if an IP with LEAD more links gives a place. `ties` are the neighbours that count for it."""
    if len(ties) < places or not any(between(asker, peer, own) for peer in ties):
        return True
    return (len(ties) < places + SPARE
            and bool(favoured({asker.ip}, ties, ring_holders(own, sorted(ties)), places)))


def favoured(ips: Iterable[str], ties: dict[Address, Tie], stay: set[Address],
             places: int) -> set[str]:
    """Return the IPs that displace an IP with LEAD more links. Only a link that others chose
    gives way, and only if it is not in `stay`. Ties beyond `places` do not count."""
    kept = ties.keys() - set(_in_turn(ties, stay, len(ties) - places))
    links = collections.Counter(peer.ip for peer in kept)
    most = max((links[peer.ip] for peer in kept - stay if not ties[peer].chosen), default=0)
    return {ip for ip in ips if links[ip] + LEAD <= most}


def _in_turn(ties: dict[Address, Tie], stay: set[Address], number: int) -> list[Address]:
    """Return `number` neighbours, in the order in which they are given up."""
    links = collections.Counter(peer.ip for peer in ties)
    left, gone = ties.keys() - stay, []

    def rank(peer: Address) -> tuple:
        """Return the rank of a neighbour; the smallest is given up first."""
        tie = ties[peer]
        return tie.proven, tie.listed, tie.chosen, -links[peer.ip], tie.age, peer

    while left and len(gone) < number:
        peer = min(left, key=rank)
        left.remove(peer)
        links[peer.ip] -= 1
        gone.append(peer)
    return gone


def surplus(own: Address, ties: dict[Address, Tie], places: int, settled: float) -> list[Address]:
    """Return the neighbours beyond `places` to give up, see README.md. A neighbour that is linked
    for less than `settled` seconds stays, and no older one goes instead, unless it was looked for
    in vain, or more than SPARE neighbours are beyond `places`. The nearest proven, listed
    neighbours on either side always stay, and the nearest unlisted until they are settled."""
    proven = sorted(peer for peer, tie in ties.items() if tie.proven)
    holders = ring_holders(own, [peer for peer in proven if ties[peer].listed])
    nearest = ring_holders(own, proven)
    excess = max(0, len(ties) - places)
    return [peer for at, peer in enumerate(_in_turn(ties, holders, excess))
            if ties[peer].unreached or ties[peer].age >= settled
            or at < excess - SPARE and peer not in nearest]


def draw(candidates: list[Address], capacity: Capacity, rng: random.Random) -> Address:
    """Draw an IP by mean capacity, then a candidate by its own."""
    of_ip = collections.Counter([peer.ip for peer in candidates])
    return rng.choices(candidates, [capacity.of(peer) / of_ip[peer.ip] for peer in candidates])[0]
