"""Rests: which addresses did not answer twice in a row, and when they may be tried again.

Rules only. Whoever answers at its second try is listed at once; after that an address that goes on
being registered, and does not answer, takes a seed's time more and more rarely.
"""

import collections

from gossip.addresses import Address

TRIES = 2  # failures in a row before an address rests
FIRST_REST, LONGEST_REST = 1.0, 30.0  # seconds; it doubles with each further failure
REMEMBERED = 10_000  # addresses whose failures are kept


class _Failures:
    __slots__ = ("number", "last", "until")

    def __init__(self):
        self.number = 0  # in a row
        self.last = 0.0  # when it was found out
        self.until = 0.0  # when the rest ends


class Rests:
    """The addresses that did not answer when they were to be listed."""

    def __init__(self):
        self._rows: collections.OrderedDict[Address, _Failures] = collections.OrderedDict()

    def failed(self, address: Address, asked: float, now: float) -> None:
        """An address has not answered. Those who have asked at once, e.g. at `asked`, share a
        probe, which counts once."""
        row = self._rows.setdefault(address, _Failures())
        if row.number and asked <= row.last:
            return
        row.number, row.last = row.number + 1, now
        if row.number >= TRIES:
            doubled = FIRST_REST * 2 ** min(row.number - TRIES, 16)
            row.until = now + min(LONGEST_REST, doubled)
        self._rows.move_to_end(address)
        if len(self._rows) > REMEMBERED:
            self._rows.popitem(last=False)

    def answered(self, address: Address) -> None:
        """It has answered: all is forgotten."""
        self._rows.pop(address, None)

    def left(self, address: Address, now: float) -> float:
        """The seconds for which an address rests; 0 when it does not."""
        row = self._rows.get(address)
        return 0.0 if row is None else max(0.0, row.until - now)
