"""Rows: the entries of reports, each filed twice, and their table.

What R says about S is filed under key(S, R), side `about`, and under key(R, S), side `by`. So one
range of keys holds all that is said about a peer, the subject of these rows, and all that it says.
Rules only: keeping.py hands in the time, which has no part in the identity of a row.
"""

import collections
import itertools
import struct
from typing import Hashable, Iterable, NamedTuple

from gossip.addresses import Address, is_loopback
from gossip.monitoring import grammar
from gossip.monitoring.threaded_tree import key

ROWS_LIMIT = 200_000  # rows in one table
_PACKED = struct.Struct("<QQd5I")  # START, PERIOD, when it was reported, the counts of the entry


class Row(NamedTuple):
    """An entry of a report, filed on one side."""

    side: str
    reporter: Address
    start: int
    period: int
    at: float  # when it was reported, by the clock of this seed
    entry: grammar.Entry

    @property
    def subject(self) -> Address:
        return _pair(self.side, self.reporter, self.entry.peer)[0]

    @property
    def other(self) -> Address:
        """The second peer of the key."""
        return _pair(self.side, self.reporter, self.entry.peer)[1]

    @property
    def key(self) -> int:
        return key(self.subject, self.other)

    @property
    def identity(self) -> tuple:
        return self.side, self.reporter, self.start, self.period, self.entry.peer


