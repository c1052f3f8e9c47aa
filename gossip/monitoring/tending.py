"""Tending the tree: which seeds live, and what tree they should have. Rules only, of one seed.

The keeper is the first living seed in the order of config.txt. A seed that has just begun, or stood
still, has not heard the others yet, so it neither keeps the tree nor decides.

A seed decides about a subject after owning it for two periods, and a period after all seeds have
told their loads under this tree. Until then rows may be on their way, because a seed tells its load
behind the rows that it forwards. After a recut among the same seeds, only subjects whose rows move
have to wait.
"""

import collections
import math

from gossip.addresses import Address
from gossip.monitoring import grammar
from gossip.monitoring.threaded_tree import ThreadedTree, first_key, last_key

LIVING = 3  # periods for which a seed counts as living after its last word
SETTLED = 2  # periods after which a seed is sure of what it sees
STEADY = 3  # uneven periods in a row before a recut, because a peer just kicked takes its rows
# along, and others are about to be kicked, whose rows should stay now


class _Told:
    """The last words of another seed."""

    def __init__(self):
        self.at = -math.inf  # when it told its load last
        self.load: grammar.Load | None = None
        self.tree: ThreadedTree | None = None
        self.agreed = math.inf  # when it first told its load under this seed's tree


class Tending:
    """The state of the other seeds, as one seed knows it; `heard(seed)`: its last word."""

    def __init__(self, own: Address, seeds: list[Address], period: float, heard, now: float):
        self._own = own
        self._seeds = seeds  # all, in the order of config.txt
        self._period = period  # in seconds
        self._heard = heard
        self._uneven = 0  # periods in a row in which loads were uneven
        self._awake_since = self._last_turn = now
        self.behind = now  # when rows were late last
        self._trees = collections.deque([(now, ThreadedTree.alone(own))])  # (since when, tree)
        self._told: dict[Address, _Told] = collections.defaultdict(_Told)

    # What is told.

    def took(self, tree: ThreadedTree, now: float) -> None:
        """Note that this seed has taken a newer tree."""
        self._trees.append((now, tree))
        for told in self._told.values():
            told.agreed = math.inf

    def said(self, seed: Address, tree: ThreadedTree) -> None:
        """Note the tree of another seed."""
        self._told[seed].tree = tree

    def told(self, seed: Address, load: grammar.Load, now: float) -> None:
        """Note the load of another seed."""
        told = self._told[seed]
        told.at, told.load = now, load
        if told.tree == self._trees[-1][1]:
            told.agreed = min(told.agreed, now)

    def turn(self, now: float) -> None:
        """Forget old trees, and notice whether anything was late, once a period."""
        long_ago = now - SETTLED * self._period
        if now - self._last_turn > SETTLED * self._period:
            self._awake_since = self.behind = now
        if any(told.at <= long_ago for told in self._others()):
            self.behind = now  # what a seed forwards comes before its load
        self._last_turn = now
        while len(self._trees) > 1 and self._has_all(now) and self._trees[1][0] <= long_ago:
            self._trees.popleft()

    def _others(self) -> list[_Told]:
        """Return the last words of the other seeds in the newest tree."""
        return [self._told[seed] for seed in self._trees[-1][1].seeds() if seed != self._own]

    # What is asked.

    def loads(self, own: grammar.Load) -> dict[Address, grammar.Load]:
        """Return the last loads of all seeds, and `own` for this one."""
        return {**{seed: told.load for seed, told in self._told.items() if told.load is not None},
                self._own: own}

    def is_living(self, seed: Address, now: float) -> bool:
        """Return whether a seed is this one, or has spoken lately."""
        return seed == self._own or self._heard(seed) > now - LIVING * self._period

    def is_keeper(self, now: float) -> bool:
        """Return whether this seed mends the tree."""
        first = next(seed for seed in self._seeds if self.is_living(seed, now))
        return first == self._own and self._is_settled(now)

    def decides(self, subject: Address, now: float) -> bool:
        """Return whether this seed decides about a peer, for long enough already."""
        return (self._is_settled(now)
                and all(tree.owner(first_key(subject)) == self._own for _, tree in self._trees)
                and (self._has_all(now) or self._kept(subject)))

    def _has_all(self, now: float) -> bool:
        """Return whether all rows have come since the last change of tree."""
        return all(told.agreed <= now - self._period for told in self._others())

    def _kept(self, subject: Address) -> bool:
        """Return whether a subject's rows were all here in recent trees."""
        seeds = set(self._trees[-1][1].seeds())  # a new seed may have rows from before it joined
        return all(tree.owner(last_key(subject)) == self._own and seeds.issubset(tree.seeds())
                   for _, tree in self._trees)

    def mended(self, tree: ThreadedTree, own: grammar.Load, now: float) -> ThreadedTree:
        """Return the tree as it should be, which may be the same."""
        loads, mended = self.loads(own), tree
        living = [seed for seed in self._seeds if self.is_living(seed, now)]
        for seed in living:
            if seed not in mended:
                mended = mended.joined(self._own, seed, loads)
        for seed in mended.seeds():
            if seed not in living:
                mended = mended.without(self._own, seed, loads)
        moved = self._trees[-1][0] + self._period  # when the rows had moved; loads are told later
        all_told = now >= moved and all(told.at >= moved for told in self._others())
        uneven = mended is tree and all_told and tree.too_uneven(loads)
        self._uneven = self._uneven + 1 if uneven else 0
        if self._uneven < STEADY:
            return mended
        self._uneven = 0
        return tree.recut(self._own, loads)

    def _is_settled(self, now: float) -> bool:
        """Return whether this seed was up without pause for long enough."""
        return self._seeds == [self._own] or now - self._awake_since >= SETTLED * self._period
