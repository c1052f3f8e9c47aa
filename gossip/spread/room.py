"""Room: how much a peer remembers of what others say, and in which neighbour's account it is.

Rules only. A message that finds no room is refused: it
is neither remembered nor passed on, and it is fetched when there is room. Nothing is forgotten to
make room for it, so what was heard once stays old. The one exception: of very many runs that seeds
vouch for, the one used longest ago is forgotten.

A number needs room when it touches no other that was seen of its run: the next number of a run
never does. A run needs room when no seed vouches for it, that is, has named its origin. Both are in
the account of the neighbour that brought them. An account goes by the neighbour's address: a new
link is no new account.
"""

import collections

from gossip import wire
from gossip.addresses import Address
from gossip.intervals import Range
from gossip.settings import Settings
from gossip.spread.run import FREE, Numbers, Run
from gossip.spread.shares import Shares

NAMED_LIMIT = 100_000  # addresses kept that seeds have named; of more, the first goes


class Tally:
    """How many of something each neighbour has brought."""

    def __init__(self, of_one: int, in_all: int):
        self._of_one = of_one
        self._in_all = in_all
        self._brought: dict[Address | None, int] = {}  # neighbour -> how many, if any
        self._total = 0

    def has_room(self, neighbour: Address | None) -> bool:
        """Whether this neighbour may bring one more."""
        return self._total < self._in_all and self._brought.get(neighbour, 0) < self._of_one

    def add(self, neighbour: Address | None) -> None:
        self._brought[neighbour] = self._brought.get(neighbour, 0) + 1
        self._total += 1

    def remove(self, neighbour: Address | None) -> None:
        left = self._brought[neighbour] - 1
        if left:
            self._brought[neighbour] = left
        else:
            del self._brought[neighbour]
        self._total -= 1


class Room:
    """The room for the numbers and runs of one peer. Whoever brings something is given as the
    address of a neighbour; None stands for nobody in particular."""

    def __init__(self, settings: Settings, own_run: bytes):
        self._settings = settings
        self._own_run = own_run  # needs no room
        self._gaps = Tally(settings.intervals_of_one, settings.intervals_in_all)
        self._strangers = Tally(settings.runs_of_one, settings.runs_unvouched)
        self._named: dict[Address, int] = {}  # by seeds -> how many runs of it they vouch for here
        self._unvouched: dict[Address, list[Run]] = {}  # origin -> its runs that nobody vouches for
        # the runs that seeds vouch for, the one used longest ago first
        self._vouched: collections.OrderedDict[bytes, Run] = collections.OrderedDict()
        self.shares = Shares()  # of the memory for texts
        self._refused_runs = False  # since `vouch` was called last
        self.refused = collections.Counter()  # what was refused, in words -> how often

    # Numbers.

    def note(self, seen: Numbers, number: int, neighbour: Address | None) -> bool | None:
        """Note a number: True when it is new, False when it was seen, None when it is refused."""
        if number in seen:
            return False
        joined, relieved = seen.join(number)
        if relieved is not FREE:
            self._gaps.remove(relieved)
        if joined:
            return True
        if not len(seen):
            seen.begin(number, FREE)
            return True
        if not self._may_begin(seen, number, neighbour):
            self.refused["numbers beyond a gap for which there was no room"] += 1
            return None
        seen.begin(number, neighbour)
        self._gaps.add(neighbour)
        return True

    def _may_begin(self, seen: Numbers, number: int, neighbour: Address | None) -> bool:
        """Whether a number may begin an interval. 1 always may. In a run that has all its
        intervals, a number still may at half of the lowest that was seen, or less: a number has 63
        bits, so there are 63 such intervals at most, and nobody can use up the room below."""
        if number == 1:
            return True
        if len(seen) >= self._settings.intervals_kept and number > seen.lowest() // 2:
            return False
        return self._gaps.has_room(neighbour)

    def part_with_room(self, seen: Numbers, gaps: list[Range], neighbour: Address | None
                       ) -> list[Range]:
        """The part of some gaps that would be taken if a neighbour brought it now, the lowest
        number first. A gap that follows a seen number needs no room: each number touches the one
        before. Of a gap that only ends at a seen number, the last number needs none."""
        if len(seen) < self._settings.intervals_kept and self._gaps.has_room(neighbour):
            return gaps  # nearly always
        part = []
        for first, last in gaps:
            if first - 1 in seen or not len(seen) or self._may_begin(seen, first, neighbour):
                part.append((first, last))
            elif last + 1 in seen:
                part.append((last, last))
        return part

    # Runs.

    def begins(self, run: Run, origin: Address, neighbour: Address | None) -> bool:
        """A run is heard of; answer whether there is room for it."""
        if run.key == self._own_run:
            return True
        if self._would_vouch(origin):
            self._vouch_for(run, origin)
        elif self._strangers.has_room(neighbour):
            run.brought_by = neighbour
            run.owner = origin if origin in self._named else neighbour
            self._strangers.add(neighbour)
            self._unvouched.setdefault(origin, []).append(run)
        else:
            self._refused_runs = True
            self.refused["messages of runs for which there was no room"] += 1
            return False
        return True

    def would_begin(self, key: bytes, neighbour: Address | None) -> bool:
        """Whether there is room for a run that was not heard of yet."""
        if self._strangers.has_room(neighbour) or self._would_vouch(wire.check_run(key)):
            return True
        self._refused_runs = True
        return False

    def _would_vouch(self, origin: Address) -> bool:
        return self._named.get(origin, self._settings.runs_of_address) < \
            self._settings.runs_of_address

    def _vouch_for(self, run: Run, origin: Address) -> None:
        self._named[origin] += 1
        run.vouched = origin
        self._vouched[run.key] = run

    def vouch(self, addresses) -> bool:
        """Seeds name these addresses. Answer whether runs were refused before, of which there may
        be some for which there is room now."""
        new = sorted(address for address in addresses if address not in self._named)
        if not new:
            return False
        self._named.update(dict.fromkeys(new, 0))
        for address in new:
            self._vouch_for_known(address)
        while len(self._named) > NAMED_LIMIT:
            del self._named[next(iter(self._named))]
        refused, self._refused_runs = self._refused_runs, False
        return refused

    def _vouch_for_known(self, origin: Address) -> None:
        """Take runs that were heard of out of the accounts, as their origin is named now."""
        known = self._unvouched.pop(origin, ())
        for run in known:
            self.shares.leave(run)
            run.owner = origin
        for run in known[:self._settings.runs_of_address]:
            self._strangers.remove(run.brought_by)
            self._vouch_for(run, origin)
        for run in known:
            self.shares.changed(run)
        if len(known) > self._settings.runs_of_address:
            self._unvouched[origin] = known[self._settings.runs_of_address:]

    def used(self, run: Run) -> None:
        """Something was said of a run that seeds vouch for."""
        self._vouched.move_to_end(run.key)

    def surplus(self) -> Run | None:
        """A run to be forgotten, of too many that seeds vouch for."""
        if len(self._vouched) <= self._settings.runs_kept:
            return None
        return next(iter(self._vouched.values()))

    def forgotten(self, run: Run) -> None:
        """A run that seeds vouch for is remembered no longer."""
        del self._vouched[run.key]
        if run.vouched in self._named:
            self._named[run.vouched] -= 1
        for maker in run.seen.makers():
            self._gaps.remove(maker)
