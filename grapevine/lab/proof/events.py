"""The events of output files as values, their patterns, and spans."""

import math
import re
from collections.abc import Iterable
from typing import NamedTuple

from grapevine import events

ADDRESS = f"({events.ADDRESS})"
GOSSIP = re.compile(rf"gmessage:([0-9.]+):({events.ADDRESS}:[0-9]+:[0-9]+):(.*)", re.DOTALL)
BY_GENERATOR = re.compile("message [0-9]+")
SEEDS = re.compile("(?:^|:)seeds=([0-9]{1,4})(?:$|:)")
COUNT = re.compile("[0-9]{1,6}")
SECONDS = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,6})?")
RUN = re.compile(rf"{ADDRESS}:[0-9]+")
DEAD = re.compile(rf"Dead Node:{ADDRESS}:[0-9.]+:{ADDRESS}")
_BADNESS = r"([01]\.[0-9]{3})"
KICKED_FOR = re.compile(rf"{ADDRESS}:{_BADNESS}")
REMOVED = re.compile(rf"{ADDRESS}:([^:]*)(?::{_BADNESS})?")
JUDGED = re.compile(rf"((?:[0-9.]+|\[[^\]]*\])#[0-9]+)={_BADNESS}")
_FIGURE = r"([0-9]{1,10}(?:\.[0-9]{1,6})?)"
LOAD = re.compile(f"([0-9]{{1,10}}):{_FIGURE}/{_FIGURE}:([0-9]{{1,10}}):{_FIGURE}")
REFUSED = "registration refused"
NOT_REACHED = f"{REFUSED}: no Liveness Reply"  # by a seed that could not reach the peer


def when(tuples: Iterable[tuple], who: str, begin=-math.inf, end=math.inf) -> list[float]:
    """Return when events `(at, who, …)` were about a node, within bounds."""
    return [at for at, whom, *_ in tuples if whom == who and begin <= at <= end]


class Delivery(NamedTuple):  # a message that a run received
    at: float
    source: str  # the neighbour that sent it
    mark: int  # hash of its line, which is compared with the hash at the origin


class Linked(NamedTuple):  # a time in which a run called another peer its neighbour
    begin: float
    end: float  # infinity when the file does not tell an end
    reason: str = ""  # of the end


class Registered(NamedTuple):  # the word of a run about its registration with a seed
    at: float
    lost: str | None  # why it is not registered (any more); None if it is


class Reply(NamedTuple):  # an answer of a neighbour to a liveness request
    at: float
    peer: str
    took: float  # seconds


class Missed(NamedTuple):  # a liveness request that a neighbour has not answered
    at: float
    peer: str
    count: int  # in a row


class Report(NamedTuple):  # a death of which a peer has told a seed
    at: float
    seed: str
    dead: str
    line: str  # what it said; unique, because it has the time by the peer's clock


class Kick(NamedTuple):  # a removal of a malicious peer by a seed
    at: float
    peer: str
    badness: float


class Load(NamedTuple):  # the figures of a seed about rows of reports, for a period
    at: float
    rows: float  # at this seed
    largest: float  # number of rows at a seed
    mean: float  # number of rows at a seed
    moved: float  # rows
    hops: float  # that rows took


class Spans(list[tuple[float, float]]):
    """Times as pairs (begin, end), which stay apart until they are merged."""

    def minus(self, others: Iterable[tuple[float, float]]) -> "Spans":
        """Return the times without the other times."""
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
        """Return the times in order, joined if they overlap or touch."""
        whole = Spans()
        for begin, end in sorted(self):
            if whole and begin <= whole[-1][1]:
                begin, before = whole.pop()
                end = max(end, before)
            whole.append((begin, end))
        return whole

    def hold(self, moment: float) -> bool:
        """Tell whether a moment is in a time, which excludes its end."""
        return any(begin <= moment < end for begin, end in self)

    def cover(self, begin: float, end: float) -> bool:
        """Tell whether a single time contains all of another."""
        return any(one <= begin and end <= other for one, other in self)

    def total(self) -> float:
        return sum(end - begin for begin, end in self)

    def later(self, at: float, seconds: float) -> float:
        """Return when `seconds` outside of these times have passed since `at`."""
        end = at + seconds
        for begin, until in self:
            if until > at and begin < end:
                end += until - max(begin, at)
        return end
