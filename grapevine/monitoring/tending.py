"""Tending: which seeds live, who changes the tree, and when rows may be on their way. Pure.

The first living seed of config.txt adds seeds to the tree, removes those that do not live, and cuts
the keys anew when loads are uneven. A seed lives, as another sees it, while it speaks and listens.
Rows move when the tree has changed; they are late where a seed is late, or was silent.
"""

from grapevine.addresses import Address
from grapevine.monitoring.grammar import Load
from grapevine.monitoring.threaded_tree import ThreadedTree

LIVING = 3  # periods for which a seed counts as living after its last word
SETTLED = 2  # periods after which a seed is sure of what it sees, and rows have moved
LATE_TURN = 0.15  # of a period: if this seed is later, rows may be, which wait for several turns
SILENT = 2.5  # periods without a load, after which rows from a seed may be late
STEADY = 3  # uneven periods in a row before a recut, because a peer just kicked takes its rows
# along, and others are about to be kicked, whose rows should stay now
RECUT_AGE = 6.5  # periods ago that a recut counts as a disturbance, because rows only move
REST = 12  # periods at least between two recuts, because few heavy subjects never lie evenly


class Tending:
    def __init__(self, own: Address, period: float, now: float):
        """`period` is in seconds."""
        self._own, self._period = own, period
        self.tree = ThreadedTree.alone(own)  # the newest that this seed knows
        self._told: dict[Address, tuple[float, Load]] = {}  # seed -> its last load, and when
        self._changed_at = self._awake_since = now
        self.quiet_since = now  # no row was late, or on its way, since then
        self._cut_at, self._uneven = now - REST * period, 0

    def adopt(self, tree: ThreadedTree, now: float) -> bool:
        """Take a tree; return whether it is newer than the one before."""
        if tree <= self.tree:
            return False
        is_recut = set(tree.seeds()) == set(self.tree.seeds())
        since = now - RECUT_AGE * self._period if is_recut else now
        self.quiet_since = max(self.quiet_since, since)
        self.tree, self._uneven, self._changed_at = tree, 0, now
        return True

    def told(self, seed: Address, load: Load, now: float) -> None:
        self._told[seed] = now, load

    def look(self, now: float, late: float = 0.0, is_late: bool = False) -> bool:
        """Notice, once a period, whether rows may be late: this seed is, by so many seconds or by
        its own word, or another is silent. Return that."""
        if late > SETTLED * self._period:
            self._awake_since = now
        is_late = is_late or late > LATE_TURN * self._period or any(
            self._told.get(seed, (self._changed_at,))[0] < now - SILENT * self._period
            for seed in self.tree.seeds() if seed != self._own)
        if is_late:
            self.quiet_since = now
        return is_late

    def loads(self) -> dict[Address, Load]:
        return {seed: load for seed, (_, load) in self._told.items()}

    def rows(self) -> list[tuple[Address, int]]:
        """Return how many rows each seed of the tree holds that has told its load."""
        loads = self.loads()
        return [(seed, loads[seed].rows) for seed in self.tree.seeds() if seed in loads]

    def is_awake(self, now: float) -> bool:
        """Tell whether this seed was up without pause for long enough."""
        return now - self._awake_since >= SETTLED * self._period

    def mended(self, living: list[Address], now: float) -> ThreadedTree:
        """Return the tree that is needed; the same, if another seed tends it. The living seeds are
        in the order of config.txt."""
        if living[0] != self._own or not self.is_awake(now):
            return self.tree
        tree, loads = self.tree, self.loads()
        for seed in living:
            if seed not in tree:
                tree = tree.joined(self._own, seed, loads)
        for seed in tree.seeds():
            if seed not in living:
                tree = tree.without(self._own, seed, loads)
        is_uneven = (tree is self.tree and now - self._changed_at >= SETTLED * self._period
                     and tree.too_uneven(loads))
        self._uneven = self._uneven + 1 if is_uneven else 0
        if self._uneven >= STEADY and now - self._cut_at >= REST * self._period:
            self._cut_at = now
            return tree.recut(self._own, loads)
        return tree
