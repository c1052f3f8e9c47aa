"""A set of whole numbers, kept as sorted ranges with gaps between them."""

from bisect import bisect_left, bisect_right

Range = tuple[int, int]  # the first and the last number, both included


class Intervals:
    """A set of whole numbers. Its length is the number of ranges, not of numbers."""

    __slots__ = ("_firsts", "_lasts")

    def __init__(self, ranges=()):
        self._firsts: list[int] = []
        self._lasts: list[int] = []
        for first, last in ranges:
            self.add(first, last)

    def __len__(self) -> int:
        return len(self._firsts)

    def __contains__(self, number: int) -> bool:
        at = bisect_right(self._firsts, number) - 1
        return at >= 0 and number <= self._lasts[at]

    def continue_with(self, first: int, last: int) -> bool:
        """Add a range that begins right behind the highest number; return whether it does."""
        if not self._lasts or self._lasts[-1] != first - 1:
            return False
        self._lasts[-1] = last
        return True

    def add(self, first: int, last: int) -> None:
        """Add all numbers from first to last. Ranges that touch become one."""
        low, high = bisect_left(self._lasts, first - 1), bisect_right(self._firsts, last + 1)
        if low < high:
            first, last = min(first, self._firsts[low]), max(last, self._lasts[high - 1])
        self._firsts[low:high], self._lasts[low:high] = [first], [last]

    def remove(self, first: int, last: int) -> None:
        """Remove all numbers from first to last."""
        low, high = bisect_left(self._lasts, first), bisect_right(self._firsts, last)
        if low < high:
            ends = (self._firsts[low], first - 1), (last + 1, self._lasts[high - 1])
            rest = [(begin, end) for begin, end in ends if begin <= end]
            self._firsts[low:high] = [begin for begin, _ in rest]
            self._lasts[low:high] = [end for _, end in rest]

    def touches(self, number: int) -> bool:
        """Tell whether a range ends right before this number, or begins right behind it."""
        return number - 1 in self or number + 1 in self

    def lowest(self) -> int:
        return self._firsts[0]

    def ranges(self) -> list[Range]:
        return list(zip(self._firsts, self._lasts))

    def common(self, first: int, last: int) -> list[Range]:
        """Return the parts of first to last that are in the set."""
        parts, at = [], bisect_left(self._lasts, first)
        while first <= last and at < len(self._firsts) and self._firsts[at] <= last:
            parts.append((max(first, self._firsts[at]), min(last, self._lasts[at])))
            at += 1
        return parts

    def missing(self, first: int, last: int) -> list[Range]:
        """Return the parts of first to last that are not in the set."""
        at, gaps = bisect_left(self._lasts, last), []
        if at < len(self._firsts) and self._firsts[at] <= first:
            return gaps  # as most are
        for low, high in self.common(first, last):
            if first < low:
                gaps.append((first, low - 1))
            first = high + 1
        return [*gaps, (first, last)] if first <= last else gaps
