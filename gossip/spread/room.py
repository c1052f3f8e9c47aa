"""Room: how much a peer remembers of what others send, charged to the neighbour that sent it.

Rules only. A message without room is refused: it is neither remembered nor forwarded, and is
fetched when there is room. Nothing is forgotten to make room, so that a duplicate stays a
duplicate. One exception: of too many runs for which seeds vouch, the least recently used is
forgotten.

A number needs room only if neither number next to it was seen in its run. A run needs room unless
seeds vouch for it, that is, have named its origin. Both are charged to the account of the neighbour
that brought them. An account belongs to the neighbour's address, and outlives its links.
"""

import collections

from gossip import wire
from gossip.addresses import Address
from gossip.intervals import Range
from gossip.settings import Settings
from gossip.spread.run import FREE, Numbers, Run
from gossip.spread.shares import Shares

NAMED_LIMIT = 100_000  # addresses kept that seeds have named; beyond that, the oldest is dropped


class Tally:
    """How many items of a kind each neighbour has brought, with a quota for one and for all."""

    def __init__(self, of_one: int, in_all: int):
        self._of_one = of_one
        self._in_all = in_all
        self._brought: dict[Address | None, int] = {}  # neighbour -> how many, if any
        self._total = 0

    def has_room(self, neighbour: Address | None) -> bool:
        """Return whether this neighbour may bring one more."""
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
    """The room for a peer's numbers and runs. `neighbour` brings a message; None: nobody in
    particular."""

    def __init__(self, settings: Settings, own_run: bytes):
        self._settings = settings
        self._own_run = own_run  # needs no room
        self._gaps = Tally(settings.intervals_of_one, settings.intervals_in_all)
        self._strangers = Tally(settings.runs_of_one, settings.runs_unvouched)
        self._named: dict[Address, int] = {}  # by seeds -> how many of its runs they vouch for
        self._unvouched: dict[Address, list[Run]] = {}  # origin -> runs that nobody vouches for
        # the runs for which seeds vouch, the least recently used first
        self._vouched: collections.OrderedDict[bytes, Run] = collections.OrderedDict()
        self.shares = Shares()  # of the memory for texts
        self._refused_runs = False  # runs were refused since the last `vouch`
        self.refused = collections.Counter()  # reason of a refusal -> how often

    # Numbers.

    def note(self, seen: Numbers, number: int, neighbour: Address | None) -> bool | None:
        """Note a number. Return True if it is new, False if it was seen, None if refused."""
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
        """Return whether a number may begin an interval; 1 always may. A full run still takes half
        of its lowest number or less, at most 63 times (63 bits), so that nobody fills that room."""
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

    # Runs.

    def begins(self, run: Run, origin: Address, neighbour: Address | None) -> bool:
        """Enter a run that is new here. Return False if there is no room for it."""
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
        """Return whether there is room for a run that is not known yet."""
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
        """Note that seeds name these addresses. Return whether refused runs may have room now."""
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
        """Stop charging for known runs of an origin that is named now."""
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
        """Note that a message of a run for which seeds vouch has come."""
        self._vouched.move_to_end(run.key)

    def surplus(self) -> Run | None:
        """Return a run to forget if seeds vouch for too many, else None."""
        if len(self._vouched) <= self._settings.runs_kept:
            return None
        return next(iter(self._vouched.values()))

    def forgotten(self, run: Run) -> None:
        """Remove a run for which seeds vouch, and credit the makers of its intervals."""
        del self._vouched[run.key]
        if run.vouched in self._named:
            self._named[run.vouched] -= 1
        for maker in run.seen.makers():
            self._gaps.remove(maker)
