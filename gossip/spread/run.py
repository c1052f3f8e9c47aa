"""Runs: the messages of a run that were seen, or are held.

Pure values. Every interval of seen numbers except the first is charged to its maker, the neighbour
that brought the number with which it began (room.py). When two intervals merge, the maker of the
upper one is credited. So a run that grows from 1 on credits everybody that made gaps above.
"""

import hashlib
import itertools
from bisect import bisect_left, bisect_right
from zlib import crc32

from gossip import wire
from gossip.intervals import Intervals
from gossip.settings import Settings

sha256 = hashlib.sha256

SLICES = wire.SLICES  # of a digest: two peers exchange vectors only of slices that differ
ALL_SLICES = (1 << SLICES) - 1
FREE = object()  # instead of a maker: the first interval of a run is charged to nobody


def by_run(lines: list[bytes], covers: list[bytes] = ()
           ) -> list[tuple[bytes, list[bytes], list[bytes]]]:
    """Return (run, its lines, their covers) for each run."""
    run = wire.gossip_key(lines[0])[0]
    mark = b":%b:" % run
    at = lines[0].index(mark)
    if all([line.startswith(mark, at) and line.startswith(wire.GOSSIP) for line in lines]):
        return [(run, lines, covers)]  # nearly always
    groups: dict[bytes, tuple] = {}
    for number, line in enumerate(lines):
        some, their = groups.setdefault(wire.gossip_key(line)[0], ([], []))
        some.append(line)
        their += covers[number:number + 1]
    return [(run, *group) for run, group in groups.items()]


class Numbers(Intervals):
    """The numbers seen of one run. Numbers are only added, never removed."""

    __slots__ = ("_makers",)

    def __init__(self):
        super().__init__()
        self._makers: list = []  # the maker of each interval, lowest first

    def extend(self, first: int, last: int) -> bool:
        """Add first..last if they follow all others, the usual case. Return whether they do."""
        lasts = self._lasts
        if lasts and first == lasts[-1] + 1:
            lasts[-1] = last
            return True
        return False

    def join(self, number: int) -> tuple[bool, object]:
        """Add a new number if it extends or joins intervals. Return whether it was added, and the
        maker that is credited with an interval, or FREE."""
        at = bisect_right(self._firsts, number)  # of the interval above
        touches_below = at > 0 and self._lasts[at - 1] == number - 1
        touches_above = at < len(self._firsts) and self._firsts[at] == number + 1
        if touches_below and touches_above:  # two intervals become one
            self._lasts[at - 1] = self._lasts.pop(at)
            del self._firsts[at]
            maker = self._makers.pop(at)
            if maker is FREE:  # then the merged interval is free instead
                maker, self._makers[at - 1] = self._makers[at - 1], FREE
            return True, maker
        if touches_below:
            self._lasts[at - 1] = number
        elif touches_above:
            self._firsts[at] = number
        return touches_below or touches_above, FREE

    def begin(self, number: int, maker: object) -> None:
        """Begin a new interval with a number that touches none."""
        at = bisect_right(self._firsts, number)
        self._firsts.insert(at, number)
        self._lasts.insert(at, number)
        self._makers.insert(at, maker)

    def makers(self) -> list:
        return [maker for maker in self._makers if maker is not FREE]


