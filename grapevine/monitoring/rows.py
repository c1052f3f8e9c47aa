"""Rows: the entries of reports, each filed under its subject on two sides, and their table. Pure.

What R says about S is filed under S, side `about`, and under R, side `by`. So all that is said
about a peer, and all that it says, has one key, and is kept by one seed (threaded_tree.py). The
table of a seed also has the rows that it has forwarded, so that none is lost with the seed that
keeps them.
"""

import collections
from collections.abc import Iterable
from typing import NamedTuple

from grapevine.addresses import Address
from grapevine.messages import EVICTED_TO, equal_share
from grapevine.monitoring import grammar
from grapevine.monitoring.grammar import ABOUT, BY, ENTRIES, QUANTILES, Entry, Load
from grapevine.monitoring.threaded_tree import key_of
from grapevine.tools import Budget, Recent

LIMIT = 200_000  # rows in a table
REPORTS_KEPT = 6  # periods for which a peer keeps a report, to say it again to another seed
HASTE = 0.9  # of a period, after which a peer may make one more report
TOGETHER = 12  # reports that may come together, because this seed may have stood still


class Row(NamedTuple):
    """An entry of a report, filed on one side."""

    side: str
    reporter: Address
    start: int
    period: int
    at: float  # when it was reported, by the clock of this seed
    entry: Entry

    @property
    def subject(self) -> Address:
        return self.entry.peer if self.side == ABOUT else self.reporter

    @property
    def other(self) -> Address:
        return self.reporter if self.side == ABOUT else self.entry.peer

    @property
    def identity(self) -> tuple:
        return self.side, self.other, self.start, self.period


def rows_of(reporter: Address, start: int, period: int, at: float, entries: Iterable[Entry],
            sides: Iterable[str] = (ABOUT, BY)) -> list[Row]:
    """Return the rows of a report that was made at `at`."""
    return [Row(side, reporter, start, period, at, entry) for side in sides for entry in entries]


def lines_of(rows: Iterable[Row], now: float) -> bytes:
    """Return the lines that carry rows to another seed."""
    reports = collections.defaultdict(list)
    for row in rows:
        reports[row.side, row.reporter, row.start, row.period, row.at].append(row.entry)
    return b"".join([grammar.say("rows", now - at, *what, entries[begin:begin + ENTRIES])
                     for (*what, at), entries in reports.items()
                     for begin in range(0, len(entries), ENTRIES)])


class Rows:
    """A table of rows by their subjects. A row is charged to the host of its reporter, but on
    loopback, which all share, to the reporter."""

    def __init__(self, limit: int = LIMIT):
        self._limit = limit
        self._of: dict[Address, dict[tuple, Row]] = {}  # subject -> identity -> row
        self._count: collections.Counter = collections.Counter()  # account -> its rows
        self.evicted = 0

    def file(self, rows: Iterable[Row]) -> list[Row]:
        """Hold rows; return those that are news."""
        news = []
        for row in rows:
            held = self._of.setdefault(row.subject, {})
            if row.identity not in held:
                held[row.identity] = row
                self._count[_account(row)] += 1
                news.append(row)
        if self._count.total() > self._limit:
            self._evict()
        return news

    def _evict(self) -> None:
        """Make room: the accounts that have most lose their oldest rows."""
        level = equal_share(list(self._count.values()), int(EVICTED_TO * self._limit))
        surplus = {account: count - level for account, count in self._count.items()}
        evicted = set()
        for row in sorted(self.all(), key=lambda row: row.at):
            if surplus[_account(row)] > 0:
                surplus[_account(row)] -= 1
                evicted.add(id(row))
        self._drop(lambda row: id(row) in evicted)
        self.evicted += len(evicted)

    def _drop(self, is_over) -> None:
        for subject, held in list(self._of.items()):
            for identity, row in list(held.items()):
                if is_over(row):
                    del held[identity]
                    self._count[_account(row)] -= 1
            if not held:
                del self._of[subject]

    def expire(self, before: float) -> None:
        """Drop rows that were reported before."""
        self._drop(lambda row: row.at < before)
        self._count = +self._count

    def forget(self, peer: Address) -> None:
        """Drop all that is said about a peer, and all that it says."""
        self._drop(lambda row: peer in (row.reporter, row.entry.peer))

    def of(self, subject: Address) -> list[Row]:
        return list(self._of.get(subject, {}).values())

    def all(self) -> Iterable[Row]:
        return (row for held in self._of.values() for row in held.values())

    def subjects(self) -> list[Address]:
        """Return, in order, the peers that have reported, which alone can be judged."""
        return sorted(subject for subject, held in self._of.items()
                      if any(side == BY for side, *_ in held))

    def load(self, first: int, last: int) -> Load:
        """Return how many rows have keys from `first` to `last`, and what cuts them evenly."""
        sizes = sorted((key, len(held)) for subject, held in self._of.items()
                       if first <= (key := key_of(subject)) <= last)
        keys = [key for key, size in sizes for _ in range(size)]
        parts = range(1, QUANTILES + 1) if keys else ()
        return Load(len(keys), tuple(keys[len(keys) * part // (QUANTILES + 1)] for part in parts))


def _account(row: Row):
    return row.reporter if row.reporter.is_loopback else row.reporter.host


class _Reporter:
    """The reports of the last run of a peer that have counted."""

    def __init__(self, period: float):
        self.start = 0
        self.counted: set[int] = set()  # the PERIODs of the last six
        self.came_at = 0.0  # when the newest came
        self.budget = Budget(1 / (HASTE * period), TOGETHER)


class Reporters(Recent):
    """The peers that report to a seed, and which of their reports count.

    A report counts if its PERIOD is higher than before, once a period; or if it is one of the last
    six and was lacking here, because peers keep these for a seed that takes the place of another.
    Its age then follows from its PERIOD. Late reports may come close together."""

    def __init__(self, limit: int, period: float):
        super().__init__(limit)
        self._period = period  # in seconds

    def age(self, peer: Address, start: int, period: int, now: float) -> float | None:
        """Return a report's age in seconds; None if it does not count."""
        reporter = self.get(peer) or _Reporter(self._period)
        if reporter.start != start:
            reporter.start, reporter.counted = start, set()
            self[peer] = reporter
        newest = max(reporter.counted, default=0)
        if period in reporter.counted or period <= newest - REPORTS_KEPT:
            return None
        if period > newest:
            if not reporter.budget.spend(1, now):
                return None
            newest, reporter.came_at = period, now
        reporter.counted = {each for each in reporter.counted if each > newest - REPORTS_KEPT}
        reporter.counted.add(period)
        return (newest - period) * self._period + now - reporter.came_at
