"""Disturbances: the one mechanism by which a claim that is not met is unclear, and no failure.

A claim is about some nodes and a window of time, and needs so many seconds of it. A disturbance is
a time in which the files tell that one of these nodes was late, cut off from another, or without a
whole file. What is left of the window decides: if it suffices, the claim FAILS. Otherwise it is
unclear, and the longest disturbance says why; without any, it is too early to tell (`YET`).

A living node alone disturbs others: that a dead one does not answer is no news.
"""

import itertools
import math
import time
from collections.abc import Iterable
from typing import NamedTuple

from grapevine.registrations import MISSES

HOLDS, FAILS, UNCLEAR = "holds", "FAILS", "unclear"
YET = "(yet)"  # behind the words of a claim that still may be met

ON_ITS_WAY = 1.0  # seconds that a line may take, and by which clocks of one machine may differ
PROBE_TIME = 2.0  # seconds that the last probe of a silent neighbour may take
CATCHING_UP = 4.0  # seconds at most in which a process that was late handles what has piled up
LONG = 1.0  # seconds of lateness after which something has piled up
NOTICE_ROUNDS = MISSES + 1  # in which a peer notices that a seed is silent


class Span(NamedTuple):  # a disturbance
    begin: float
    end: float
    words: str

    def overlaps(self, begin: float, end: float) -> float:
        """Return for how many seconds it lasts within bounds."""
        return min(self.end, end) - max(self.begin, begin)


class Fault(NamedTuple):  # a claim that is not met
    verdict: str
    words: str


def quiet(begin: float, end: float, spans: Iterable[tuple]) -> float:
    """Return the seconds of a window outside of all spans."""
    return sum(until - since for since, until in parts(begin, end, spans))


def parts(begin: float, end: float, spans: Iterable[tuple]) -> list[tuple[float, float]]:
    """Return the parts of a window outside of all spans, in order."""
    found = []
    for one, other, *_ in sorted(spans):
        if begin < min(one, end):
            found.append((begin, min(one, end)))
        begin = max(begin, one, other)  # some end before they begin
    return found + ([(begin, end)] if begin < end else [])


def shared(times: Iterable[Iterable[tuple]], count: int) -> list[tuple[float, float]]:
    """Return when so many of several nodes were in one of their times at once, in order. Where
    lines were moved, times of a node may overlap, which count once, or end before they begin."""
    edges, found, number = [], [], 0
    for spans in times:
        before = -math.inf
        for begin, end, *_ in sorted(spans):
            if max(begin, before) < end:
                edges += [(max(begin, before), 1), (end, -1)]
                before = end
    for (at, step), (until, _) in itertools.pairwise(sorted(edges)):
        number += step
        if number >= count and at < until:
            extend(found, at, until)
    return found


def extend(times: list[tuple[float, float]], begin: float, end: float) -> None:
    """Add a time that begins when the others have ended. If it touches the last, both are one."""
    if times and times[-1][1] == begin:
        begin = times.pop()[0]
    times.append((begin, end))


def judge(words: str, begin: float, end: float, need: float, spans: Iterable[Span]) -> Fault:
    """Judge a claim that is not met, and needs so many seconds of a window."""
    spans = [span for span in spans if span.overlaps(begin, end) > 0]
    if quiet(begin, end, spans) >= need:
        return Fault(FAILS, words)
    if not spans or end - begin < need < math.inf:
        return Fault(UNCLEAR, f"{words} {YET}")
    return Fault(UNCLEAR, f"{words}: {max(spans, key=lambda s: s.overlaps(begin, end)).words}")


def always(words: str) -> Span:
    return Span(-math.inf, math.inf, words)


def no_file(node: str) -> Span:
    return always(f"there is no file of {node}")


def clock(at: float) -> str:
    return time.strftime("%H:%M:%S", time.gmtime(at))
