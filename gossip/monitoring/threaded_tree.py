r"""The threaded binary tree: which seed holds which keys, and the way from one seed to another.

The space of keys is cut into intervals, one per seed. The seeds in the order of their intervals
make a binary tree: the one in the middle is the root, the halves beside it are its subtrees. Where
a child is missing, the link is a thread to the seed before or after in the order (Perlis and
Thornton, 1960):

            D            A has threads to nobody and to B, C to B and to D, E to D and to F.
         /     \         A walk in order, A B C D E F, needs no stack and no parents:
       B         F       after A its thread leads to B; after B, which has a child at the
     /   \     /         right, comes the leftmost below that child, C; and so on.
    A     C   E

All of this follows from the list of intervals, so only the list is told. A tree is a value: it is
never changed, the next one is made from it, and the one with the higher (version, author) counts.
Pure. Loads are what the seeds have told of their rows; those of a seed that is not in the tree
count for nothing.
"""

import bisect
import functools
import hashlib
from dataclasses import dataclass
from typing import Iterator, Mapping, NamedTuple

from gossip import wire
from gossip.addresses import KEPT, Address

SPACE = 1 << 96  # keys
UNEVEN = 1.25  # the largest load divided by the mean, above which loads are shared out anew
WORTH = 20  # rows per seed, below which they are not

Loads = Mapping[Address, wire.Load]


@functools.lru_cache(maxsize=KEPT)
def _hashed(address: Address, length: int) -> int:
    return int.from_bytes(hashlib.sha256(str(address).encode()).digest()[:length], "big")


def first_key(x: Address) -> int:
    """The lowest key of `x`: whoever owns it decides about `x`."""
    return _hashed(x, 8) << 32


def last_key(x: Address) -> int:
    """The highest key of `x`."""
    return first_key(x) | (1 << 32) - 1


def key(x: Address, y: Address) -> int:
    """Where it is kept what `y` says of `x`, or `x` says of `y`: all about `x` is together."""
    return first_key(x) | _hashed(y, 4)


class Links(NamedTuple):
    """The links of a seed. A child that is missing is a thread; at both ends of the order it
    leads to nobody."""

    parent: Address | None
    left: Address | None
    left_is_thread: bool
    right: Address | None
    right_is_thread: bool

    def on(self, side: str) -> tuple[Address | None, bool]:
        """The link on a side, "left" or "right", and whether it is a thread."""
        return getattr(self, side), getattr(self, f"{side}_is_thread")


