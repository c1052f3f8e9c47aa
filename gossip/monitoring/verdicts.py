"""Verdicts: rows in; badness, charges and the guilty out.

A subject is a peer that is judged. Its case has all that is said about it and all that it says
itself, as rows (see rows.py), summed in four windows that end 0, 1, 2 and 3 periods ago:

    rate      what one reporter makes of the subject, from 0 to 1: the share of its copies that were
              corrupt or forbidden, and the share of messages that never came and are not excused
    excuse    a peer owes no message to the neighbour that brought it first. How many those were, it
              says itself; but all that is excused cannot be more than there were messages
    badness   the lower median of the rates
    outcome   the badness, now; a reporter that is void is one of the three that a judgement needs,
              else its neighbours could not be judged and nobody would see that it lies
    void      a reporter that differs from the outcome on more than half of its neighbours; its
              rates are left out
    charged   in one window: bad by at least three that are not void, or a slanderer
    guilty    charged in all four windows

Pure, and without memory: whoever holds the same rows decides the same. `evaluate` is one seed's
round; the duty of deciding.py calls it.
"""

import collections
import math
import statistics
from typing import NamedTuple

from gossip.addresses import Address
from gossip.monitoring.grammar import BY, Verdicts

WINDOWS = 4  # the newest ends now, each other one a period earlier
# Periods before the end of a window, from which on and up to which rows count:
SAID_FROM, SAID_TO = 6.5, 1.5  # what a reporter says, up to the last report of the subject: one
# that died did not get to say what excuses it later
FIRST_FROM, FIRST_TO = 12.0, 0.0  # what the subject had first: it counts a message when it comes,
# the reporter when it is missed, that is up to five periods later
KNOWN_FROM, KNOWN_TO = 6.5, 0.5  # what there was to know; others hear of that up to a period later
THRESHOLD = 0.10  # of a rate, or a badness: above it is bad
MESSAGES = 20  # that a reporter must have judged the subject by
REPORTERS = 3  # that a judgement needs, and a charge without those that are void
SUBJECTS = 3  # whom a reporter must have judged before it can be void, or have slandered
EXCUSED = 1.1  # times as many messages as there were: more is excused to nobody
SILENT = 6.5  # periods for which a neighbour must not have named a peer that has judged it
NAMED_IN = 4  # reports: a neighbour may be judged in every other one, where its replies take long
NAMED_FROM = 7.5  # periods that these are from
OVERLAP = 2.5  # periods after the neighbour named the peer last, in which these do not count: it
# may have been frozen since, and either reports once a period, or a little later


class Said(NamedTuple):
    """The claims of one peer about another in a window: three counts as a reporter, two as a
    subject."""

    expected: int
    missing: int
    broken: int  # copies that were corrupt or forbidden
    first: int
    known: int  # messages that it has judged the other by, and so knows


class View(NamedTuple):
    """The judgement of one peer about another."""

    rate: float
    unexcused: float  # the same if nothing is excused; it may be above 1
    broken: float  # the share of copies that were corrupt or forbidden


class Guilt(NamedTuple):
    """Why a subject is guilty: its badness, and the rates of its reporters. The badness of a
    slanderer is the share of its neighbours of whom it says what is not so."""

    badness: float
    rates: dict[Address, float]


class Found(NamedTuple):
    """The findings of one seed in one round; the first four are what it tells the others."""

    known: int
    judged: dict[Address, float]
    void: list[Address]
    unconfirmed: list[tuple[Address, Address]]
    guilty: dict[Address, Guilt]