class Rows:
    """A table of rows, packed, by their reporters and the peers named. A row is charged to the host
    of its reporter, but on loopback, which all share, to the reporter."""

    def __init__(self, window: float, counters, limit: int = ROWS_LIMIT):
        self._window = window  # seconds for which a row is kept
        self._counters = counters  # of what was dropped
        self._limit = limit
        # (side, reporter) -> the peer in its entries -> these rows
        self._said: dict[tuple[str, Address], dict[Address, bytes]] = {}
        self._of_owner: collections.Counter = collections.Counter()  # owner -> rows
        self._count = 0  # rows in all

    def file(self, rows: Iterable[Row], now: float) -> list[Row]:
        """Hold rows unless too old. Return the rows that are news."""
        return [row for row in rows if row.at > now - self._window and self._hold(row)]

    def _hold(self, row: Row) -> bool:
        """Hold a row. Return whether it is news."""
        said, peer = (row.side, row.reporter), row.entry.peer
        if any(old[:2] == (row.start, row.period)
               for old in _PACKED.iter_unpack(self._held(said, peer))):
            return False
        if self._count >= self._limit:
            self._evict()
        self._put(said, peer, self._held(said, peer) + _PACKED.pack(
            row.start, row.period, row.at, *row.entry[1:]))
        return True

    def all(self) -> list[Row]:
        return [row for pair in self._pairs() for row in _unpacked(*pair)]

    def of(self, subject: Address) -> list[Row]:
        """Return the rows by and about a subject."""
        named = self._said.get((grammar.BY, subject), {})
        pairs = [*(((grammar.BY, subject), other, packed) for other, packed in named.items()),
                 *(((grammar.ABOUT, other), subject, self._held((grammar.ABOUT, other), subject))
                   for other in named)]
        return [row for pair in pairs for row in _unpacked(*pair)]

    def subjects(self) -> list[Address]:
        """Return the peers that have reported, which alone can be judged, sorted."""
        return sorted(reporter for side, reporter in self._said if side == grammar.BY)

    def count(self) -> int:
        return self._count

    def quantiles(self) -> list[int]:
        """Return keys that cut the rows into equal shares, if any."""
        keys = sorted(itertools.chain.from_iterable(
            [key(*_pair(*said, peer))] * (len(packed) // _PACKED.size)
            for said, peer, packed in self._pairs()))
        shares = grammar.QUANTILES + 1
        return [keys[len(keys) * share // shares] for share in range(1, shares)] if keys else []

    def take_out(self, first: int, last: int) -> list[Row]:
        """Take out the rows whose keys are not from `first` to `last`."""
        return self._take(lambda *pair: not first <= key(*pair) <= last)

    def forget(self, peer: Address) -> None:
        self._take(lambda *pair: peer in pair)

    def expire(self, now: float) -> None:
        self._drop(now - self._window)
        self._of_owner = +self._of_owner  # without owners that have no row left

    def _take(self, wanted) -> list[Row]:
        """Take out the rows of the pairs for which `wanted(subject, other)` holds."""
        return [row for said, peer, _ in self._pairs() if wanted(*_pair(*said, peer))
                for row in _unpacked(said, peer, self._put(said, peer, b""))]

    def _pairs(self, owner: Hashable = None) -> list[tuple[tuple[str, Address], Address, bytes]]:
        """Return (side and reporter, peer named, rows), of one owner or all."""
        return [(said, peer, packed) for said, peers in self._said.items()
                if owner in (None, _owner(said[1])) for peer, packed in peers.items()]

    def _held(self, said: tuple[str, Address], peer: Address) -> bytes:
        return self._said.get(said, {}).get(peer, b"")

    def _put(self, said: tuple[str, Address], peer: Address, packed: bytes) -> bytes:
        """Replace the rows of a reporter about a peer. Return the rows before."""
        peers = self._said.setdefault(said, {})
        before = peers.pop(peer, b"")
        if packed:
            peers[peer] = packed
        elif not peers:
            del self._said[said]
        more = (len(packed) - len(before)) // _PACKED.size
        self._count += more
        self._of_owner[_owner(said[1])] += more
        return before

    def _evict(self) -> None:
        """Drop the older half of the largest owner's rows."""
        (owner, rows), = self._of_owner.most_common(1)
        times = sorted(at for _, _, packed in self._pairs(owner)
                       for _, _, at, *_ in _PACKED.iter_unpack(packed))
        self._drop(times[(rows - 1) // 2], owner)
        self._counters.add("rows evicted", rows - self._of_owner[owner])

    def _drop(self, at: float, owner: Hashable = None) -> None:
        """Drop rows reported up to `at`, of one owner or of all."""
        for said, peer, packed in self._pairs(owner):
            left = [row for row in _PACKED.iter_unpack(packed) if row[2] > at]
            if len(left) < len(packed) // _PACKED.size:
                self._put(said, peer, b"".join(_PACKED.pack(*row) for row in left))


def _owner(reporter: Address) -> Hashable:
    return reporter if is_loopback(reporter) else reporter.ip


def _pair(side: str, reporter: Address, peer: Address) -> tuple[Address, Address]:
    """Return the subject of a row, and the other peer."""
    return (peer, reporter) if side == grammar.ABOUT else (reporter, peer)


def _unpacked(said: tuple[str, Address], peer: Address, packed: bytes) -> list[Row]:
    return [Row(*said, start, period, at, grammar.Entry(peer, *counts))
            for start, period, at, *counts in _PACKED.iter_unpack(packed)]


def rows_of(report: grammar.Report | grammar.Rows, reporter: Address, at: float,
            sides: Iterable[str] = (grammar.ABOUT, grammar.BY)) -> list[Row]:
    """Return the rows of a report that was made at `at`."""
    return [Row(side, reporter, report.start, report.period, at, entry)
            for side in sides for entry in report.entries]


def rows_in(message: grammar.Rows, now: float) -> list[Row]:
    return rows_of(message, message.reporter, now - message.age, (message.side,))


def lines_of(rows: Iterable[Row], now: float, line=grammar.rows) -> bytes:
    """Return lines that carry rows to a seed, or lend them (`grammar.part`)."""
    reports: dict[tuple, list[Row]] = {}
    for row in rows:
        reports.setdefault((row.side, row.reporter, row.start, row.period), []).append(row)
    lines = [(what, some[at: at + grammar.ENTRIES_LIMIT]) for what, some in reports.items()
             for at in range(0, len(some), grammar.ENTRIES_LIMIT)]
    return b"".join(line(now - some[0].at, *what, [row.entry for row in some])
                    for what, some in lines)
