"""The order of events: lines of many files, held back and sorted by time.

A line that is read later than it is held back, because its machine has another clock, is not
waited for: it is handed out at once, with the time up to which lines were handed out before.
"""

import bisect
import operator
import sys

from gossip.pictures.live_file import Line

HELD_BACK = 150_000  # microseconds
_time = operator.itemgetter(0)


class Order:
    """Lines that wait for older ones."""

    def __init__(self):
        self._waiting: list[Line] = []
        self._told_until = 0  # up to when lines were handed out, once there were any
        self.has_more = False  # more could have been handed out the last time

    def add(self, lines: list[Line]) -> None:
        """Put in lines; those of one file in their order."""
        self._waiting += lines

    def take(self, until: int, most: int = sys.maxsize) -> list[Line]:
        """Hand out the lines up to a time, in order, so many at most; those of one file stay as
        they were."""
        self._waiting.sort(key=_time)
        count = bisect.bisect_right(self._waiting, max(until, self._told_until), key=_time)
        self.has_more = count > most
        if self.has_more:
            count, until = most, self._waiting[most - 1].at
        ready, self._waiting = self._waiting[:count], self._waiting[count:]
        _put_messages_first(ready)
        late = bisect.bisect_left(ready, self._told_until, key=_time)
        ready[:late] = [line._replace(at=self._told_until) for line in ready[:late]]
        if ready or self._told_until:
            self._told_until = max(until, self._told_until)
        return ready


def _put_messages_first(lines: list[Line]) -> None:
    """Of one microsecond, what is received comes last: it may have been generated then."""
    received_at = None
    for at, _, kind, _ in lines:
        if kind == "received":
            received_at = at
        elif kind == "generated" and at == received_at:
            begin = bisect.bisect_left(lines, at, key=_time)
            end = bisect.bisect_right(lines, at, key=_time)
            lines[begin:end] = sorted(lines[begin:end], key=_is_received)
            received_at = None


def _is_received(line: Line) -> bool:
    return line.kind == "received"