class Case:
    """A subject, with what is said about it and by it; what is about or by somebody who is banned
    is left out, and so is what it says of itself."""

    def __init__(self, subject: Address, rows, now: float, period: float, banned=()):
        self.subject = subject
        about, by = collections.defaultdict(list), collections.defaultdict(list)
        for row in rows:
            if row.other != subject and row.other not in banned:
                (by if row.side == BY else about)[row.other].append(row)
        last = max((row.at for rows in by.values() for row in rows), default=now)
        self._about = _in_windows(about, now, period, (now - last) / period)
        self._by = _in_windows(by, now, period)
        self.unconfirmed = [(subject, other) for other in sorted(by)
                            if _is_unconfirmed(by[other], about.get(other, ()), now, period)]

    def known(self, k: int = 0) -> int | None:
        """How many messages the subject knew in window k, by its own reports; None without one."""
        return max((said.known for said in self._by[k].values()), default=None)

    def rates(self, k: int, known: int | None) -> dict[Address, float]:
        """The rates of the reporters that count in window k. `known` is how many messages there
        were to know; without it, everything is excused that is claimed."""
        views = _views(self._about[k], self._by[k], self._excused(k, known))
        return {other: view.rate for other, view in views.items()}

    def _excused(self, k: int, known: int | None) -> float:
        """The part of its excuses that a subject is granted: it had no message first from two
        neighbours. After it was frozen it hands on more at once than others knew meanwhile; then
        its reporters, but for those whose links are new, have judged it by as much."""
        by = self._by[k]
        about = {other: said for other, said in self._about[k].items() if other in by}
        claimed = sum(min(said.missing, by[other].first) for other, said in about.items())
        if known is None or not claimed:
            return 1.0
        judged = [said.expected for said in about.values() if said.expected >= MESSAGES]
        return min(1.0, EXCUSED * max(known, statistics.median_high(judged or [0])) / claimed)

    def views(self, k: int) -> dict[Address, View]:
        """Return the subject's views of its neighbours in window k, all their claims excused."""
        return _views(self._by[k], self._about[k], 1.0)


def _in_windows(rows_of, now: float, period: float, aged: float = 0.0
                ) -> list[dict[Address, Said]]:
    """The claims by each peer in each window, or about each. A reporter is heard only in what
    is at least `aged` periods old."""
    windows = [{} for _ in range(WINDOWS)]
    for other, rows in rows_of.items():
        entries = [((now - row.at) / period, row.entry) for row in rows]
        for k, window in enumerate(windows):
            said = _said(entries, k, max(aged, k + SAID_TO))
            if said is not None:
                window[other] = said
    return windows


def _said(entries, k: int, said_to: float) -> Said | None:
    """The sum of entries, with their ages in periods, in window k; None when there are none."""
    expected = missing = broken = first = known = 0
    found = False
    for age, entry in entries:
        if FIRST_TO < age - k <= FIRST_FROM:
            found = True
            first += entry.first
        if KNOWN_TO < age - k <= KNOWN_FROM:
            known += entry.expected
        if said_to < age <= k + SAID_FROM:
            expected += entry.expected
            missing += entry.missing
            broken += entry.corrupt + entry.forbidden
    return Said(expected, missing, broken, first, known) if found else None


def _views(said_of, own_of, excused: float) -> dict[Address, View]:
    """The views that count: each of the two has named the other, and there were enough messages."""
    return {other: _view(said, own_of[other].first, excused) for other, said in said_of.items()
            if other in own_of and said.expected + said.broken >= MESSAGES}


def _view(said: Said, first: int, excused: float) -> View:
    expected = max(1, said.expected)
    broken = said.broken / max(1, said.expected - said.missing + said.broken)  # of all its copies
    omitted = said.missing - excused * min(said.missing, first)
    return View(min(1.0, broken + omitted / expected), broken + said.missing / expected, broken)


def _is_unconfirmed(by, about, now: float, period: float) -> bool:
    """Whether a neighbour whom a peer has judged again and again never names that peer. A row that
    has FIRST alone does not count: its messages may have waited since the neighbour was frozen."""
    last = max((row.at for row in about), default=float("-inf"))
    since = max(now - NAMED_FROM * period, last + OVERLAP * period)
    judged = [row for row in by if row.at >= since and (
        row.entry.expected > row.entry.first or row.entry.corrupt or row.entry.forbidden)]
    return len(judged) >= NAMED_IN and last < now - SILENT * period


def badness_of(rates: dict[Address, float], void) -> float | None:
    """The badness that a peer is charged with; None when too few reporters are left."""
    left = _without(rates, void)
    return _lower_median(left) if len(left) >= REPORTERS else None


def outcome_of(rates: dict[Address, float], void) -> float | None:
    """The badness by which reporters are judged in turn; None without one."""
    left = _without(rates, void)
    return _lower_median(left) if left and len(rates) >= REPORTERS else None


def _without(rates: dict[Address, float], void) -> dict[Address, float]:
    return {reporter: rate for reporter, rate in rates.items() if reporter not in void}


