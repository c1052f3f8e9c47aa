"""Verdicts: rows in; badness, charges and the guilty out.

A subject is a peer that is judged. Its case has all rows about it and by it (see rows.py), summed
in four windows that end 0, 1, 2 and 3 periods ago:

    rate      what one reporter makes of the subject, from 0 to 1: the share of its copies that were
              corrupt or forbidden, plus the share of messages that never came and are not excused
    excuse    a peer owes no message to the neighbour that brought it first. It says itself how many
              those were, but all excuses together are about what there was, and a tenth
    paired    peers that have each named the other in some reports. Only these have rates, or else
              ports that were neighbours for a moment would be reporters
    badness   the lower median of the rates
    outcome   the badness now. Void reporters count among the three that a judgement needs, because
              else their neighbours could not be judged, and no seed would see that they lie
    void      a reporter that differs from the outcome on more than half of its neighbours; its
              rates are left out
    charged   in one window: a slanderer, or bad by at least three reporters that are not void, if
              those who find it bad are half of these and of void reporters that find it good,
              because liars can starve an honest reporter until it is void
    guilty    charged in all four windows

Pure: seeds with the same rows, and told the same, decide the same. `evaluate` is one round.
"""

import collections
import math
import statistics
from typing import NamedTuple

from gossip.addresses import Address
from gossip.monitoring.grammar import BY, Verdicts

WINDOWS = 4  # the newest ends now, each other one a period earlier
# Rows count if they were reported between these times, in periods before the end of a window:
SAID_FROM, SAID_TO = 6.5, 1.5  # what a reporter says, but nothing after the last report of the
# subject, because a dead subject cannot say any more what excuses it
FIRST_FROM, FIRST_TO = 12.0, 0.0  # what the subject had first, counted when it came; its reporter
# counts it when it is missed, up to five periods later
KNOWN_FROM, KNOWN_TO = 6.5, 0.5  # what there was to know; others hear of that up to a period later
THRESHOLD = 0.10  # of a rate, or a badness: above it is bad
MESSAGES = 20  # that a reporter must have judged the subject by
REPORTERS = 3  # that a judgement needs; in a charge, void reporters do not count
SUBJECTS = 3  # that a reporter must have judged to be void, or slandered to be charged
EXCUSED = 1.1  # times the messages that there were: nobody is excused more
PAIRED = 4  # reports in which two peers have to name each other, so that one place at a peer, which
# port after port may have for a moment, makes two reporters at most
PAIRED_FROM = WINDOWS - 1 + SAID_FROM  # periods from which these reports are, those of all windows
JUDGED_IN = 4  # reports in which a peer judged a neighbour that is not paired with it, before it is
# warned; at best every other report if replies take long
JUDGED_FROM = 7.5  # periods from which these reports are


class Said(NamedTuple):
    """A peer's claims about another in a window."""

    expected: int
    missing: int
    broken: int  # copies that were corrupt or forbidden
    first: int  # as a subject, like the next
    known: int  # messages that it has judged the other by, and so knows


class View(NamedTuple):
    """The judgement of one peer about another."""

    rate: float
    unexcused: float  # the same if nothing is excused; it may be above 1
    broken: float  # the share of copies that were corrupt or forbidden


class Guilt(NamedTuple):
    """The badness of a guilty subject, and the rates of its reporters. A slanderer's badness is the
    share of its neighbours about which it lies, 0.1 at least."""

    badness: float
    rates: dict[Address, float]


class Found(NamedTuple):
    """The findings of a seed in a round. It tells the others the first four."""

    known: int
    judged: dict[Address, float]
    void: list[Address]
    unconfirmed: list[tuple[Address, Address]]
    guilty: dict[Address, Guilt]


