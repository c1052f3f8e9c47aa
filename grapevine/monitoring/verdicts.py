"""Verdicts: rows in; badness, charges and pairs out.

A subject is a peer that is judged. Its case has all rows about it and by it (see rows.py):

    rate      what one reporter makes of the subject, from 0 to 1: the share of its copies that were
              corrupt or forbidden, plus the share of messages that never came and are not excused
    excuse    a peer owes no message to the neighbour that brought it first. It says itself how many
              those were, but all excuses together are about what there was, and a tenth
    paired    peers that have each named the other in some reports. Only these have rates, or else
              ports that were neighbours for a moment would be reporters
    badness   the lower median of the rates
    outcome   the badness in the window of the last periods. Void reporters count among the three
              that a judgement needs, because else their neighbours could not be judged, and no seed
              would see that they lie
    void      a reporter that differs from the outcome on more than half of its neighbours; its
              rates are left out
    charged   a slanderer; or found bad by three reporters, which are half of all that count at
              least: those that are not void; void ones that find it good, because liars can starve
              an honest reporter until it is void; and silent ones that have not found it bad
              lately, because liars may choose when there is nothing to judge by. Only rows count
              that came since the last charge, so that no event is in two charges

Pure: seeds with the same rows, and told the same, decide the same. `evaluate` is one round.
"""

import collections
import math
import statistics
from typing import NamedTuple

from grapevine.addresses import Address
from grapevine.monitoring.grammar import BY

# Rows count if they were reported between these times, in periods ago:
SAID_FROM, SAID_TO = 6.5, 1.5  # what a reporter says, but nothing after the last report of the
# subject, because a dead subject cannot say any more what excuses it
FIRST_FROM, FIRST_TO = 12.0, 0.0  # what the subject had first, counted when it came; its reporter
# counts it when it is missed, up to five periods later
KNOWN_TO = 0.5  # what there was to know, from SAID_FROM on; others hear of it a period later
SHORTEST = 0.75  # periods whose rows a charge needs: a report, though turns are not punctual
THRESHOLD = 0.10  # of a rate, or a badness: above it is bad
MESSAGES = 20  # that a reporter must have judged the subject by
REPORTERS = 3  # that a judgement needs; in a charge, void reporters do not count
LIES = 0.5  # of its neighbours: a reporter that is wrong about more of them is void
SUBJECTS = 3  # that a reporter must have judged to be void, or slandered to be charged
EXCUSED = 1.1  # times the messages that there were: nobody is excused more
PAIRED = 4  # reports in which two peers have to name each other, so that one place at a peer, which
# port after port may have for a moment, makes two reporters at most
PAIRED_FROM = 9.5  # periods from which these reports are
JUDGED_IN = 4  # reports in which a peer judged a neighbour that is not paired with it, before it is
# warned; at best every other report if replies take long
JUDGED_FROM = 7.5  # periods from which these reports are


class Said(NamedTuple):
    """A peer's claims about another in a window."""

    expected: int
    missing: int
    broken: int  # copies that were corrupt or forbidden
    first: int  # as a subject


class View(NamedTuple):
    """The judgement of one peer about another."""

    rate: float
    unexcused: float  # the same if nothing is excused; it may be above 1
    broken: float  # the share of copies that were corrupt or forbidden


class Guilt(NamedTuple):
    """The badness of a charged subject, and the rates of its reporters. A slanderer's badness is
    the share of its neighbours about which it lies, 0.1 at least."""

    badness: float
    rates: dict[Address, float]


class Found(NamedTuple):
    """The findings of a round."""

    known: int
    judged: dict[Address, float]
    void: list[Address]
    charged: dict[Address, Guilt]


class Window:
    """The claims about a subject by each peer paired with it, and by it about them, from `since`
    periods ago on."""

    def __init__(self, about: dict[Address, Said], by: dict[Address, Said], since: float):
        self.about, self.by, self.since = about, by, since

    def rates(self, known: int | None) -> dict[Address, float]:
        """Return the rates of the reporters that count. `known` is how many messages there were;
        without it, all excuses are granted."""
        views = _views(self.about, self.by, self._excused(known))
        return {other: view.rate for other, view in views.items()}

    def _excused(self, known: int | None) -> float:
        """Return the share of a neighbour's messages that may be excused. Few messages came first
        from two neighbours, so all excuses are about `known` at most, or after a freeze what was
        expected. The largest are cut. A reporter that finds the subject bad whatever is excused has
        no part in them, or else a liar could use up those of others."""
        if known is None:
            return 1.0
        judged = [said.expected for said in self.about.values() if said.expected >= MESSAGES]
        all_said = max(known, statistics.median_high(judged or [0]))
        claims = sorted(((min(said.missing, self.by[other].first), min(said.expected, all_said))
                         for other, said in self.about.items()
                         if not is_bad(_view(said, self.by[other].first, 1.0).rate)),
                        key=lambda claim: claim[0] / max(1, claim[1]))
        left, whole = EXCUSED * all_said, sum(expected for _, expected in claims)
        for claimed, expected in claims:
            if claimed * whole > left * expected:
                return left / whole
            left, whole = left - claimed, whole - expected
        return 1.0

    def views(self) -> dict[Address, View]:
        """Return the subject's views of its neighbours, excusing all."""
        return _views(self.by, self.about, 1.0)


