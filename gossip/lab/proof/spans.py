"""Spans of time, such as those in which a node was late, by its own word."""

from collections.abc import Iterable

from gossip.lab.proof.events import SECONDS


class Spans(list[tuple[float, float]]):
    """Times as pairs (begin, end). Two that overlap or touch stay two until they are merged."""

    def minus(self, others: Iterable[tuple[float, float]]) -> "Spans":
        """Return what is left without the other times."""
        left = self
        for begin, end in others:
            left = Spans(part for one, other in left
                         for part in ((one, min(other, begin)), (max(one, end), other))
                         if part[0] < part[1])
        return left

    def common(self, others: Iterable[tuple[float, float]]) -> "Spans":
        """Return the times that are in both."""
        return Spans((max(one, begin), min(other, end)) for one, other in self
                     for begin, end in others if max(one, begin) < min(other, end))

    def merged(self) -> "Spans":
        """Join times that overlap or touch; the result is in order."""
        whole = Spans()
        for begin, end in sorted(self):
            if whole and begin <= whole[-1][1]:
                whole[-1] = (whole[-1][0], max(whole[-1][1], end))
            else:
                whole.append((begin, end))
        return whole

    def hold(self, moment: float) -> bool:
        """Tell whether a moment is in one of the times; their ends are not."""
        return any(begin <= moment < end for begin, end in self)

    def cover(self, begin: float, end: float) -> bool:
        """Tell whether one of the times alone contains all of this one."""
        return any(one <= begin and end <= other for one, other in self)

    def longest(self) -> float:
        """Return the seconds of the longest; 0 without any."""
        return max((end - begin for begin, end in self), default=0.0)

    def total(self) -> float:
        """Return the seconds of all."""
        return sum(end - begin for begin, end in self)

    def later(self, at: float, seconds: float) -> float:
        """Return when so many seconds have passed from a time on that are in none of them."""
        end = at + seconds
        for begin, until in self:
            if until > at and begin < end:
                end += until - max(begin, at)
        return end

    def take_late(self, at: float, seconds: str) -> None:
        """Take a `late:` line; what an earlier one has told does not count twice. That of 0 s says
        that the file tells of lateness."""
        if SECONDS.fullmatch(seconds) and float(seconds):
            self.append((max(at - float(seconds), self[-1][1] if self else 0.0), at))
