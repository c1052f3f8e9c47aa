"""Tending the tree: which seeds live, and what tree they should have.

Rules only, of one seed. The keeper is the first living
seed in the order of config.txt: it makes the tree hold exactly the living seeds, and cuts the keys
anew when the loads are too uneven. A seed that has just begun, or stood still, has not heard the
others yet, so it is no keeper, and decides about nobody.

No seed decides about subjects that it has owned for less than two periods; nor before a period has
passed in which every seed has told its load under this tree, because rows may be on their way until
then (a seed tells its load behind the rows that it forwards). When the same seeds cut the keys
anew, this concerns only the subjects whose rows move. `behind` is when rows were late last: when
this seed stood still, or a seed of the tree had not told its load for two periods.
"""

import collections
import math

from gossip.addresses import Address
from gossip.monitoring import grammar
from gossip.monitoring.threaded_tree import ThreadedTree, first_key, last_key

LIVING = 3  # periods for which a seed counts as living after its last word
SETTLED = 2  # periods after which a seed is sure of what it sees
STEADY = 3  # periods in a row in which loads are uneven before the keys are cut anew: a peer that
# was just found out takes its rows along, and others are about to be, whose rows should stay now


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
        self._awake_since = self._last_turn = self.behind = now
        self._trees = collections.deque([(now, ThreadedTree.alone(own))])  # (since when, tree)
        self._told: dict[Address, _Told] = collections.defaultdict(_Told)

    # What is told.

    def took(self, tree: ThreadedTree, now: float) -> None:
        """This seed has taken a newer tree."""
        self._trees.append((now, tree))
        for told in self._told.values():
            told.agreed = math.inf

    def said(self, seed: Address, tree: ThreadedTree) -> None:
        """Another seed has told its tree."""
        self._told[seed].tree = tree

    def told(self, seed: Address, load: grammar.Load, now: float) -> None:
        """Another seed has told its load."""
        told = self._told[seed]
        told.at, told.load = now, load
        if told.tree == self._trees[-1][1]:
            told.agreed = min(told.agreed, now)

    def turn(self, now: float) -> None:
        """A period is over: forget old trees; notice whether anything was late."""
        long_ago = now - SETTLED * self._period
        if now - self._last_turn > SETTLED * self._period:
            self._awake_since = self.behind = now
        if any(told.at <= long_ago for told in self._others()):
            self.behind = now  # what a seed forwards comes before its load
        self._last_turn = now
        while len(self._trees) > 1 and self._has_all(now) and self._trees[1][0] <= long_ago:
            self._trees.popleft()

    def _others(self) -> list[_Told]:
        """The last words of the other seeds in the newest tree."""
        return [self._told[seed] for seed in self._trees[-1][1].seeds() if seed != self._own]

    # What is asked.

    def loads(self, own: grammar.Load) -> dict[Address, grammar.Load]:
        """The last loads of all seeds, with this one's own."""
        return {**{seed: told.load for seed, told in self._told.items() if told.load is not None},
                self._own: own}

    def is_living(self, seed: Address, now: float) -> bool:
        """Whether a seed has said something lately, or is this seed."""
        return seed == self._own or self._heard(seed) > now - LIVING * self._period

    def is_keeper(self, now: float) -> bool:
        """Whether it is this seed that mends the tree."""
        first = next(seed for seed in self._seeds if self.is_living(seed, now))
        return first == self._own and self._is_settled(now)

    def decides(self, subject: Address, now: float) -> bool:
        """Whether this seed decides about a peer, and has for long enough."""
        return (self._is_settled(now)
                and all(tree.owner(first_key(subject)) == self._own for _, tree in self._trees)
                and (self._has_all(now) or self._kept(subject)))

    def _has_all(self, now: float) -> bool:
        """Whether all rows have come that were forwarded when the tree changed last."""
        return all(told.agreed <= now - self._period for told in self._others())

    def _kept(self, subject: Address) -> bool:
        """Whether all rows of a subject were this seed's in all recent trees."""
        seeds = set(self._trees[-1][1].seeds())  # a new seed may have rows of before it joined
        return all(tree.owner(last_key(subject)) == self._own and seeds.issubset(tree.seeds())
                   for _, tree in self._trees)

    def mended(self, tree: ThreadedTree, own: grammar.Load, now: float) -> ThreadedTree:
        """The tree as it should be; the same if nothing is wrong."""
        loads, mended = self.loads(own), tree
        living = [seed for seed in self._seeds if self.is_living(seed, now)]
        for seed in living:
            if seed not in mended:
                mended = mended.joined(self._own, seed, loads)
        for seed in mended.seeds():
            if seed not in living:
                mended = mended.without(self._own, seed, loads)
        uneven = mended is tree and self._all_told(now) and tree.too_uneven(loads)
        self._uneven = self._uneven + 1 if uneven else 0
        if self._uneven < STEADY:
            return mended
        self._uneven = 0
        return tree.recut(self._own, loads)

    def _is_settled(self, now: float) -> bool:
        """Whether this seed has been up without a pause for long enough."""
        return (self._seeds == [self._own]
                or now - self._awake_since >= SETTLED * self._period)

    def _all_told(self, now: float) -> bool:
        """Whether all loads were told after the rows had moved."""
        moved = self._trees[-1][0] + self._period
        return now >= moved and all(told.at >= moved for told in self._others())