class Case:
    """A subject, and the rows about it and by it. `charged_at` is when it was charged last."""

    def __init__(self, subject: Address, rows, now: float, period: float,
                 charged_at: float = -math.inf):
        self.subject = subject
        about, by = collections.defaultdict(list), collections.defaultdict(list)
        for row in rows:
            said = by if row.side == BY else about
            said[row.other].append(((now - row.at) / period, row.entry))
        last = min((age for rows in by.values() for age, _ in rows), default=0.0)
        named, naming = ({other for other, rows in rows_of.items()
                          if _count(rows, PAIRED_FROM) >= PAIRED}
                         for rows_of in (by, about))  # whom it has named, and who has named it
        paired = named & naming

        def window(since: float) -> Window:
            return Window({other: _said(about[other], since, max(SAID_TO, last))
                           for other in paired},
                          {other: _said(by[other], since, SAID_TO) for other in paired}, since)

        self.present = window(SAID_FROM)
        since = min(SAID_FROM, (now - charged_at) / period + SAID_TO)
        self.new = self.present if since == SAID_FROM else window(since)  # since the last charge
        self._about = [about[other] for other in paired]
        self.unconfirmed = [(subject, other) for other in sorted(by.keys() - naming)
                            if _count(filter(_judges, by[other]), JUDGED_FROM) >= JUDGED_IN]

    def known(self, since: float = SAID_FROM, until: float = KNOWN_TO) -> int | None:
        """Return by how many messages its neighbours have judged it between these ages, the upper
        median of those that have; None if none has. It does not say so itself, as one seed may
        judge liars alone."""
        told = [count for rows in self._about
                if (count := sum(entry.expected for age, entry in rows if until < age <= since))]
        return statistics.median_high(told) if told else None


def _count(rows, most: float) -> int:
    """Return how many rows are at most so many periods old."""
    return sum(age <= most for age, _ in rows)


def _judges(row) -> bool:
    """Return whether a row says more than FIRST, whose messages may have waited for long."""
    entry = row[1]
    return entry.expected > entry.first or entry.corrupt > 0 or entry.forbidden > 0


def _said(rows, since: float, until: float) -> Said:
    """Sum up rows, by their ages in periods. What is younger than `until` says nothing of who is
    judged."""
    said = [entry for age, entry in rows if until < age <= since]
    return Said(sum(entry.expected for entry in said), sum(entry.missing for entry in said),
                sum(entry.corrupt + entry.forbidden for entry in said),
                sum(entry.first for age, entry in rows if FIRST_TO < age <= FIRST_FROM))


def _views(said_of, own_of, excused: float) -> dict[Address, View]:
    """Return the views of peers that have enough messages to judge by."""
    return {other: _view(said, own_of[other].first, excused) for other, said in said_of.items()
            if said.expected + said.broken >= MESSAGES}


def _view(said: Said, first: int, excused: float) -> View:
    expected = max(1, said.expected)
    broken = said.broken / max(1, said.expected - said.missing + said.broken)  # of all its copies
    omitted = said.missing - min(said.missing, first, excused * said.expected)
    return View(min(1.0, broken + omitted / expected), broken + said.missing / expected, broken)


def badness_of(believed: dict[Address, float], reporters: int) -> float | None:
    """Return the lower median of the rates of reporters that are not void; None with too few
    reporters. Among these, void ones count for an outcome, but not for a charge."""
    is_enough = believed and reporters >= REPORTERS
    return statistics.median_low(believed.values()) if is_enough else None


def _without(rates: dict[Address, float], void) -> dict[Address, float]:
    return {reporter: rate for reporter, rate in rates.items() if reporter not in void}


def is_bad(share: float) -> bool:
    return share > THRESHOLD


