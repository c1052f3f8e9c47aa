"""Rows: the entries of reports, each filed twice, and their table.

What R says about S is filed under key(S, R), side `about`, and under key(R, S), side `by`: so one
range of keys holds all that is said about a peer and all that the peer says. The peer whose range
that is, is the subject of the row.

Rules only: keeping.py hands the table the time. A row that comes again with another time is the
same row.
"""

import collections
import itertools
import statistics
from typing import Hashable, Iterable, NamedTuple

from gossip import wire
from gossip.addresses import Address, is_loopback
from gossip.monitoring.threaded_tree import key

ROWS_LIMIT = 200_000  # rows in one table


class Row(NamedTuple):
    """An entry of a report, filed on one side."""

    side: str
    reporter: Address
    start: int
    period: int
    at: float  # when it was reported, by the clock of this seed
    entry: wire.Entry

    @property
    def subject(self) -> Address:
        return self.entry.peer if self.side == wire.ABOUT else self.reporter

    @property
    def other(self) -> Address:
        """The second peer of the key."""
        return self.reporter if self.side == wire.ABOUT else self.entry.peer

    @property
    def key(self) -> int:
        return key(self.subject, self.other)

    @property
    def identity(self) -> tuple:
        return self.side, self.reporter, self.start, self.period, self.entry.peer


class Rows:
    """A table of rows, by their subjects and the other peers.

    A row belongs to the host of its reporter; on loopback, which all share, to the reporter."""

    def __init__(self, window: float, counters, limit: int = ROWS_LIMIT):
        self._window = window  # seconds for which a row is kept
        self._counters = counters  # of what was dropped
        self._limit = limit
        self._held: dict[Address, dict[Address, list[Row]]] = {}  # subject -> other -> rows
        self._of_owner: collections.Counter = collections.Counter()  # owner -> rows
        self._count = 0  # rows in all

    def file(self, row: Row, now: float) -> bool:
        """Hold a row unless it is too old; answer whether it is news."""
        rows = self._held.get(row.subject, {}).get(row.other, ())
        said = row[:4]  # side, reporter, START, PERIOD: one row of these two peers has them
        if row.at <= now - self._window or any(old[:4] == said for old in rows):
            return False
        if self._count >= self._limit:
            self._evict()
        self._held.setdefault(row.subject, {}).setdefault(row.other, []).append(row)
        self._of_owner[_owner(row.reporter)] += 1
        self._count += 1
        return True

    def all(self) -> list[Row]:
        """All that is held."""
        return [row for _, _, rows in self._pairs() for row in rows]

    def of(self, subject: Address) -> list[Row]:
        """What a subject says of others, and what they say of it."""
        return [row for rows in self._held.get(subject, {}).values() if _is_said(rows)
                for row in rows]

    def subjects(self) -> list[Address]:
        """The peers that have reported, in order: only they can be judged."""
        return sorted(subject for subject, others in self._held.items()
                      if any(map(_is_said, others.values())))

    def count(self) -> int:
        """How many rows are held."""
        return self._count

    def quantiles(self) -> list[int]:
        """Keys that cut the rows into equal shares, if there are rows."""
        keys = sorted(itertools.chain.from_iterable(
            [key(subject, other)] * len(rows) for subject, other, rows in self._pairs()))
        shares = wire.QUANTILES + 1
        return [keys[len(keys) * share // shares] for share in range(1, shares)] if keys else []

    def take_out(self, first: int, last: int) -> list[Row]:
        """Take out the rows whose keys are not from `first` to `last`."""
        return self._take([row for subject, other, rows in self._pairs()
                           if not first <= key(subject, other) <= last for row in rows])

    def forget(self, peer: Address) -> None:
        """Drop what is said about a peer, and what the peer says."""
        self._take([row for subject, other, rows in self._pairs() if peer in (subject, other)
                    for row in rows])

    def expire(self, now: float) -> None:
        """Drop what is older than the window."""
        self._take([row for row in self.all() if row.at <= now - self._window])

    def _pairs(self) -> list[tuple[Address, Address, list[Row]]]:
        return [(subject, other, rows) for subject, others in self._held.items()
                for other, rows in others.items()]

    def _take(self, rows: list[Row]) -> list[Row]:
        """Take these rows out, and return them."""
        for row in rows:
            others = self._held[row.subject]
            others[row.other].remove(row)
            if not others[row.other]:
                del others[row.other]
            if not others:
                del self._held[row.subject]
            self._of_owner[_owner(row.reporter)] -= 1
        self._count -= len(rows)
        return rows

    def _evict(self) -> None:
        """Drop the older half of the rows of the owner that has most."""
        self._of_owner = +self._of_owner  # without owners that have no row left
        (owner, _), = self._of_owner.most_common(1)
        rows = [row for subject, other, rows in self._pairs()
                if owner in (_owner(subject), _owner(other))
                for row in rows if _owner(row.reporter) == owner]
        middle = statistics.median_low(row.at for row in rows)
        gone = self._take([row for row in rows if row.at <= middle])
        self._counters.add("rows evicted", len(gone))


def _owner(reporter: Address) -> Hashable:
    return reporter if is_loopback(reporter) else reporter.ip


def _is_said(rows: list[Row]) -> bool:
    """Whether the subject says something of the other peer."""
    return any(row.side == wire.BY for row in rows)


# From reports and lines to rows, and back.


def rows_of(report: wire.Report | wire.Rows, reporter: Address, at: float,
            sides: Iterable[str] = (wire.ABOUT, wire.BY)) -> list[Row]:
    """The rows of a report that was made at this moment."""
    return [Row(side, reporter, report.start, report.period, at, entry)
            for side in sides for entry in report.entries]


def rows_in(message: wire.Rows, now: float) -> list[Row]:
    """The rows in a line from another seed."""
    return rows_of(message, message.reporter, now - message.age, (message.side,))


def lines_of(rows: Iterable[Row], now: float, line=wire.rows) -> bytes:
    """The lines that carry rows to a seed, or lend them (`wire.part`)."""
    reports: dict[tuple, list[Row]] = {}
    for row in rows:
        reports.setdefault((row.side, row.reporter, row.start, row.period), []).append(row)
    lines = [(what, some[at: at + wire.ENTRIES_LIMIT]) for what, some in reports.items()
             for at in range(0, len(some), wire.ENTRIES_LIMIT)]
    return b"".join(line(max(0.0, now - some[0].at), *what, [row.entry for row in some])
                    for what, some in lines)
