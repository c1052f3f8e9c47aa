"""Rows: the entries of reports as seeds file them, each twice, and the table of those held.

What R says about S is filed under key(S, R), side `about`, and under key(R, S), side `by`: so one
range of keys holds all that is said about a peer and all that the peer says. The peer whose range
that is, is the subject of the row. A death that was reported in vain is filed in the same way,
under the first key of its accuser.

Rules only: link readers and a seed's turns call the table, which is handed the time. Whether a row
is held already is told by its identity, in which the time has no part.
"""

import threading
from typing import Iterable, NamedTuple

from gossip import wire
from gossip.addresses import Address
from gossip.monitoring.threaded_tree import first_key, key

AGAIN = 0.5  # seconds between two rejections that are not the same
ROWS_LIMIT = 500_000  # rows in one table; a peer brings 400 a period at most


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


class Rejection(NamedTuple):
    """A death that was reported in vain: the accused answered the seed."""

    accuser: Address
    accused: Address
    seed: Address
    at: float

    @property
    def subject(self) -> Address:
        return self.accuser

    @property
    def other(self) -> Address:
        return self.accused

    @property
    def key(self) -> int:
        return first_key(self.accuser)

    @property
    def identity(self) -> tuple:
        return self.accuser, self.accused, self.seed


class Rows:
    """The rows and rejections that a seed holds, has taken in, or has handed on."""

    def __init__(self, window: float):
        self._window = window  # seconds for which a row is kept
        self._lock = threading.Lock()  # guards everything below
        self._held: dict[tuple, Row | Rejection] = {}  # by identity
        self._keys: dict[tuple, int] = {}  # the keys of these, by identity
        self._of: dict[Address, dict[tuple, Row | Rejection]] = {}  # by subject, then by identity

    def file(self, row: Row | Rejection, now: float) -> bool:
        """Hold a row; answer whether it is news. One that is too old, or finds no room, is not
        held. A rejection that is held already is news when it has happened again since."""
        identity = row.identity
        with self._lock:
            held = self._held.get(identity)
            if held is None:
                if row.at <= now - self._window or len(self._held) >= ROWS_LIMIT:
                    return False
            elif isinstance(row, Row) or row.at < held.at + AGAIN:
                return False
            self._held[identity] = row
            self._keys[identity] = row.key
            self._of.setdefault(row.subject, {})[identity] = row
            return True

    def all(self) -> list[Row | Rejection]:
        """All that is held, in the order in which it came."""
        with self._lock:
            return list(self._held.values())

    def of(self, subject: Address) -> list[Row]:
        """The rows of a subject, without its rejections."""
        return [row for row in self._of_subject(subject) if isinstance(row, Row)]

    def rejections(self, accuser: Address) -> list[Rejection]:
        """The deaths that a peer has reported in vain."""
        return [row for row in self._of_subject(accuser) if isinstance(row, Rejection)]

    def _of_subject(self, subject: Address) -> list[Row | Rejection]:
        with self._lock:
            return list(self._of.get(subject, {}).values())

    def subjects(self) -> list[Address]:
        """The subjects of all that is held, in order."""
        with self._lock:
            return sorted(self._of)

    def count(self) -> int:
        """How many rows and rejections are held."""
        with self._lock:
            return len(self._held)

    def quantiles(self) -> list[int]:
        """Keys that cut the rows into shares of the same size; none when there are no rows."""
        with self._lock:
            keys = sorted(self._keys.values())
        shares = wire.QUANTILES + 1
        return [keys[len(keys) * share // shares] for share in range(1, shares)] if keys else []

    def take_out(self, first: int, last: int) -> list[Row | Rejection]:
        """Take out the rows whose keys are not from `first` to `last`, and return them."""
        with self._lock:
            foreign = [self._held[identity] for identity, key in self._keys.items()
                       if not first <= key <= last]
        return self._take(foreign)

    def forget(self, peer: Address) -> None:
        """Drop what is said about a peer, and what the peer says."""
        self._take([row for row in self.all() if peer in (row.subject, row.other)])

    def expire(self, now: float) -> None:
        """Drop what is older than the window."""
        self._take([row for row in self.all() if row.at <= now - self._window])

    def _take(self, rows: list[Row | Rejection]) -> list[Row | Rejection]:
        """Take these out, and return those that were there."""
        taken = []
        with self._lock:
            for row in rows:
                if self._held.pop(row.identity, None) is None:
                    continue
                taken.append(row)
                del self._keys[row.identity]
                of_subject = self._of[row.subject]
                del of_subject[row.identity]
                if not of_subject:
                    del self._of[row.subject]
        return taken


# From reports and lines to rows, and back.


def rows_of(report: wire.Report | wire.Rows | wire.Part, reporter: Address, at: float,
            sides: Iterable[str] = (wire.ABOUT, wire.BY)) -> list[Row]:
    """The rows of a report that was made at this moment."""
    return [Row(side, reporter, report.start, report.period, at, entry)
            for side in sides for entry in report.entries]


def rows_in(message: wire.Rows | wire.Part, now: float) -> list[Row]:
    """The rows in a line from another seed."""
    return rows_of(message, message.reporter, now - message.age, (message.side,))


def lines_of(rows: Iterable[Row | Rejection], now: float, line=wire.rows) -> bytes:
    """The lines that carry these rows to another seed; `line` is `wire.part` for a loan."""
    lines, together = [], {}
    for row in rows:
        if isinstance(row, Row):
            what = row.side, row.reporter, row.start, row.period
            together.setdefault(what, []).append(row)
        else:
            lines.append(wire.rejected_death(_age(row, now), row.accuser, row.accused, row.seed))
    for what, of_report in together.items():
        for begin in range(0, len(of_report), wire.ENTRIES_LIMIT):
            some = of_report[begin: begin + wire.ENTRIES_LIMIT]
            lines.append(line(_age(some[0], now), *what, [row.entry for row in some]))
    return b"".join(lines)


def _age(row: Row | Rejection, now: float) -> float:
    return max(0.0, now - row.at)
