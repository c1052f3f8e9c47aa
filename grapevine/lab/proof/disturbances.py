"""Disturbances: the one mechanism by which a claim that is not met is unclear, and no failure.

A claim is about some nodes and a window of time, and needs so many seconds of it. A disturbance is
a time in which the files tell that one of these nodes was late, cut off from another, or without a
whole file. What is left of the window decides: if it suffices, the claim FAILS. Otherwise it is
unclear, and the longest disturbance says why; without any, it is too early to tell (`YET`).

A living node alone disturbs others: that a dead one does not answer is no news.
"""

import functools
import itertools
import math
import time
from collections.abc import Iterable
from typing import NamedTuple

from grapevine.lab.proof.records import Records
from grapevine.lab.proof.runs import PeerRun, Run

HOLDS, FAILS, UNCLEAR = "holds", "FAILS", "unclear"
YET = "(yet)"  # behind the words of a claim that still may be met

ON_ITS_WAY = 1.0  # seconds that a line may take, and by which clocks of one machine may differ
PROBE_TIME = 2.0  # seconds that the last probe of a silent neighbour may take
CATCHING_UP = 4.0  # seconds at most in which a process that was late handles what has piled up
LONG = 1.0  # seconds of lateness after which something has piled up
NOTICE_ROUNDS = 4  # in which a peer notices that a seed is silent
ANSWER_TIME = 10.0  # seconds that a seed has to answer a new connection


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
        begin = max(begin, other)
    return found + ([(begin, end)] if begin < end else [])


def shared(times: Iterable[Iterable[tuple]], count: int) -> list[tuple[float, float]]:
    """Return when so many of several nodes were in one of their times at once, in order. The times
    of a node do not overlap."""
    edges = sorted((at, step) for spans in times for begin, end, *_ in spans
                   for at, step in ((begin, 1), (end, -1)))
    found, number = [], 0
    for (at, step), (until, _) in itertools.pairwise(edges):
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


