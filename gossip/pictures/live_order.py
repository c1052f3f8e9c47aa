"""The order of events: lines of many files, held back and sorted by time.

A line that is read later than it is held back, because its machine has another clock, is not
waited for: it is handed out at once, with the time of the newest line that was.
"""

import bisect
import operator

from gossip.pictures.live_lines import Line

HELD_BACK = 150_000  # microseconds
_time = operator.itemgetter(0)


class Order:
    """Lines that wait for older ones."""

    def __init__(self):
        self._waiting: list[Line] = []
        self._newest = 0  # time of the newest line handed out

    def add(self, lines: list[Line]) -> None:
        """Put in lines; those of one file in their order."""
        self._waiting += lines

    def take(self, until: int) -> list[Line]:
        """Hand out the lines up to a time, in order; those of one file stay as they were."""
        if not self._waiting:
            return []
        self._waiting.sort(key=_time)
        count = bisect.bisect_right(self._waiting, until, key=_time)
        ready, self._waiting = self._waiting[:count], self._waiting[count:]
        late = bisect.bisect_left(ready, self._newest, key=_time)
        ready[:late] = [line._replace(at=self._newest) for line in ready[:late]]
        if ready:
            self._newest = ready[-1].at
        _put_messages_first(ready)
        return ready


def _put_messages_first(lines: list[Line]) -> None:
    """Of one microsecond, what is generated comes before what is received."""
    for place in [place for place, line in enumerate(lines) if line.kind == "generated"]:
        while place and lines[place - 1].at == lines[place].at and (
                lines[place - 1].kind == "received"):
            lines[place - 1], lines[place] = lines[place], lines[place - 1]
            place -= 1