class Run:
    """The knowledge of this peer about a run."""

    __slots__ = ("key", "slice", "seen", "held", "share", "brought_by", "vouched", "owner",
                 "weight", "counted", "rank", "_oldest", "_sorted", "_entry")

    def __init__(self, key: bytes):
        self.key = key  # IP:PORT:START
        self.slice = crc32(key) % SLICES  # the slice of the digest to which it belongs
        self.seen = Numbers()
        self.held: dict[int, bytes] = {}  # number -> its line as received
        self.share = 0  # its part of the digest, as computed last
        self.brought_by = None  # the neighbour that is charged for the run (room.py)
        self.vouched = None  # its origin, once seeds vouch for the run: then nobody is charged
        self.owner = None  # the address that is charged for its texts until then
        self.weight = 0  # of the texts held; Shares in room.py uses this, `counted` and `rank`
        self.counted = 0  # this much of the weight is in the share of `owner`
        self.rank = None  # the entry of the run in a heap
        self._oldest: list[int] = []  # numbers held when last listed, the oldest arrival last
        self._sorted: list[int] | None = None  # the numbers held; None after a change
        self._entry: bytes | None = None  # the entry of a status line; None after a change

    def drop_oldest(self) -> bytes:
        """Drop the text that came first. Return its line. There must be a text."""
        if not self._oldest:
            self._oldest = list(reversed(self.held))
        self._sorted = None
        line = self.held.pop(self._oldest.pop())
        if not self.held:
            self.held = {}  # a dictionary does not shrink by itself
        return line

    def numbers(self, first: int, last: int) -> list[int]:
        if last - first < 100:
            return [number for number in range(first, last + 1) if number in self.held]
        if self._sorted is None:
            self._sorted = sorted(self.held)
        return self._sorted[bisect_left(self._sorted, first):bisect_right(self._sorted, last)]

    def changed(self) -> None:
        """Drop the cached entry and order. Call this when more was seen, and may be held."""
        self._sorted = self._entry = None

    def entry(self) -> bytes:
        """Return the numbers seen, as an entry of a status line."""
        if self._entry is None:
            self._entry = wire.status_entry(self.key, self.seen.ranges())
        return self._entry

    def digest(self) -> int:
        """Return the run's part of the digest, computed from what was seen."""
        ranges = repr(self.seen.ranges()).encode()
        return int.from_bytes(sha256(self.key + ranges).digest()[:16], "big")


class Digest:
    """A digest of all numbers seen. Each run belongs to one of its slices."""

    def __init__(self):
        self._slices = [0] * SLICES
        self._changed: set[Run] = set()  # runs with an outdated share
        self.changed = self._changed.add  # to call when more was seen of a run

    def forget(self, run: Run) -> None:
        self._changed.discard(run)
        self._slices[run.slice] ^= run.share

    def slices(self) -> list[int]:
        """Return all slices, each a number of 128 bits."""
        for run in self._changed:
            share = run.digest()
            self._slices[run.slice] ^= run.share ^ share
            run.share = share
        self._changed.clear()
        return self._slices


class Texts:
    """The texts held, in order of arrival, and their size in bytes."""

    def __init__(self, settings: Settings, shares):
        self._settings = settings
        self._shares = shares  # decide whose texts are evicted first (room.py)
        self.lines: dict[bytes, object] = {}  # text -> its cover if signed; in order of arrival
        self.digests: set[bytes] = set()  # SHA-256 of each text
        self._bytes = 0
        self._least = settings.cache_bytes // max(1, settings.cache_size)  # the minimal weight
        self._grown: dict[Run, None] = {}  # runs whose weight grew since the last eviction
        self.evicted = 0  # texts, since the start

    def hold(self, run: Run, first: int, lines: list[bytes], digests: list[bytes],
             cover=None) -> None:
        """Hold texts with consecutive numbers, which were just noted as seen."""
        run.held.update(enumerate(lines, first))
        self.digests.update(digests)
        self.lines.update(dict.fromkeys(lines, cover))
        self._bytes += sum(map(len, lines))
        run.weight += sum(map(max, map(len, lines), itertools.repeat(self._least)))
        self._grown[run] = None

    def is_over(self) -> bool:
        return (len(self.lines) > self._settings.cache_size
                or self._bytes > self._settings.cache_bytes and bool(self.lines))

    def evict(self) -> None:
        """Evict texts beyond the limits, first from the largest share."""
        for run in self._grown:
            self._shares.changed(run)
        self._grown.clear()
        while self.is_over():
            run, weight = self._shares.largest()
            while True:
                self._drop(run, run.drop_oldest())
                self.evicted += 1
                if run.weight <= weight or not self.is_over():
                    break
            self._shares.changed(run)

    def forget(self, run: Run) -> None:
        self._grown.pop(run, None)
        for line in run.held.values():
            self._drop(run, line)
        run.held.clear()
        self._shares.changed(run)

    def _drop(self, run: Run, line: bytes) -> None:
        self.digests.remove(sha256(wire.gossip_part(line)).digest())
        self._bytes -= len(line)
        run.weight -= max(len(line), self._least)
        del self.lines[line]
