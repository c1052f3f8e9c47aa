"""What peers say of one another, and cases of it, which the tests of verdicts have in common."""

from grapevine.monitoring.grammar import ABOUT, BY, Entry
from grapevine.monitoring.rows import Row
from grapevine.monitoring.verdicts import Case, evaluate
from tests.tables.samples import peer

PERIOD, NOW = 10.0, 1_000.0
S, A, B, C, D, E = map(peer, range(5000, 5006))  # the subject, and its neighbours
OTHERS = [A, B, C, D, E]


def said(reporter, other, age, expected=0, missing=0, first=0, corrupt=0, forbidden=0) -> Row:
    """What a peer said of another so many periods ago."""
    entry = Entry(other, expected, missing, first, corrupt, forbidden)
    return Row("", reporter, 1, int(100 - age), NOW - age * PERIOD, entry)


def paired(other, subject=S) -> list[Row]:
    """What pairs two peers, and says nothing about either."""
    return [said(*pair, age) for age in (9.1, 9.2, 9.3, 9.4)
            for pair in ((other, subject), (subject, other))]


def always(reporter, other, **counts) -> list[Row]:
    """The same in each of some periods. Five of them count in a window, all twelve as one's own."""
    return [said(reporter, other, age + 0.25, **counts) for age in range(12)]


def mutual(reporter, subject=S, first=0, **counts) -> list[Row]:
    """What a reporter always says of the subject, which says in turn that it had so many messages
    first from the reporter."""
    return (always(reporter, subject, **{"expected": 20, **counts})
            + always(subject, reporter, expected=20, first=first))


def case(rows, subject=S, charged: float | None = None) -> Case:
    """A subject that was charged so many periods ago, or never."""
    own = [row._replace(side=BY if row.reporter == subject else ABOUT)
           for row in rows if subject in (row.reporter, row.entry.peer)]
    at = {} if charged is None else {"charged_at": NOW - charged * PERIOD}
    return Case(subject, own, NOW, PERIOD, **at)


def rates(rows, known=None, **words) -> dict:
    return case(rows, **words).present.rates(known)


def found(*cases: Case, known=(), judged=None, void=()):
    return evaluate(list(cases), list(known), judged or {}, set(void))


def charged(rows, known=(), void=(), since=None, **words) -> list:
    """Return whether the subject is charged alone, whatever was found elsewhere."""
    return list(found(case(rows, charged=since), known=known, void=void, **words).charged)
