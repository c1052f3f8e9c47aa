"""Room: limits on what a peer remembers, charged to its neighbours.

Rules only. A message without room is neither remembered nor forwarded, and is fetched when there is
room. Seeds vouch for eight runs of an origin that they name. Only vouched runs are ever forgotten,
the least recently used first, because duplicates of a forgotten run count as new. Each neighbour's
address has a quota of unvouched runs, and of new intervals of numbers.

Texts are evicted from the largest share, and in it from the largest run. A vouched run has a share
of its own. Because anybody can invent runs, all others share that of their `Run.owner`.
"""

import collections
import heapq
import itertools

from gossip import wire
from gossip.addresses import Address
from gossip.intervals import Range
from gossip.settings import Settings
from gossip.spread.run import FREE, Numbers, Run

NAMED_LIMIT = 100_000  # addresses kept that seeds have named; beyond that, the oldest is dropped
SPARED = 7 / 8  # of the weight of the next item; the heaviest may be reduced to this at once


class Tally:
    """A count of what each neighbour has brought, with two quotas."""

    def __init__(self, of_one: int, in_all: int):
        self._of_one, self._in_all = of_one, in_all  # the quota of a neighbour, and of all
        self._brought: collections.Counter = collections.Counter()  # neighbour -> how many, if any
        self._total = 0

    def has_room(self, neighbour: Address | None) -> bool:
        return self._total < self._in_all and self._brought[neighbour] < self._of_one

    def add(self, neighbour: Address | None, items: int = 1) -> None:
        """Count items that this neighbour has brought; below 0, credit it."""
        self._brought[neighbour] += items
        self._total += items
        if not self._brought[neighbour]:
            del self._brought[neighbour]