class Disturbances:
    """The trouble that the files of a network tell of."""

    def __init__(self, records: Records, runs: dict[str, list[Run]]):
        self._runs, self._newest, self._clocks = runs, records.newest, records.clocks
        self._cuts = records.scenario.times("cut", "mend")
        self._frozen = records.scenario.times("freeze", "thaw")
        self._headless = records.headless() | {  # or others were linked to it before it began
            peer for run in records.honest for peer, links in run.links.items()
            if peer in runs and links[0].begin < runs[peer][0].first - ON_ITS_WAY}
        self._full = [(run.lost_at - 2 * run.interval, run.lost_at + 2 * run.interval)
                      for lives in runs.values() for run in lives if run.lost_at]
        self.of, self.between = functools.cache(self._of), functools.cache(self._between)

    def lacks(self, run: Run) -> list[Span]:
        """Return why the file of a run does not tell all."""
        may_lack = not run.lost_at and run.ended is None and any(  # killed, it cannot tell
            begin <= run.last <= end for begin, end in self._full)
        return [always(words) for is_so, words in (
            (run.lost_at, f"a full disk has refused lines of {run.address}"),
            (may_lack, f"a full disk may have refused the last lines of {run.address}"),
            (run.is_damaged, f"there are damaged lines in the file of {run.address}"),
            (run.address in self._headless, f"the file of {run.address} lacks its beginning"),
        ) if is_so]

    def file(self, run: Run) -> list[Span]:
        """Return why the file of a run does not tell all, or not when."""
        clock_set = self._clocks.disturbs(run.address) if self._clocks else ""
        return self.lacks(run) + [always(clock_set)] * bool(clock_set)

    def _of(self, run: Run) -> list[Span]:
        """Return the disturbances of a run: its file, and when it was late or frozen."""
        return [*self.file(run), *(
            Span(begin, at + min(at - begin, CATCHING_UP) * (at - begin >= LONG),
                 f"{run.address} was late by {at - begin:.1f} s at {clock(at)}")
            for begin, at in run.late), *(
            Span(begin, end, f"{run.address} was frozen at {clock(begin)}")
            for begin, end, nodes in self._frozen if run.address in nodes)]

    def of_node(self, address: str) -> list[Span]:
        """Return the disturbances of all runs of a node, and when it did not run."""
        runs = self._runs.get(address)
        if not runs:
            return [no_file(address)]
        spans, before = [span for run in runs for span in self.of(run)], -math.inf
        for run in runs:
            spans.append(Span(before, run.first + PROBE_TIME, f"{address} began at "
                              f"{clock(run.first)}"))
            before = run.end if run.end < self._newest else math.inf
        if before < math.inf:
            spans.append(Span(before, math.inf, f"{address} ended at {clock(before)}"))
        return spans

    def _between(self, run: PeerRun, address: str) -> list[Span]:
        """Return what a run tells of trouble with another node, while that one lived."""
        cuts = (Span(begin, end, f"{run.address} and {address} were cut apart at {clock(begin)}")
                for begin, end, nodes in self._cuts if (run.address in nodes) != (address in nodes))
        return [span for span in (*self._missed(run, address), *self._broken(run, address),
                                  *self._unregistered(run, address), *cuts)
                if any(life.first < span.end and life.end > span.begin + PROBE_TIME
                       for life in self._runs.get(address, ()))]

    def around(self, run: PeerRun) -> list[Span]:
        """Return all disturbances of a run, also between it and others."""
        others = sorted({*run.missed, *run.links, *run.registrations})
        return self.of(run) + [span for other in others for span in self.between(run, other)]

    def _lived(self, address: str, at: float, more: float = 0.0) -> bool:
        return any(life.first < at < life.last - more for life in self._runs.get(address, ()))

    def _missed(self, run: PeerRun, address: str):
        """From the last sign of life before the round in which a reply was missed until the next;
        and from the last one on of a run that died, or was not heard when it left, because it may
        have missed one that it does not tell."""
        signs = sorted([*run.replies.get(address, ()),
                        *(link.begin for link in run.links.get(address, ()))])
        for at, _ in run.missed.get(address, ()):
            if self._lived(address, at):
                asked = at - run.interval - PROBE_TIME
                since = max((sign for sign in signs if sign < asked), default=asked)
                until = next((sign for sign in signs if sign > at), at + run.interval + PROBE_TIME)
                yield Span(since, until,
                           f"{run.address} missed an answer of {address} at {clock(at)}")
        if signs and (run.is_dead or self._is_missed(address, run)):
            begin = max(signs[-1], run.last - 2 * run.interval - PROBE_TIME)
            how = "died" if run.is_dead else "left, unheard,"
            yield Span(begin, math.inf, f"{run.address} {how} at {clock(run.last)}")

    def _is_missed(self, address: str, run: PeerRun) -> bool:
        """Tell whether a node missed a run that had ended, so that it has not heard its goodbye."""
        return any(0 < at - run.last <= 2 * run.interval + PROBE_TIME
                   for life in self._runs.get(address, ()) if isinstance(life, PeerRun)
                   for at, _ in life.missed.get(run.address, ()))

    def _broken(self, run: PeerRun, address: str):
        """From the round before a link broke, not by agreement, until it stands again."""
        links = run.links.get(address, ())
        for link in links:
            if link.is_trouble() and self._lived(address, link.end, PROBE_TIME / 2):
                until = next((later.begin for later in links if later.begin > link.end),
                             link.end + 3 * run.interval)
                yield Span(link.end - run.interval - PROBE_TIME, until,
                           f"the link of {run.address} to {address} broke at {clock(link.end)} "
                           f"({link.reason})")

    def _unregistered(self, run: PeerRun, address: str):
        """From when a registration may have been lost until the next."""
        notice, times = NOTICE_ROUNDS * run.interval + PROBE_TIME, run.registrations.get(address)
        for at, one in ((one.end, one) for one in times or () if one.end < math.inf):
            until = next((later.begin for later in times if later.stood and later.begin > at),
                         math.inf)
            yield Span(at - (notice if one.stood else ANSWER_TIME), until,
                       f"{run.address} was not registered with {address} from {clock(at)} on "
                       f"({one.reason})")
        if times and times[-1].end == math.inf and run.last < self._newest - notice:
            yield Span(run.last - notice, math.inf, f"{run.address} ended at {clock(run.last)}, "
                       f"and may have lost {address} before")
