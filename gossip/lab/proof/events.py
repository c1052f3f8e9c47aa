"""Events: what lines of output files tell, as values; the patterns of lines; spans of time."""

import math
import re
from collections.abc import Iterable
from typing import NamedTuple

from gossip import events

ADDRESS = f"({events.ADDRESS})"
GOSSIP = re.compile(rf"gmessage:([0-9.]+):({events.ADDRESS}:[0-9]+:[0-9]+):(.*)", re.DOTALL)
BY_GENERATOR = re.compile("message [0-9]+")
SEEDS = re.compile("(?:^|:)seeds=([0-9]{1,4})(?:$|:)")
COUNT = re.compile("[0-9]{1,6}")
SECONDS = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,6})?")
RUN = re.compile(rf"{ADDRESS}:[0-9]+")
CONTINUED = re.compile(rf"(?:peer|seed):{ADDRESS}:[0-9]{{1,20}}")
DEAD = re.compile(rf"Dead Node:{ADDRESS}:[0-9.]+:{ADDRESS}")
_BADNESS = r"([01]\.[0-9]{3})"
KICKED_FOR = re.compile(rf"{ADDRESS}:{_BADNESS}")
REMOVED = re.compile(rf"{ADDRESS}:([^:]*)(?::{_BADNESS})?")
JUDGED = re.compile(rf"((?:[0-9.]+|\[[^\]]*\])#[0-9]+)={_BADNESS}")
LOAD = re.compile(r"([0-9]{1,10}):([0-9.]{1,20})/([0-9.]{1,20}):([0-9]{1,10}):([0-9.]{1,20})")
REFUSED = "registration refused"
NOT_REACHED = f"{REFUSED}: no Liveness Reply"  # by a seed that could not reach the peer


def when(tuples: Iterable[tuple], who: str, begin=-math.inf, end=math.inf) -> list[float]:
    """Return when events were about a node, between two moments; each begins `(at, who, …)`."""
    return [at for at, whom, *_ in tuples if whom == who and begin <= at <= end]


class Delivery(NamedTuple):
    """A message that a run received."""

    at: float
    source: str  # the neighbour that sent it
    mark: int  # hash of its line, which is compared with the hash at the origin


class Linked(NamedTuple):
    """A time in which a run called another peer its neighbour, and why that ended."""

    begin: float
    end: float  # infinity when the file does not tell an end
    reason: str = ""


class Registered(NamedTuple):
    """The word of a run about a seed: that it is registered there, or why it is not (any more)."""

    at: float
    lost: str | None  # None: registered


class Reply(NamedTuple):
    """A neighbour has answered a liveness request."""

    at: float
    peer: str
    took: float  # seconds


class Missed(NamedTuple):
    """A neighbour has not answered, and how often in a row."""

    at: float
    peer: str
    count: int


class Report(NamedTuple):
    """A peer has told a seed of a death."""

    at: float
    seed: str
    dead: str
    line: str  # what it said, which has the time by its own clock; no other report is like it


class Kick(NamedTuple):
    """A seed has removed a peer as malicious."""

    at: float
    peer: str
    badness: float


class Load(NamedTuple):
    """The figures of a seed for a period, about the rows of reports."""

    at: float
    rows: int  # that it holds;
    largest: float  # that a seed holds at most,
    mean: float  # and on average
    moved: int
    hops: float  # that rows took


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
                begin, before = whole.pop()
                end = max(end, before)
            whole.append((begin, end))
        return whole

    def hold(self, moment: float) -> bool:
        """Tell whether a moment is in one of the times; their ends are not."""
        return any(begin <= moment < end for begin, end in self)

    def cover(self, begin: float, end: float) -> bool:
        """Tell whether one of the times alone contains all of this one."""
        return any(one <= begin and end <= other for one, other in self)

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