@dataclass(frozen=True)
class ThreadedTree:
    """The first key of each seed's interval, in order; the first is 0. Fields as in wire.Tree."""

    version: int
    author: Address
    starts: tuple[tuple[int, Address], ...]

    @classmethod
    def alone(cls, seed: Address) -> "ThreadedTree":
        """The tree of a seed that has heard of no other."""
        return cls(0, seed, ((0, seed),))

    def newer_than(self, other: "ThreadedTree") -> bool:
        """Whether this tree counts, and not the other. Starts decide last: an author that has
        forgotten what it said may use a version twice."""
        return ((self.version, self.author, self.starts)
                > (other.version, other.author, other.starts))

    # Who holds what.

    @functools.cached_property
    def _firsts(self) -> list[int]:
        return [start for start, _ in self.starts]

    @functools.cached_property
    def _places(self) -> dict[Address, int]:
        return {seed: place for place, (_, seed) in enumerate(self.starts)}

    def __contains__(self, seed: Address) -> bool:
        return seed in self._places

    def seeds(self) -> list[Address]:
        """All seeds, in the order of their intervals."""
        return [seed for _, seed in self.starts]

    def owner(self, key: int) -> Address:
        """The seed that holds the rows of a key."""
        return self.starts[self._place_of(key)][1]

    def interval(self, seed: Address) -> tuple[int, int]:
        """The first and the last key of a seed."""
        return self._interval(self._places[seed])

    def _place_of(self, key: int) -> int:
        return bisect.bisect_right(self._firsts, key) - 1

    def _interval(self, place: int) -> tuple[int, int]:
        after = self._firsts[place + 1] if place + 1 < len(self.starts) else SPACE
        return self._firsts[place], after - 1

    # The shape.

    @property
    def root(self) -> Address:
        """The seed in the middle."""
        return self.starts[len(self.starts) // 2][1]

    def height(self) -> int:
        """Seeds on the longest way from the root down: log2(seeds + 1), rounded up."""
        return len(self.starts).bit_length()

    def links(self, seed: Address) -> Links:
        """The seeds that a seed is linked to; nobody else is needed to reach any other."""
        place = self._places[seed]
        parent, low, high = self._subtree(place)
        left_is_thread, right_is_thread = low == place, place + 1 == high
        left = place - 1 if left_is_thread else _middle(low, place)
        right = place + 1 if right_is_thread else _middle(place + 1, high)
        return Links(self._at(parent), self._at(left), left_is_thread,
                     self._at(right), right_is_thread)

    def _subtree(self, place: int) -> tuple[int, int, int]:
        """The place of the parent, -1 for the root; and the places below, from low to high - 1."""
        parent, low, high = -1, 0, len(self.starts)
        while (middle := _middle(low, high)) != place:
            parent = middle
            if place < middle:
                high = middle
            else:
                low = middle + 1
        return parent, low, high

    def _at(self, place: int) -> Address | None:
        return self.starts[place][1] if 0 <= place < len(self.starts) else None

    # Ways.

    def predecessor(self, seed: Address) -> Address | None:
        """The seed before this one; None before the first."""
        return self._beside(seed, "left")

    def successor(self, seed: Address) -> Address | None:
        """The seed after this one; None after the last."""
        return self._beside(seed, "right")

    def _beside(self, seed: Address, side: str) -> Address | None:
        """The next seed on that side, found over links only: by a thread, or below a child."""
        back = "right" if side == "left" else "left"
        beside, is_thread = self.links(seed).on(side)
        while not is_thread:
            nearer, is_thread = self.links(beside).on(back)
            beside = beside if is_thread else nearer
        return beside

    def walk(self) -> Iterator[Address]:
        """All seeds in order, from one to the next by threads."""
        seed = self.root
        while not (links := self.links(seed)).left_is_thread:
            seed = links.left
        while seed is not None:
            yield seed
            seed = self.successor(seed)

    def next_hop(self, at: Address, key: int) -> Address | None:
        """The link that a row with this key takes at a seed; None where it has arrived. A seed that
        is not in the tree yet hands all to the root."""
        if at not in self:
            return self.root
        place, goal = self._places[at], self._place_of(key)
        if place == goal:
            return None
        _, low, high = self._subtree(place)
        links = self.links(at)
        side, is_thread = ((links.left, links.left_is_thread) if goal < place else
                           (links.right, links.right_is_thread))
        return side if is_thread or low <= goal < high else links.parent

    def path(self, at: Address, key: int) -> list[Address]:
        """The seeds that a row with this key passes from a seed on, its owner last."""
        passed = []
        while (hop := self.next_hop(at, key)) is not None:
            passed.append(hop)
            at = hop
        return passed

    # The next tree.

    def joined(self, author: Address, seed: Address, loads: Loads) -> "ThreadedTree":
        """The tree with a newcomer, which takes the upper half of the rows of the most loaded
        seed; where no rows are known, the upper half of the keys of the largest interval."""
        held = self._shares_by_place(loads)
        wide = [place for place in range(len(self.starts)) if self._width(place) > 1]
        place = max(wide, key=lambda place: (_rows(held[place]), self._width(place)))
        first, last = self._interval(place)
        cut = _cuts(held[place], 2, first, last)[0]
        return self._next(author, (*self.starts[: place + 1], (cut, seed),
                                   *self.starts[place + 1:]))

    def without(self, author: Address, seed: Address, loads: Loads) -> "ThreadedTree":
        """The tree without one of several seeds; its interval falls to the seed beside it that is
        less loaded."""
        place = self._places[seed]
        beside = [place for place in (place - 1, place + 1) if 0 <= place < len(self.starts)]
        heir = min(beside, key=lambda place: _told(loads, self.starts[place][1]))
        starts = list(self.starts)
        starts[heir] = (min(self._firsts[heir], self._firsts[place]), starts[heir][1])
        del starts[place]
        return self._next(author, tuple(starts))

    def recut(self, author: Address, loads: Loads) -> "ThreadedTree":
        """The tree in which each seed has the same number of rows, as far as the loads tell."""
        shares = [share for held in self._shares_by_place(loads) for share in held]
        cuts = _cuts(shares, len(self.starts), 0, SPACE - 1)
        return self._next(author, tuple(zip([0, *cuts], self.seeds())))

    def too_uneven(self, loads: Loads) -> bool:
        """Whether to recut. Every seed has to tell its load first, and as it is in this tree."""
        if any(seed not in loads for seed in self.seeds()):
            return False
        told = [loads[seed].rows for seed in self.seeds()]
        mean = sum(told) / len(told)
        return mean >= WORTH and max(told) > UNEVEN * mean

    def _next(self, author: Address, starts) -> "ThreadedTree":
        return ThreadedTree(self.version + 1, author, starts)

    def _width(self, place: int) -> int:
        first, last = self._interval(place)
        return last - first + 1

    def _shares_by_place(self, loads: Loads) -> list[list[tuple[int, float]]]:
        """All rows that are known of, as shares in the order of their keys, in lists by whose keys
        they are. A load may be older than the tree, so a seed may have rows that are another's."""
        held: list[list[tuple[int, float]]] = [[] for _ in self.starts]
        for after, rows in sorted(self._shares(loads)):
            held[self._place_of(after - 1)].append((after, rows))
        return held

    def _shares(self, loads: Loads) -> Iterator[tuple[int, float]]:
        """Shares of all rows, each between two quantiles: (the key after its last, its rows)."""
        for seed in self.seeds():
            if _told(loads, seed):
                ends = sorted((*loads[seed].keys, self.interval(seed)[1]))
                yield from ((end + 1, loads[seed].rows / len(ends)) for end in ends)


def _middle(low: int, high: int) -> int:
    """The place of the root of a subtree that has the places from low to high - 1."""
    return (low + high) // 2


def _told(loads: Loads, seed: Address) -> int:
    return loads[seed].rows if seed in loads else 0


def _rows(shares: list[tuple[int, float]]) -> float:
    return sum(rows for _, rows in shares)


def _cuts(shares: list[tuple[int, float]], parts: int, first: int, last: int) -> list[int]:
    """The keys at which all parts but the first begin, when the keys from first to last are cut
    into parts with equal rows each. In a share rows are taken to lie evenly; so are keys when
    there is no share."""
    shares = shares or [(last + 1, 1.0)]
    wanted, cuts, at, below = _rows(shares) / parts, [], first, 0.0
    for after, rows in shares:
        while len(cuts) < parts - 1 and below + rows >= (len(cuts) + 1) * wanted:
            part = ((len(cuts) + 1) * wanted - below) / rows
            lowest = cuts[-1] + 1 if cuts else first + 1  # no part is empty
            highest = last + 2 + len(cuts) - parts
            cuts.append(min(max(at + int(part * (after - at)), lowest), highest))
        at, below = after, below + rows
    return cuts
