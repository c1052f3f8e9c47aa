"""Sets of whole numbers, kept as intervals. Pure values without a lock: their owner guards them."""

from bisect import bisect_left, bisect_right

Range = tuple[int, int]  # first and last number, both included


class Intervals:
    """A set of whole numbers as sorted ranges with gaps between them."""

    __slots__ = ("_firsts", "_lasts")

    def __init__(self, ranges=()):
        self._firsts: list[int] = []
        self._lasts: list[int] = []
        for first, last in ranges:
            self.add_range(first, last)

    def __contains__(self, number: int) -> bool:
        at = bisect_right(self._firsts, number) - 1
        return at >= 0 and number <= self._lasts[at]

    def __len__(self) -> int:
        """Return the number of intervals, not of numbers."""
        return len(self._firsts)

    def add(self, number: int) -> bool:
        """Add a number. Return whether it was new."""
        lasts = self._lasts
        if lasts and number == lasts[-1] + 1:  # the usual case: the next number of a run
            lasts[-1] = number
            return True
        if number in self:
            return False
        self.add_range(number, number)
        return True

    def add_range(self, first: int, last: int) -> None:
        """Add all numbers from first to last; ranges that touch are merged."""
        low = bisect_left(self._lasts, first - 1)
        high = bisect_right(self._firsts, last + 1)
        if low < high:
            first = min(first, self._firsts[low])
            last = max(last, self._lasts[high - 1])
        self._firsts[low:high] = [first]
        self._lasts[low:high] = [last]

    def minus(self, ranges: list[Range]) -> "Intervals":
        """Return the set without the numbers in some sorted ranges."""
        others = Intervals(ranges)
        return Intervals(gap for low, high in self.ranges() for gap in others.missing(low, high))

    def common(self, ranges: list[Range]) -> list[Range]:
        """Return the parts of sorted ranges that are in the set."""
        parts = []
        for first, last in ranges:
            at = bisect_left(self._lasts, first)
            while at < len(self._firsts) and self._firsts[at] <= last:
                parts.append((max(first, self._firsts[at]), min(last, self._lasts[at])))
                at += 1
        return parts

    def ranges(self) -> list[Range]:
        return list(zip(self._firsts, self._lasts))

    def lowest(self) -> int:
        """Return the lowest number; IndexError if the set is empty."""
        return self._firsts[0]

    def missing(self, first: int, last: int) -> list[Range]:
        """Return the parts of first..last that are not in the set."""
        gaps = []
        for low, high in self.common([(first, last)]):
            if first < low:
                gaps.append((first, low - 1))
            first = high + 1
        return [*gaps, (first, last)] if first <= last else gaps


def format_ranges(ranges: list[Range]) -> str:
    """Format ranges as on the wire: `1-10,12,15-20`."""
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in ranges)
