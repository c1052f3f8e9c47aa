"""Spans of time, and the sleep of a peer: when it was frozen, by the gaps in its file.

A peer that is awake and has neighbours writes in every liveness round, and its generator at every
gossip interval. A gap that is too long for that is a sleep. A shorter one may have been a sleep,
too, where a message was due in it or soon after it: what comes after it tells, unless the file ends
too soon after it.
"""

from collections.abc import Iterable

from gossip.settings import LATE_FOR

# seconds for which a generator waits after a sleep: while its peer is late, it looks once a second
LATE = LATE_FOR + 1.0
ASLEEP = 0.5  # seconds by which a duty has to be late to tell that its peer was frozen
LONE = 1.0  # seconds of a gap in which no message was due, above which it may have been a sleep
UNCLEAR = 1.5  # seconds of a gap that may have been a sleep, where nothing tells that it was none


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


def unusual(usual: float) -> float:
    """Seconds without a line that are too many where one comes in so many."""
    return usual + max(ASLEEP, usual / 2)


class Sleep:
    """The gaps in the file of one run, which is handed its lines in order, and what its generator
    said. Times are Unix seconds; `interval` is that of gossip, `liveness` that of liveness."""

    def __init__(self, begin: float):
        self.asleep = 0.0  # seconds in which it was frozen, or silent, by gaps in its file
        self.late = 0.0  # seconds after that in which its generator waited, because it was late
        self.silences = Spans()  # in which it wrote nothing, not even a round
        self.woke: float | None = None  # when it last woke, with neighbours that it had not asked
        # the last gap in its file that `asleep` does not contain, and for which a message waited
        self._gap = (begin, begin)
        # a short one, with a message due in it or soon after, until a delivery tells whether that
        # was a sleep
        self._stalled: tuple[float, float] | None = None
        self._unclear = (begin, begin)  # the last such one in which it was due, and none came since
        self._spoke = begin  # when the generator made its last message

    def look_at_gap(self, begin: float, at: float, interval: float, liveness: float,
                    linked: bool) -> None:
        """Nothing was written for longer than ASLEEP."""
        if at - begin > unusual(liveness):
            self.silences.append((begin, at))
        if at - begin > unusual(max(interval, liveness)):
            self.asleep += at - begin
            self.late += LATE
            self._gap = (at, at)
            if linked:
                self.woke = at
            return
        due = self._spoke + interval
        was_due = begin < due < at
        if at - begin > interval or was_due and at - begin > unusual(liveness):
            self._gap = (self._gap[0] if _may_be_late(at, self._gap) else begin, at)
        elif _may_be_late(at, self._gap):
            return
        elif was_due or at - begin > LONE and at < due < at + LATE:
            self._stalled = (begin, at)
            if was_due and at - begin > UNCLEAR:
                self._unclear = (begin, at)

    def look_at_delivery(self, at: float, made: str) -> None:
        """The first message received after a short gap, made `made` seconds after 1970: if it is as
        late as one that waited for a peer that slept, then that was a sleep."""
        if self._stalled is None:
            return
        gap, self._stalled = self._stalled, None
        try:
            took = at - float(made)
        except ValueError:
            return  # no node wrote this line
        if at - gap[1] < ASLEEP < took:
            self._gap = gap

    def generator_spoke(self, at: float, interval: float) -> None:
        """A message that was overdue while nothing was written for long, and that came soon when
        the file went on, tells of a shorter sleep."""
        asleep, late = self._overdue(at, interval, self._gap)
        if asleep or late:
            self.asleep += asleep
            self.late += late
            self._gap = (at, at)
        self._spoke, self._unclear = at, (at, at)

    def later(self, at: float, seconds: float) -> float:
        """When so many seconds have passed from a time on, in which it was not silent."""
        end = at + seconds
        for begin, woke in self.silences:
            if woke > at and begin < end:
                end += woke - max(begin, at)
        return end

    def overdue(self, at: float, interval: float) -> float:
        """Seconds for which a message that is not there, and never will be, was overdue at that
        time, because of a sleep that `asleep` and `late` do not contain yet; or of a short gap that
        may have been one, as the file ends too soon after it to tell."""
        return max(sum(self._overdue(at, interval, gap)) for gap in (self._gap, self._unclear))

    def _overdue(self, at: float, interval: float,
                 gap: tuple[float, float]) -> tuple[float, float]:
        """For how long a message was overdue at that time because of a sleep in this gap: (in it,
        after it). The generator of a peer that was frozen waits, as the peer is late then."""
        if not _may_be_late(at, gap):
            return 0.0, 0.0
        begin, end = gap
        due = max(begin, self._spoke + interval)
        return max(0.0, end - due), max(0.0, at - max(end, due))


def _may_be_late(at: float, gap: tuple[float, float]) -> bool:
    """Whether the gap was so shortly before that its peer may still be late."""
    begin, end = gap
    return begin < end and at - end < ASLEEP + LATE
