"""The numbers seen of one run, and who made the gaps between them.

Pure values.

Every interval but the first made of a run is in somebody's account (room.py): in that of the
neighbour that brought the number with which the interval began. When two become one, the account of
the upper one is relieved; a run that grows from 1 on so relieves whoever made gaps above.
"""

from bisect import bisect_right

from gossip.intervals import Intervals

FREE = object()  # instead of a maker: the first interval of a run is in nobody's account


class Numbers(Intervals):
    """The numbers seen of one run. They are only added, never taken out."""

    __slots__ = ("_makers",)

    def __init__(self):
        super().__init__()
        self._makers: list = []  # of each interval, the lowest first

    def extend(self, first: int, last: int) -> bool:
        """Add the numbers from first to last if they are the next above all others, as nearly
        always; answer whether they were."""
        lasts = self._lasts
        if lasts and first == lasts[-1] + 1:
            lasts[-1] = last
            return True
        return False

    def join(self, number: int) -> tuple[bool, object]:
        """Add a number that is not in the set, if it needs no interval of its own; answer whether
        it was added, and the maker who is relieved of an interval, or FREE."""
        at = bisect_right(self._firsts, number)  # of the interval above
        touches_below = at > 0 and self._lasts[at - 1] == number - 1
        touches_above = at < len(self._firsts) and self._firsts[at] == number + 1
        if touches_below and touches_above:
            return True, self._close(at)
        if touches_below:
            self._lasts[at - 1] = number
        elif touches_above:
            self._firsts[at] = number
        return touches_below or touches_above, FREE

    def _close(self, at: int) -> object:
        """Make an interval and the one below it one; return the maker who is relieved."""
        self._lasts[at - 1] = self._lasts.pop(at)
        del self._firsts[at]
        maker = self._makers.pop(at)
        if maker is FREE:  # then the one that is left is free
            maker, self._makers[at - 1] = self._makers[at - 1], FREE
        return maker

    def begin(self, number: int, maker: object) -> None:
        """Add a number that touches no interval: it begins one."""
        at = bisect_right(self._firsts, number)
        self._firsts.insert(at, number)
        self._lasts.insert(at, number)
        self._makers.insert(at, maker)

    def makers(self) -> list:
        """The makers of all intervals that are in somebody's account."""
        return [maker for maker in self._makers if maker is not FREE]