class Room:
    """The room for numbers and runs. Neighbour None stands for nobody."""

    def __init__(self, settings: Settings, own_run: bytes):
        self._settings, self._own_run = settings, own_run  # which needs no room
        self._gaps = Tally(settings.intervals_of_one, settings.intervals_in_all)
        self._strangers = Tally(settings.runs_of_one, settings.runs_unvouched)
        self._named: dict[Address, int] = {}  # by seeds -> how many of its runs they vouch for
        self._unvouched: dict[Address, list[Run]] = {}  # origin -> runs that nobody vouches for
        # the runs for which seeds vouch, the least recently used first
        self._vouched: collections.OrderedDict[bytes, Run] = collections.OrderedDict()
        self.shares = Shares()  # of the memory for texts
        self._refused_runs = False  # runs were refused since the last `vouch`
        self.refused = collections.Counter()  # reason of a refusal -> how often

    def note(self, seen: Numbers, number: int, neighbour: Address | None) -> bool | None:
        """Note a number. Return True if it is new, False if it was seen, None if refused."""
        if number in seen:
            return False
        joined, relieved = seen.join(number)
        if relieved is not FREE:
            self._gaps.add(relieved, -1)
        if joined:
            return True
        if not len(seen):
            seen.begin(number, FREE)
        elif self._may_begin(seen, number, neighbour):
            seen.begin(number, neighbour)
            self._gaps.add(neighbour)
        else:
            self.refused["numbers beyond a gap for which there was no room"] += 1
            return None
        return True

    def _may_begin(self, seen: Numbers, number: int, neighbour: Address | None) -> bool:
        """Return whether a number may begin an interval, as 1 always may. In a full run it may if
        it is at most half of the lowest number, which happens 63 times at most, because numbers
        have 63 bits; and within the neighbour's quota."""
        if number == 1:
            return True
        if len(seen) >= self._settings.intervals_kept and number > seen.lowest() // 2:
            return False
        return self._gaps.has_room(neighbour)

    def part_with_room(self, seen: Numbers, gaps: list[Range], neighbour: Address | None
                       ) -> list[Range]:
        """Return the part of some gaps that has room now, lowest first. A gap behind a seen number
        needs no room, nor does the last number of a gap before a seen number."""
        if len(seen) < self._settings.intervals_kept and self._gaps.has_room(neighbour):
            return gaps  # nearly always
        part = []
        for first, last in gaps:
            if first - 1 in seen or not len(seen) or self._may_begin(seen, first, neighbour):
                part.append((first, last))
            elif last + 1 in seen:
                part.append((last, last))
        return part

    def begins(self, run: Run, origin: Address, neighbour: Address | None) -> bool:
        """Enter a run that is new here. Return False if there is no room for it."""
        if run.key == self._own_run:
            return True
        if self._would_vouch(origin):
            self._vouch_for(run, origin)
            return True
        if self._strangers.has_room(neighbour):
            run.brought_by = neighbour
            run.owner = origin if origin in self._named else neighbour
            self._strangers.add(neighbour)
            self._unvouched.setdefault(origin, []).append(run)
            return True
        self._refused_runs = True
        self.refused["messages of runs for which there was no room"] += 1
        return False

    def would_begin(self, key: bytes, neighbour: Address | None) -> bool:
        if self._strangers.has_room(neighbour) or self._would_vouch(wire.check_run(key)):
            return True
        self._refused_runs = True
        return False

    def _would_vouch(self, origin: Address) -> bool:
        limit = self._settings.runs_of_address
        return self._named.get(origin, limit) < limit

    def _vouch_for(self, run: Run, origin: Address) -> None:
        self._named[origin] += 1
        run.vouched = origin
        self._vouched[run.key] = run

    def vouch(self, addresses) -> bool:
        """Note that seeds name addresses. Return whether refused runs may have room now."""
        new = sorted(address for address in addresses if address not in self._named)
        if not new:
            return False
        for address in new:
            self._named[address] = 0
            for run in self._unvouched.pop(address, ()):  # nobody is charged for these any more
                self.shares.leave(run)
                run.owner = address
                if self._would_vouch(address):
                    self._strangers.add(run.brought_by, -1)
                    self._vouch_for(run, address)
                else:
                    self._unvouched.setdefault(address, []).append(run)
                self.shares.changed(run)
        while len(self._named) > NAMED_LIMIT:
            del self._named[next(iter(self._named))]
        refused, self._refused_runs = self._refused_runs, False
        return refused

    def used(self, run: Run) -> None:
        self._vouched.move_to_end(run.key)

    def surplus(self) -> Run | None:
        """Return a run to forget if seeds vouch for too many."""
        is_over = len(self._vouched) > self._settings.runs_kept
        return next(iter(self._vouched.values())) if is_over else None

    def forgotten(self, run: Run) -> None:
        """Remove a vouched run, and credit the makers of its intervals."""
        del self._vouched[run.key]
        if run.vouched in self._named:
            self._named[run.vouched] -= 1
        for maker in run.seen.makers():
            self._gaps.add(maker, -1)


class Heaviest:
    """A heap of items whose weights change. An item has a `weight`, and a `rank`, which is its heap
    entry (None at first)."""

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
    """The share of all runs charged to an address."""

    def __init__(self):
        self.weight, self.rank, self.runs = 0, None, Heaviest()


class Shares:
    """The shares of all runs. Each run has a `weight`: that of its texts."""

    def __init__(self):
        self._all = Heaviest()
        self._joint: dict[Address | None, _Joint] = {}  # owner -> its share, if any

    def changed(self, run: Run) -> None:
        if run.vouched is None:
            share = self._joint.setdefault(run.owner, _Joint())
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
        share.weight += weight - run.counted
        run.counted = weight
        self._all.changed(share)
        if not share.weight:
            del self._joint[run.owner]

    def largest(self) -> tuple[Run, int]:
        """Return the run to evict from, and down to which weight. There must be a text."""
        share, floor = self._all.find()
        if type(share) is Run:
            return share, floor
        run, next_run = share.runs.find()
        return run, max(next_run, run.weight - (share.weight - floor))
