"""Tending the tree: which seeds live, who is the keeper, and the tree as it ought to be.

Rules only, of one seed; keeping.py asks them. The keeper is the first living seed in the order of
config.txt: it makes the tree hold exactly the living seeds, and cuts the keys anew when the loads
are too uneven. A seed that has just begun, or stood still, has not heard the others yet: it is no
keeper, and it decides about nobody. Nor does it about subjects that it has owned for less than two
periods; or before a period has passed in which every seed has told its load under this tree: a seed
does so behind the rows that it hands on, and until then some may still be on their way. Where the
same seeds cut the keys anew, that concerns only the subjects whose rows move.
"""

import collections
import threading

from gossip import wire
from gossip.addresses import Address
from gossip.monitoring.threaded_tree import ThreadedTree, first_key, last_key

LIVING = 3  # periods for which a seed counts as living after its last word
SETTLED = 2  # periods after which a seed is sure of what it sees
STEADY = 3  # periods in a row in which loads are uneven before the keys are cut anew: who has just
# been found out takes its rows along, and others are about to be, whose rows should not move now


class Tending:
    """What one seed knows of the others. `heard(seed)` tells when one has said something last."""

    def __init__(self, own: Address, seeds: list[Address], period: float, heard, now: float):
        self._own = own
        self._seeds = seeds  # all, in the order of config.txt
        self._period = period  # in seconds
        self._heard = heard
        self._uneven = 0  # periods in a row in which loads were uneven; only `mended` uses it
        self._lock = threading.Lock()  # guards everything below
        self._awake_since = self._last_turn = now
        self._trees = collections.deque([(now, ThreadedTree.alone(own))])  # (since when, tree)
        self._loads: dict[Address, tuple[float, wire.Load]] = {}  # of other seeds: (when, load)
        self._sayings: dict[Address, ThreadedTree] = {}  # the trees that they told last
        self._agreed: dict[Address, float] = {}  # when one has told its load under this tree first

    # What is told.

    def took(self, tree: ThreadedTree, now: float) -> None:
        """This seed has taken a newer tree."""
        with self._lock:
            self._trees.append((now, tree))
            self._agreed.clear()

    def said(self, seed: Address, tree: ThreadedTree) -> None:
        """Another seed has told its tree."""
        with self._lock:
            self._sayings[seed] = tree

    def told(self, seed: Address, load: wire.Load, now: float) -> None:
        """Another seed has told its load."""
        with self._lock:
            self._loads[seed] = now, load
            if self._sayings.get(seed) == self._trees[-1][1]:
                self._agreed.setdefault(seed, now)

    def turn(self, now: float) -> None:
        """A period is over: forget trees of long ago; notice when this process stood still."""
        with self._lock:
            if now - self._last_turn > SETTLED * self._period:
                self._awake_since = now
            self._last_turn = now
            while (len(self._trees) > 1 and self._has_all(now)
                   and self._trees[1][0] <= now - SETTLED * self._period):
                self._trees.popleft()

    # What is asked.

    def loads(self, own: wire.Load) -> dict[Address, wire.Load]:
        """The last loads of all seeds, with this one's own."""
        with self._lock:
            return {**{seed: load for seed, (_, load) in self._loads.items()}, self._own: own}

    def is_living(self, seed: Address, now: float) -> bool:
        """Whether another seed has said something lately; this one lives."""
        heard = now if seed == self._own else self._heard(seed)
        return heard is not None and heard > now - LIVING * self._period

    def is_keeper(self, now: float) -> bool:
        """Whether it is this seed that mends the tree."""
        first = next(seed for seed in self._seeds if self.is_living(seed, now))
        return first == self._own and self._is_settled(now)

    def decides(self, subject: Address, now: float) -> bool:
        """Whether this seed decides about a peer, and has for long enough."""
        with self._lock:
            trees = [tree for _, tree in self._trees]
            has_all = self._has_all(now)
        return (self._is_settled(now)
                and all(tree.owner(first_key(subject)) == self._own for tree in trees)
                and (has_all or self._kept(subject, trees)))

    def _has_all(self, now: float) -> bool:
        """Whether all rows have come that were handed on when the tree changed last. With the
        lock."""
        return all(seed == self._own or self._agreed.get(seed, now) <= now - self._period
                   for seed in self._trees[-1][1].seeds())

    def _kept(self, subject: Address, trees: list[ThreadedTree]) -> bool:
        """Whether all rows of a subject were this seed's in all these trees, the newest last; who
        is new to the tree may have some of a time when it thought itself alone."""
        seeds = set(trees[-1].seeds())
        return all(tree.owner(last_key(subject)) == self._own and seeds.issubset(tree.seeds())
                   for tree in trees)

    def mended(self, tree: ThreadedTree, own: wire.Load, now: float) -> ThreadedTree:
        """The tree as it ought to be: the same if nothing is wrong with it."""
        loads, mended = self.loads(own), tree
        living = [seed for seed in self._seeds if self.is_living(seed, now)]
        for seed in living:
            if seed not in mended:
                mended = mended.joined(self._own, seed, loads)
        for seed in mended.seeds():
            if seed not in living:
                mended = mended.without(self._own, seed, loads)
        uneven = mended is tree and self._all_told(tree, now) and tree.too_uneven(loads)
        self._uneven = self._uneven + 1 if uneven else 0
        if self._uneven < STEADY:
            return mended
        self._uneven = 0
        return tree.recut(self._own, loads)

    def _is_settled(self, now: float) -> bool:
        """Whether this seed has been up, and has not stood still, for long enough."""
        with self._lock:
            return self._seeds == [self._own] or (
                now - self._awake_since >= SETTLED * self._period)

    def _all_told(self, tree: ThreadedTree, now: float) -> bool:
        """Whether all loads were told when the rows had moved as this tree wants it."""
        with self._lock:
            moved = self._trees[-1][0] + self._period
            told = [when for seed, (when, _) in self._loads.items() if seed in tree]
        return now >= moved and all(when >= moved for when in told)
