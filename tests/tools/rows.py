"""Rows of reports, made by hand, for tests of verdicts."""

from typing import NamedTuple

from gossip.addresses import Address
from gossip.monitoring.grammar import ABOUT, BY, Entry

PERIOD = 10.0
NOW = 1_000.0


class Row(NamedTuple):
    side: str
    reporter: Address
    start: int
    period: int
    at: float
    entry: Entry

    @property
    def other(self):
        return self.reporter if self.side == ABOUT else self.entry.peer


def said(reporter, other, age, expected=0, missing=0, first=0, corrupt=0, forbidden=0):
    """What a peer said of another so many periods ago."""
    entry = Entry(other, expected, missing, first, corrupt, forbidden)
    return Row("", reporter, 1, int(100 - age), NOW - age * PERIOD, entry)


def always(reporter, other, **counts):
    """The same in each of twelve periods. Five of them count in a window, eight as one's own."""
    return [said(reporter, other, age + 0.25, **counts) for age in range(12)]


def of(subject, rows):
    """The rows of a subject, each on its side."""
    return [row._replace(side=BY if row.reporter == subject else ABOUT)
            for row in rows if subject in (row.reporter, row.entry.peer)]
