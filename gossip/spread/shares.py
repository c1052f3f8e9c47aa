"""Shares: who uses how much of the memory for texts, and whose texts are evicted first.

Pure values. A run for which a seed vouches has a share of its own. Because anybody can invent runs,
all others are counted together for the address that is charged for them (`Run.owner`): their origin
if a seed has named it, else the neighbour that brought them. The largest share loses texts first,
and in it the largest run. So among n shares, a share below an nth of the memory loses no text: the
many texts of a sender never evict the few of another.
"""

import heapq
import itertools

from gossip.addresses import Address
from gossip.spread.run import Run

SPARED = 7 / 8  # of the weight of the next item; the heaviest may be reduced to this at once


class Heaviest:
    """Finds the heaviest of many items whose weights change. An item has a `weight`, and a `rank`,
    which is its heap entry (None at first)."""

    def __init__(self):
        # (at most -weight, serial number, item); stale unless it is the item's rank
        self._heap: list[tuple] = []
        self._serial = itertools.count()  # so that equal weights have a fixed order
        self._most = 0  # heap entries above which stale ones are removed

    def changed(self, item) -> None:
        """Note a changed weight. An item that outgrows its heap entry gets an entry of twice its
        weight, because weights change more often than the heaviest is looked for."""
        if not item.weight:
            item.rank = None
        if not item.weight or item.rank is not None and item.weight <= -item.rank[0]:
            return
        item.rank = -2 * item.weight, next(self._serial), item
        heapq.heappush(self._heap, item.rank)
        if len(self._heap) > self._most:
            self._heap = [entry for entry in self._heap if entry[2].rank is entry]
            heapq.heapify(self._heap)
            self._most = 100 + 2 * len(self._heap)

    def find(self) -> tuple:
        """Return the heaviest item, and SPARED of the weight of the next. There must be an item."""
        while True:
            entry = self._heap[0]
            item = entry[2]
            if item.rank is not entry:
                heapq.heappop(self._heap)
            elif item.weight == -entry[0]:
                return item, int(-min(self._heap[1:3], default=(0,))[0] * SPARED)
            else:
                item.rank = -item.weight, next(self._serial), item
                heapq.heapreplace(self._heap, item.rank)


class _Joint:
    """The share of all runs that are charged to one address."""

    __slots__ = ("weight", "rank", "runs")

    def __init__(self):
        self.weight = 0
        self.rank = None
        self.runs = Heaviest()


class Shares:
    """The shares of all runs. Each run has a `weight`: that of its texts."""

    def __init__(self):
        self._all = Heaviest()
        self._joint: dict[Address | None, _Joint] = {}  # owner -> its share, if any

    def changed(self, run: Run) -> None:
        """Note that the weight of a run has changed."""
        if run.vouched is None:
            share = self._joint.get(run.owner)
            if share is None:
                share = self._joint[run.owner] = _Joint()
            share.runs.changed(run)
            self._count(share, run, run.weight)
        else:
            self._all.changed(run)

    def leave(self, run: Run) -> None:
        """Remove a run from its owner's share. `changed` then enters it in another share."""
        if run.counted:
            self._count(self._joint[run.owner], run, 0)
            run.rank = None

    def _count(self, share: _Joint, run: Run, weight: int) -> None:
        """Count `weight` of a run in the share of its owner."""
        share.weight += weight - run.counted
        run.counted = weight
        self._all.changed(share)
        if not share.weight:
            del self._joint[run.owner]

    def largest(self) -> tuple[Run, int]:
        """Return the run that loses texts next, and down to which weight. There must be a text."""
        share, floor = self._all.find()
        if type(share) is Run:
            return share, floor
        run, next_run = share.runs.find()
        return run, max(next_run, run.weight - (share.weight - floor))
