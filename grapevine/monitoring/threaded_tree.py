r"""The threaded binary tree of the seeds, which hold keys.

The space of keys is cut into intervals, one per seed. The seeds in the order of their intervals
make a binary tree: the middle seed is the root, the halves beside it are its subtrees. Where
a child is missing, the link is a thread to the seed before or after in the order (Perlis and
Thornton, 1960):

            D
         /     \         A has threads to nobody and to B, C to B and to D, E to D and to F.
       B         F
     /   \     /
    A     C   E

All of this follows from the list of intervals, so only the list is sent. A tree never changes; the
next tree is made from it, and from loads, which are what seeds have told of their rows. Pure.
"""

import bisect
import functools
import hashlib
import operator
from typing import Mapping, NamedTuple

from grapevine.addresses import CACHED, Address
from grapevine.monitoring import grammar

SPACE = 1 << 96  # keys
UNEVEN = 1.25  # the largest load divided by the mean, above which the keys are cut anew
WORTH = 20  # rows per seed, below which they are not

Loads = Mapping[Address, grammar.Load]


@functools.lru_cache(maxsize=CACHED)
def key_of(subject: Address) -> int:
    """Return the key under which all is kept that is said about a peer, and that it says."""
    return int.from_bytes(hashlib.sha256(subject.text.encode()).digest()[:12], "big")


class Links(NamedTuple):
    """The links of a seed, with threads for missing children."""

    parent: Address | None
    left: Address | None
    left_is_thread: bool
    right: Address | None
    right_is_thread: bool


