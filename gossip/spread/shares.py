"""Shares: who takes how much of the memory for texts, and whose texts are evicted first.

Pure values.

A run that a seed vouches for has a share of its own. All others are counted together for the
address that has to answer for them (`Run.owner`), because anybody can invent runs: their origin if
a seed has named it, or else the neighbour that brought them. The texts of the largest share go
first, and in it those of the run that takes most. So among n shares none loses a text while it is
smaller than an nth of the memory: the many texts of somebody never evict the few of somebody else.
"""

import heapq
import itertools

from gossip.addresses import Address
from gossip.spread.run import Run

SPARED = 7 / 8  # of the weight of the next item: to this the heaviest may be reduced at once


class Heaviest:
    """Finds the heaviest of many items whose weights change. An item has a `weight`, and a `rank`,
    which is its entry here, None at first."""

    def __init__(self):
        # (less than or equal to -weight, serial number, item); stale unless it is the item's rank
        self._heap: list[tuple] = []
        self._serial = itertools.count()  # so that equal weights are found in the same order again
        self._most = 0  # entries of the heap, beyond which the stale ones are taken out

    def changed(self, item) -> None:
        """The weight of an item has changed. If it has outgrown its entry, it gets one with room to
        grow, because items are changed more often than the heaviest is looked for."""
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
        """Return the heaviest item, and SPARED of the weight of the next one. There must be an
        item."""
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
    """The share of all runs for which an address has to answer."""

    __slots__ = ("weight", "rank", "runs")

    def __init__(self):
        self.weight = 0
        self.rank = None
        self.runs = Heaviest()


class Shares:
    """The shares of all runs. Each run has a `weight`, that of its texts."""

    def __init__(self):
        self._all = Heaviest()
        self._joint: dict[Address | None, _Joint] = {}  # owner -> its share, if any

    def changed(self, run: Run) -> None:
        """The weight of a run has changed."""
        if run.vouched is None:
            share = self._joint.get(run.owner)
            if share is None:
                share = self._joint[run.owner] = _Joint()
            share.runs.changed(run)
            self._count(share, run, run.weight)
        else:
            self._all.changed(run)

    def leave(self, run: Run) -> None:
        """A run with this owner is to have another one, or a share of its own. Call `changed`
        afterwards."""
        if run.counted:
            self._count(self._joint[run.owner], run, 0)
            run.rank = None

    def _count(self, share: _Joint, run: Run, weight: int) -> None:
        """Count so much of a run in the share of its owner."""
        share.weight += weight - run.counted
        run.counted = weight
        self._all.changed(share)
        if not share.weight:
            del self._joint[run.owner]

    def largest(self) -> tuple[Run, int]:
        """The run of which texts have to go, and the weight at which others come next. There must
        be a text."""
        share, floor = self._all.find()
        if type(share) is Run:
            return share, floor
        run, next_run = share.runs.find()
        return run, max(next_run, run.weight - (share.weight - floor))