def false_share(views: dict[Address, View], judged: dict[Address, float], silent: int = 0) -> float:
    """Return the share of judged and silent neighbours about which a peer is wrong. It differs from
    their outcome whatever is excused; 0 if too few are judged. There are silent ones where nobody
    speaks, and then attackers alone would be left."""
    both = [(view, is_bad(judged[other])) for other, view in views.items() if other in judged]
    differing = sum(not is_bad(view.unexcused) if bad else is_bad(view.rate) for view, bad in both)
    return differing / (len(both) + silent) if len(both) >= SUBJECTS else 0.0


def slanders(views: dict[Address, View], judged: dict[Address, float]) -> bool:
    """Return whether a void reporter accuses most neighbours, and three falsely.
    To accuse is to call copies corrupt or forbidden. Missing messages are no slander, because a
    starved peer misses them honestly; nor are bad copies of few neighbours, because attackers may
    send them to this peer alone."""
    accused = [other for other, view in views.items() if is_bad(view.broken)]
    good = sum(not is_bad(judged.get(other, 1.0)) for other in accused)
    return good >= SUBJECTS and len(accused) > len(views) / 2


def evaluate(cases: list[Case], known_elsewhere: list[int], judged: dict[Address, float],
             void: set[Address]) -> Found:
    """Judge some subjects of a seed. The rest is what it knows besides: how many messages there
    were by other seeds, outcomes and void reporters by its own other rounds and by other seeds."""
    here, known = _known(cases, known_elsewhere)
    judged = judged | _judged(cases, known, void)
    others = void.difference(case.subject for case in cases)
    void_here = [case.subject for case in cases for views in [case.present.views()]
                 if false_share(views, judged, len(case.present.by) - len(views)) > LIES]
    void = others.union(void_here)
    judged_here = _judged(cases, known, void)
    judged.update(judged_here)
    known_since = {since: _known_since(since, cases, known)
                   for since in {case.new.since for case in cases}}
    charges = {case.subject: _charge(case, known_since[case.new.since], judged, void)
               for case in cases if case.new.since - SAID_TO >= SHORTEST}
    return Found(here, judged_here, void_here,
                 {subject: guilt for subject, guilt in charges.items() if guilt is not None})


def _known(cases: list[Case], elsewhere: list[int]) -> tuple[int, int | None]:
    """Return how many messages there were by this seed, by all seeds. 0 and None: unknown. The
    upper median is taken twice, because a seed's only subject may answer nobody."""
    told = [known for case in cases if (known := case.known()) is not None]
    here = statistics.median_high(told) if told else 0
    seeds = [known for known in (here, *elsewhere) if known]
    return here, (statistics.median_high(seeds) if seeds else None)


def _known_since(since: float, cases: list[Case], known: int | None) -> int | None:
    """Return how many messages there were in a shorter window: a share of all, as is told of all
    subjects at hand, because the one that is charged may have answered nobody."""
    if known is None:
        return None
    told = [(case.known(since, SAID_TO) or 0, whole) for case in cases
            if (whole := case.known(SAID_FROM, SAID_TO))]
    parts, wholes = zip(*told) if told else ([1], [1])
    return math.ceil(known * statistics.median_high(parts) / statistics.median_high(wholes))


def _judged(cases: list[Case], known: int | None, void) -> dict[Address, float]:
    """Return the outcome of every subject that can be judged."""
    rates = {case.subject: case.present.rates(known) for case in cases}
    found = {subject: badness_of(_without(those, void), len(those))
             for subject, those in rates.items()}
    return {subject: badness for subject, badness in found.items() if badness is not None}


def _charge(case: Case, known: int | None, judged, void) -> Guilt | None:
    """Charge a subject, or not. If there were too few messages to judge anybody by, only liars
    claim to have judged more, so their rates charge nobody."""
    rates = case.new.rates(known)
    left = _without(rates, void)
    badness = badness_of(left, len(left))
    if badness is not None and is_bad(badness) and (known is None or known >= MESSAGES):
        lately = case.present.rates(None)
        silent = sum(not is_bad(lately.get(peer, 0.0))
                     for peer in case.present.about.keys() - rates.keys())
        if 2 * sum(map(is_bad, left.values())) >= silent + sum(
                peer not in void or not is_bad(rate) for peer, rate in rates.items()):
            return Guilt(badness, left)
    if case.subject in void and slanders(views := case.new.views(), judged):
        return Guilt(max(THRESHOLD, false_share(views, judged)), {})
    return None