class ThreadedTree(grammar.Tree):
    """The first key of each seed's interval, in order, beginning with 0.

    Of two trees the greater counts: the higher version, then author. The starts decide last,
    because an author that has forgotten what it said may use a version twice."""

    @classmethod
    def alone(cls, seed: Address) -> "ThreadedTree":
        return cls(0, seed, ((0, seed),))

    def __contains__(self, seed: Address) -> bool:
        return seed in self.seeds()

    def seeds(self) -> list[Address]:
        """Return all seeds, in the order of their intervals."""
        return [seed for _, seed in self.starts]

    def owner(self, key: int) -> Address:
        return self.starts[self._place_of(key)][1]

    def _place(self, seed: Address) -> int:
        return self.seeds().index(seed)

    def _place_of(self, key: int) -> int:
        return bisect.bisect_right(self.starts, key, key=operator.itemgetter(0)) - 1

    def interval(self, seed: Address) -> tuple[int, int]:
        """Return a seed's first and last key, or 0, -1."""
        if seed not in self:
            return 0, -1
        place = self._place(seed)
        after = self.starts[place + 1][0] if place + 1 < len(self.starts) else SPACE
        return self.starts[place][0], after - 1

    @property
    def root(self) -> Address:
        """The seed in the middle."""
        return self.starts[len(self.starts) // 2][1]

    def links(self, seed: Address) -> Links:
        place = self._place(seed)
        parent, low, high = self._subtree(place)
        left_is_thread, right_is_thread = low == place, place + 1 == high
        left = place - 1 if left_is_thread else (low + place) // 2
        right = place + 1 if right_is_thread else (place + 1 + high) // 2
        return Links(self._at(parent), self._at(left), left_is_thread,
                     self._at(right), right_is_thread)

    def _subtree(self, place: int) -> tuple[int, int, int]:
        """Return (parent or -1, first place below, place after the last)."""
        parent, low, high = -1, 0, len(self.starts)
        while (middle := (low + high) // 2) != place:
            parent = middle
            if place < middle:
                high = middle
            else:
                low = middle + 1
        return parent, low, high

    def _at(self, place: int) -> Address | None:
        return self.starts[place][1] if 0 <= place < len(self.starts) else None

    def next_hop(self, at: Address, key: int) -> Address | None:
        """Return the next seed for a row; None if it has arrived."""
        if at not in self:  # not yet
            return self.root
        place, goal = self._place(at), self._place_of(key)
        if place == goal:
            return None
        _, low, high = self._subtree(place)
        links = self.links(at)
        side, is_thread = ((links.left, links.left_is_thread) if goal < place else
                           (links.right, links.right_is_thread))
        return side if is_thread or low <= goal < high else links.parent

    def path(self, at: Address, key: int) -> list[Address]:
        hop = self.next_hop(at, key)
        return [] if hop is None else [hop, *self.path(hop, key)]

    # The next tree.

    def joined(self, author: Address, seed: Address, loads: Loads) -> "ThreadedTree":
        """Return the tree with a newcomer, which takes half the largest load. Without loads, it
        takes half the keys of the largest interval."""
        held = self._shares_by_place(loads)
        widths = [last - first for first, last in map(self.interval, self.seeds())]
        place = max((place for place, width in enumerate(widths) if width > 0),
                    key=lambda place: (sum(rows for _, rows in held[place]), widths[place]))
        cut = _cuts(held[place], 2, *self.interval(self.starts[place][1]))[0]
        return self._next(author, tuple(sorted([*self.starts, (cut, seed)])))

    def without(self, author: Address, seed: Address, loads: Loads) -> "ThreadedTree":
        """Return the tree without a seed, whose less loaded neighbour inherits."""
        place, starts = self._place(seed), list(self.starts)
        beside = [place for place in (place - 1, place + 1) if 0 <= place < len(starts)]
        heir = min(beside, key=lambda place: _told(loads, starts[place][1]))
        starts[heir] = min(starts[heir][0], starts[place][0]), starts[heir][1]
        del starts[place]
        return self._next(author, tuple(starts))

    def recut(self, author: Address, loads: Loads) -> "ThreadedTree":
        """Return the tree in which each seed has equally many rows."""
        shares = [share for held in self._shares_by_place(loads) for share in held]
        cuts = _cuts(shares, len(self.starts), 0, SPACE - 1)
        return self._next(author, tuple(zip([0, *cuts], self.seeds())))

    def too_uneven(self, loads: Loads) -> bool:
        """Return whether to recut, once every seed has told its load."""
        told = [loads[seed].rows for seed in self.seeds() if seed in loads]
        mean = sum(told) / len(self.starts)
        return len(told) == len(self.starts) and mean >= WORTH and max(told) > UNEVEN * mean

    def _next(self, author: Address, starts) -> "ThreadedTree":
        return ThreadedTree(self.version + 1, author, starts)

    def _shares_by_place(self, loads: Loads) -> list[list[tuple[int, float]]]:
        """Return each owner's (key after the last, rows) between two quantiles. A load may be older
        than the tree, so a seed may have rows of another owner."""
        shares = [(end + 1, loads[seed].rows / (len(loads[seed].keys) + 1))
                  for seed in self.seeds() if _told(loads, seed)
                  for end in (*loads[seed].keys, self.interval(seed)[1])]
        held: list[list[tuple[int, float]]] = [[] for _ in self.starts]
        for after, rows in sorted(shares):
            held[self._place_of(after - 1)].append((after, rows))
        return held


def _told(loads: Loads, seed: Address) -> int:
    return loads[seed].rows if seed in loads else 0


def _cuts(shares: list[tuple[int, float]], parts: int, first: int, last: int) -> list[int]:
    """Return the first keys of all parts but the first. Each part has equal rows, which are taken
    to lie evenly within a share; without a share, keys are."""
    shares = shares or [(last + 1, 1.0)]
    wanted, cuts, at, below = sum(rows for _, rows in shares) / parts, [], first, 0.0
    for after, rows in shares:
        while len(cuts) < parts - 1 and below + rows >= (len(cuts) + 1) * wanted:
            part = ((len(cuts) + 1) * wanted - below) / rows
            lowest = cuts[-1] + 1 if cuts else first + 1  # no part is empty
            highest = last + 2 + len(cuts) - parts
            cuts.append(min(max(at + int(part * (after - at)), lowest), highest))
        at, below = after, below + rows
    return cuts