class Case:
    """A subject, and the rows about it and by it, but for banned peers."""

    def __init__(self, subject: Address, rows, now: float, period: float, banned=()):
        self.subject = subject
        about, by = collections.defaultdict(list), collections.defaultdict(list)
        for row in rows:
            if row.other != subject and row.other not in banned:
                (by if row.side == BY else about)[row.other].append(row)
        last = max((row.at for rows in by.values() for row in rows), default=now)
        named, naming = ({other for other, rows in rows_of.items()
                          if _since(rows, now - PAIRED_FROM * period) >= PAIRED}
                         for rows_of in (by, about))  # whom it has named, and who has named it
        paired = named & naming
        self._about = _in_windows(about, paired, now, period, (now - last) / period)
        self._by = _in_windows(by, paired, now, period)
        self.unconfirmed = [(subject, other) for other in sorted(by.keys() - naming)
                            if _since(filter(_judges, by[other]), now - JUDGED_FROM * period)
                            >= JUDGED_IN]

    def known(self, k: int = 0) -> int | None:
        return max((said.known for said in self._by[k].values()), default=None)

    def rates(self, k: int, known: int | None) -> dict[Address, float]:
        """Return the rates of the reporters that count in window k. `known` is how many messages
        there were; without it, all excuses are granted."""
        views = _views(self._about[k], self._by[k], self._excused(k, known))
        return {other: view.rate for other, view in views.items()}

    def _excused(self, k: int, known: int | None) -> float:
        """Return the share of a neighbour's messages that may be excused. No
        message came first from two neighbours, so all excuses are about `known` at most, or after
        a freeze what was expected. The largest are cut. A reporter that finds the subject bad
        whatever is excused has no part in them, or else a liar could use up those of others."""
        by = self._by[k]
        about = {other: said for other, said in self._about[k].items() if other in by}
        if known is None or not about:
            return 1.0
        judged = [said.expected for said in about.values() if said.expected >= MESSAGES]
        all_said = max(known, statistics.median_high(judged or [0]))
        claims = sorted(((min(said.missing, by[other].first), min(said.expected, all_said))
                         for other, said in about.items()
                         if not is_bad(_view(said, by[other].first, 1.0).rate)),
                        key=lambda claim: claim[0] / max(1, claim[1]))
        left, whole = EXCUSED * all_said, sum(expected for _, expected in claims)
        for claimed, expected in claims:
            if claimed * whole > left * expected:
                return left / whole
            left, whole = left - claimed, whole - expected
        return 1.0

    def views(self, k: int) -> dict[Address, View]:
        """Return the subject's views of its neighbours in window k, excusing all."""
        return _views(self._by[k], self._about[k], 1.0)


def _since(rows, at: float) -> int:
    """Return how many rows were reported from `at` on."""
    return sum(row.at >= at for row in rows)


def _judges(row) -> bool:
    """Return whether a row says more than FIRST, whose messages may have waited for long."""
    entry = row.entry
    return entry.expected > entry.first or entry.corrupt > 0 or entry.forbidden > 0


def _in_windows(rows_of, paired, now: float, period: float, aged: float = 0.0
                ) -> list[dict[Address, Said]]:
    """Return the claims by each paired peer, or about each, in each window. Peers are heard as
    reporters only in what is at least `aged` periods old."""
    windows = [{} for _ in range(WINDOWS)]
    for other in paired:
        entries = [((now - row.at) / period, row.entry) for row in rows_of[other]]
        for k, window in enumerate(windows):
            said = _said(entries, k, max(aged, k + SAID_TO))
            if said is not None:
                window[other] = said
    return windows


def _said(entries, k: int, said_to: float) -> Said | None:
    """Sum up the entries of window k, by their ages in periods."""
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
    """Return views by peers that both say something in the window, with enough messages."""
    return {other: _view(said, own_of[other].first, excused) for other, said in said_of.items()
            if other in own_of and said.expected + said.broken >= MESSAGES}


def _view(said: Said, first: int, excused: float) -> View:
    expected = max(1, said.expected)
    broken = said.broken / max(1, said.expected - said.missing + said.broken)  # of all its copies
    omitted = said.missing - min(said.missing, first, excused * said.expected)
    return View(min(1.0, broken + omitted / expected), broken + said.missing / expected, broken)


def badness_of(rates: dict[Address, float], void) -> float | None:
    """Return the badness for a charge; None with too few reporters."""
    left = _without(rates, void)
    return statistics.median_low(left.values()) if len(left) >= REPORTERS else None


def outcome_of(rates: dict[Address, float], void) -> float | None:
    """Return the badness by which reporters are judged in turn, or None."""
    left = _without(rates, void)
    return statistics.median_low(left.values()) if left and len(rates) >= REPORTERS else None


def _without(rates: dict[Address, float], void) -> dict[Address, float]:
    return {reporter: rate for reporter, rate in rates.items() if reporter not in void}


