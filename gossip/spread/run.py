"""One run, that is one life of one peer: which of its messages were seen, which texts are held.

Pure values without a lock: the message list guards them.
"""

import hashlib
from bisect import bisect_left, bisect_right
from zlib import crc32

from gossip import wire
from gossip.intervals import Intervals, Range

sha256 = hashlib.sha256

SLICES = wire.SLICES  # of a digest: two peers that differ a little show only slices that differ
ALL_SLICES = (1 << SLICES) - 1


class Run:
    """What this peer knows of one run."""

    __slots__ = ("key", "slice", "seen", "gone", "held", "shares", "_sorted", "_ranges",
                 "_entry")

    def __init__(self, key: bytes):
        self.key = key  # IP:PORT:START
        self.slice = crc32(key) % SLICES  # the slice of the digest that it belongs to
        self.seen = Intervals()
        self.gone = Intervals()
        self.held: dict[int, bytes] = {}  # number -> digest of its line
        self._sorted: list[int] | None = None  # the numbers held, while they do not change
        self.shares = (0, 0)  # its digests of what is known and of what was seen, when last counted
        self._ranges: list[Range] | None = None  # the ranges of known(), while they do not change
        self._entry: bytes | None = None  # the same as an entry of a status line

    def hold(self, number: int, digest: bytes) -> None:
        self.held[number] = digest
        self._sorted = None

    def drop(self, number: int) -> bool:
        """Stop holding a text; return whether it was held."""
        self._sorted = None
        return self.held.pop(number, None) is not None

    def numbers(self, first: int, last: int) -> list[int]:
        """The numbers held from first to last, in order."""
        if last - first < 100:
            return [number for number in range(first, last + 1) if number in self.held]
        if self._sorted is None:
            self._sorted = sorted(self.held)
        return self._sorted[bisect_left(self._sorted, first):bisect_right(self._sorted, last)]

    def known(self) -> Intervals:
        """The numbers seen or gone: this peer does not ask for them."""
        if not len(self.gone):
            return self.seen
        return Intervals(self.seen.ranges() + self.gone.ranges())

    def changed(self) -> None:
        """Call this when more is seen or gone."""
        self._ranges = self._entry = None

    def ranges(self) -> list[Range]:
        """The numbers known, as ranges. The caller must not change the list."""
        if self._ranges is None:
            self._ranges = self.known().ranges()
        return self._ranges

    def entry(self) -> bytes:
        """The numbers known, as an entry of a status line."""
        if self._entry is None:
            self._entry = wire.status_entry(self.key, self.ranges())
        return self._entry

    def digests(self) -> tuple[int, int]:
        """Two digests: of the numbers known, and of the numbers seen."""
        known = self._digest_of(self.ranges())
        return known, known if not len(self.gone) else self._digest_of(self.seen.ranges())

    def _digest_of(self, ranges: list[Range]) -> int:
        if not ranges:
            return 0  # as for a run that was never heard of
        return int.from_bytes(sha256(self.key + repr(ranges).encode()).digest()[:16], "big")
