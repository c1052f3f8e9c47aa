"""One run, that is one life of one peer: which of its messages were seen, which texts are held.

Pure values.
"""

import hashlib
from bisect import bisect_left, bisect_right
from zlib import crc32

from gossip import wire
from gossip.spread.numbers import Numbers

sha256 = hashlib.sha256

SLICES = wire.SLICES  # of a digest: two peers that differ a little show only slices that differ
ALL_SLICES = (1 << SLICES) - 1


class Run:
    """What this peer knows of one run."""

    __slots__ = ("key", "slice", "seen", "held", "share", "brought_by", "vouched", "owner",
                 "weight", "counted", "rank", "_oldest", "_sorted", "_entry")

    def __init__(self, key: bytes):
        self.key = key  # IP:PORT:START
        self.slice = crc32(key) % SLICES  # the slice of the digest that it belongs to
        self.seen = Numbers()
        self.held: dict[int, bytes] = {}  # number -> its line as received
        self.share = 0  # in the digest of all that was seen, when it was counted last
        self.brought_by = None  # the neighbour in whose account the run is, see room.py
        self.vouched = None  # its origin, once seeds vouch for it: then it is in no account
        self.owner = None  # the address that has to answer for its texts until then
        self.weight = 0  # of the texts held; for shares.py, like the next two
        self.counted = 0  # this much of the weight is in the share of `owner`
        self.rank = None  # the entry of the run in a heap
        self._oldest: list[int] = []  # numbers held when these were listed, the oldest arrival last
        self._sorted: list[int] | None = None  # the numbers held, while they do not change
        self._entry: bytes | None = None  # the numbers seen as an entry of a status line

    def hold(self, first: int, lines: list[bytes]) -> None:
        """Hold lines with consecutive numbers. More was seen, so what is kept of that is out of
        date."""
        self.held.update(enumerate(lines, first))
        self._sorted = self._entry = None

    def drop_oldest(self) -> bytes:
        """Stop holding the text that came first; return its line. There must be one."""
        if not self._oldest:
            self._oldest = list(reversed(self.held))
        self._sorted = None
        line = self.held.pop(self._oldest.pop())
        if not self.held:
            self.held = {}  # a dictionary does not shrink by itself
        return line

    def numbers(self, first: int, last: int) -> list[int]:
        """The numbers held from first to last, in order."""
        if last - first < 100:
            return [number for number in range(first, last + 1) if number in self.held]
        if self._sorted is None:
            self._sorted = sorted(self.held)
        return self._sorted[bisect_left(self._sorted, first):bisect_right(self._sorted, last)]

    def changed(self) -> None:
        """Call this when more was seen."""
        self._entry = None

    def entry(self) -> bytes:
        """The numbers seen, as an entry of a status line."""
        if self._entry is None:
            self._entry = wire.status_entry(self.key, self.seen.ranges())
        return self._entry

    def digest(self) -> int:
        """The share that the run ought to have in the digest."""
        if not len(self.seen):
            return 0  # as for a run that was never heard of
        ranges = repr(self.seen.ranges()).encode()
        return int.from_bytes(sha256(self.key + ranges).digest()[:16], "big")