def _lower_median(rates: dict[Address, float]) -> float:
    return statistics.median_low(rates.values())


def is_bad(share: float) -> bool:
    return share > THRESHOLD


def false_share(views: dict[Address, View], judged: dict[Address, float]) -> float:
    """The share of its judged neighbours on which a peer differs from the outcome, whatever of it
    is excused; 0 when there are too few."""
    both = [(view, is_bad(judged[other])) for other, view in views.items() if other in judged]
    differing = sum(not is_bad(view.unexcused) if bad else is_bad(view.rate) for view, bad in both)
    return differing / len(both) if len(both) >= SUBJECTS else 0.0


def is_void(views: dict[Address, View], judged: dict[Address, float]) -> bool:
    """Whether a reporter is not to be counted."""
    return false_share(views, judged) > 0.5


def slanders(views: dict[Address, View], judged: dict[Address, float]) -> bool:
    """Whether a void reporter calls copies corrupt or forbidden that were not. What it only says
    to be missing is no slander: who is starved misses honestly."""
    return sum(is_bad(view.broken) and not is_bad(judged.get(other, 1.0))
               for other, view in views.items()) >= SUBJECTS


def evaluate(cases: list[Case], others: list[Verdicts], void_before=()) -> Found:
    """One round of a seed: judge its subjects. `others` is what the other seeds have told last,
    `void_before` the reporters that this seed found void in its round before."""
    known, known_here = _known(cases, others)
    void = {*void_before, *_void_elsewhere(others)}
    judged = _judged_elsewhere(others) | _judged(cases, known, void)
    void_here = [case.subject for case in cases if is_void(case.views(0), judged)]
    void = {*void_here, *_void_elsewhere(others)}
    judged_here = _judged(cases, known, void)
    judged.update(judged_here)
    known_in = [_known_in(k, cases, known) for k in range(WINDOWS)]
    guilty = {case.subject: guilt for case in cases
              if (guilt := _guilt(case, known_in, judged, void)) is not None}
    return Found(known_here, judged_here, void_here,
                 [pair for case in cases for pair in case.unconfirmed], guilty)


def _known(cases: list[Case], others: list[Verdicts]) -> tuple[int | None, int]:
    """How many messages there were to know, by all seeds and by this one (0: it cannot tell). The
    upper median twice, as a seed's only subject may lie."""
    told = [known for case in cases if (known := case.known()) is not None]
    here = statistics.median_high(told) if told else 0
    seeds = [known for known in (here, *(other.known for other in others)) if known]
    return (statistics.median_high(seeds) if seeds else None), here


def _known_in(k: int, cases: list[Case], known: int | None) -> int | None:
    """How many messages there were to know in window k: fewer than now while gossip begins. The
    share of it is that of the subjects of this seed."""
    before, now = ([told for case in cases if (told := case.known(at)) is not None]
                   for at in (k, 0))
    if known is None or not before or not now:
        return known
    share = statistics.median_high(before) / max(1, statistics.median_high(now))
    return math.ceil(known * min(1.0, share))


def _void_elsewhere(others: list[Verdicts]) -> list[Address]:
    return [peer for other in others for peer in other.void]


def _judged_elsewhere(others: list[Verdicts]) -> dict[Address, float]:
    return {peer: badness for other in others for peer, badness in other.judged}


def _judged(cases: list[Case], known: int | None, void) -> dict[Address, float]:
    """The outcome of every subject that can be judged."""
    found = {case.subject: outcome_of(case.rates(0, known), void) for case in cases}
    return {subject: badness for subject, badness in found.items() if badness is not None}


def _guilt(case: Case, known_in: list[int | None], judged, void) -> Guilt | None:
    """Why a subject is guilty; None: it is not. `known_in`: what there was to know in each
    window."""
    shares = [_charge(case, k, known, judged, void) for k, known in enumerate(known_in)]
    return Guilt(shares[0], _without(case.rates(0, known_in[0]), void)) if all(shares) else None


def _charge(case: Case, k: int, known: int | None, judged, void) -> float:
    """How bad a subject was in window k, if it is to be charged; else 0."""
    badness = badness_of(case.rates(k, known), void)
    if badness is not None and is_bad(badness):
        return badness
    if case.subject in void and slanders(views := case.views(k), judged):
        return max(THRESHOLD, false_share(views, judged))
    return 0.0