def is_bad(share: float) -> bool:
    return share > THRESHOLD


def false_share(views: dict[Address, View], judged: dict[Address, float]) -> float:
    """Return the share of judged neighbours about which a peer is wrong. It differs from their
    outcome whatever is excused; 0 if too few are judged."""
    both = [(view, is_bad(judged[other])) for other, view in views.items() if other in judged]
    differing = sum(not is_bad(view.unexcused) if bad else is_bad(view.rate) for view, bad in both)
    return differing / len(both) if len(both) >= SUBJECTS else 0.0


def is_void(views: dict[Address, View], judged: dict[Address, float]) -> bool:
    return false_share(views, judged) > 0.5


def slanders(views: dict[Address, View], judged: dict[Address, float]) -> bool:
    """Return whether a void reporter accuses most neighbours, and three falsely.
    To accuse is to call copies corrupt or forbidden. Missing messages are no slander, because a
    starved peer misses them honestly; nor are bad copies of few neighbours, because attackers may
    send them to this peer alone."""
    accused = [other for other, view in views.items() if is_bad(view.broken)]
    good = sum(not is_bad(judged.get(other, 1.0)) for other in accused)
    return good >= SUBJECTS and len(accused) > len(views) / 2


def evaluate(cases: list[Case], others: list[Verdicts], void_before=()) -> Found:
    """Judge the subjects of a seed in one round. `others` is what the other seeds have told last,
    `void_before` the reporters that this seed found void in its last round."""
    known, known_here = _known(cases, others)
    void_elsewhere = {peer for other in others for peer in other.void}
    judged = {peer: badness for other in others for peer, badness in other.judged}
    judged.update(_judged(cases, known, void_elsewhere.union(void_before)))
    void_here = [case.subject for case in cases if is_void(case.views(0), judged)]
    void = void_elsewhere.union(void_here)
    judged_here = _judged(cases, known, void)
    judged.update(judged_here)
    known_in = [_known_in(k, cases, known) for k in range(WINDOWS)]
    guilty = {}
    for case in cases:
        shares = [_charge(case, k, known_in[k], judged, void) for k in range(WINDOWS)]
        if all(shares):
            guilty[case.subject] = Guilt(shares[0], _without(case.rates(0, known_in[0]), void))
    return Found(known_here, judged_here, void_here,
                 [pair for case in cases for pair in case.unconfirmed], guilty)


def _known(cases: list[Case], others: list[Verdicts]) -> tuple[int | None, int]:
    """Return how many messages there were by all seeds, by this seed. None and 0: unknown. The
    upper median is taken twice, because a seed's only subject may lie."""
    told = [known for case in cases if (known := case.known()) is not None]
    here = statistics.median_high(told) if told else 0
    seeds = [known for known in (here, *(other.known for other in others)) if known]
    return (statistics.median_high(seeds) if seeds else None), here


def _known_in(k: int, cases: list[Case], known: int | None) -> int | None:
    """Return how many messages there were in window k. They are fewer while gossip begins, by the
    share of this seed's subjects."""
    before, now = ([told for case in cases if (told := case.known(at)) is not None]
                   for at in (k, 0))
    if known is None or not before or not now:
        return known
    share = statistics.median_high(before) / max(1, statistics.median_high(now))
    return math.ceil(known * min(1.0, share))


def _judged(cases: list[Case], known: int | None, void) -> dict[Address, float]:
    """Return the outcome of every subject that can be judged."""
    found = {case.subject: outcome_of(case.rates(0, known), void) for case in cases}
    return {subject: badness for subject, badness in found.items() if badness is not None}


def _charge(case: Case, k: int, known: int | None, judged, void) -> float:
    """Return the badness of a subject in window k, or 0. If there were too few messages to judge
    anybody by, only liars claim to have judged more, so their rates charge nobody."""
    rates = case.rates(k, known)
    badness = badness_of(rates, void)
    if badness is not None and is_bad(badness) and (known is None or known >= MESSAGES):
        bad = sum(map(is_bad, _without(rates, void).values()))
        if 2 * bad >= sum(peer not in void or not is_bad(rate) for peer, rate in rates.items()):
            return badness
    if case.subject in void and slanders(views := case.views(k), judged):
        return max(THRESHOLD, false_share(views, judged))
    return 0.0
