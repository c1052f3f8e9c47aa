"""Rows of reports, made by hand, for tests of verdicts."""

from typing import NamedTuple

from gossip.addresses import Address
from gossip.monitoring.grammar import ABOUT, BY, Entry, Verdicts
from gossip.monitoring.verdicts import Case
from tests.tools.fakes import peer

PERIOD = 10.0
NOW = 1_000.0
S, A, B, C, D, E = map(peer, range(5000, 5006))  # the subject, and its neighbours
OTHERS = [A, B, C, D, E]


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


def paired(other, subject=S):
    """What pairs two peers, and says nothing about either."""
    return [said(*pair, age) for age in (9.1, 9.2, 9.3, 9.4)
            for pair in ((other, subject), (subject, other))]


def always(reporter, other, **counts):
    """The same in each of twelve periods. Five of them count in a window, eight as one's own."""
    return [said(reporter, other, age + 0.25, **counts) for age in range(12)]


def of(subject, rows):
    """The rows of a subject, each on its side."""
    return [row._replace(side=BY if row.reporter == subject else ABOUT)
            for row in rows if subject in (row.reporter, row.entry.peer)]


def case(rows, subject=S, banned=()):
    return Case(subject, of(subject, rows), NOW, PERIOD, banned)


def told(known=0, judged=None, void=()):
    return Verdicts(known, tuple((judged or {}).items()), tuple(void), ())


def mutual(reporter, subject=S, first=0, **counts):
    """What a reporter always says of the subject, which says in turn that it had so many messages
    first from the reporter."""
    return (always(reporter, subject, **{"expected": 20, **counts})
            + always(subject, reporter, expected=20, first=first))
