"""Which reports count: one new PERIOD per period, and recent older ones.

Rules only. A report that was kept for a seed that is gone
comes after newer ones, and its age follows from its PERIOD. Late reports may come close together:
they count while the peer has made no more of them than periods have passed. Because a report is
cheaper to send than to read, a peer that sends too many that do not count is cut off.
"""

from typing import NamedTuple

from gossip.addresses import Address
from gossip.tools import Rate, Recent

KEPT = 6  # periods for which a peer keeps a report, to say it again to another seed
CREDIT = 2  # new reports that may come together at first
MOST_CREDIT = 12  # the same after so many periods of silence: this seed may have stood still
HASTE = 0.9  # of a period: in this time a peer has credit for one more
PATIENCE = 100  # reports that do not count and are borne at once; an honest peer makes six at most
MENDING = 10  # so many more are borne after each period
REPORTERS_LIMIT = 10_000  # peers that are remembered


class _Reporter(NamedTuple):
    start: int  # of its run
    newest: int  # PERIOD of the newest report that counts
    came: float  # when that came
    counted: set[int]  # PERIODs that counted, of the last six


class Intake:
    """The reporters of one seed."""

    def __init__(self, period: float):
        self._period = period  # in seconds
        self._reporters = Recent(REPORTERS_LIMIT)  # address -> _Reporter
        self._credit = Rate(1 / (HASTE * period), MOST_CREDIT, REPORTERS_LIMIT)
        self._useless = Rate(MENDING / period, PATIENCE, REPORTERS_LIMIT)

    def age(self, peer: Address, start: int, period: int, now: float) -> float | None:
        """The age of a report in seconds; None: it does not count."""
        reporter = self._reporters.get(peer)
        if reporter is None or start != reporter.start or period > reporter.newest:
            return 0.0 if self._begin(reporter, peer, start, period, now) else None
        if period <= reporter.newest - KEPT or period in reporter.counted:
            return None
        reporter.counted.add(period)
        return (reporter.newest - period) * self._period + now - reporter.came

    def bears(self, peer: Address, now: float) -> bool:
        """Whether to tolerate one more report that does not count."""
        return not self._useless.take(now, key=peer)

    def _begin(self, reporter: _Reporter | None, peer: Address, start: int, period: int,
               now: float) -> bool:
        """Let a newer report count, unless it comes too soon."""
        if reporter is None:
            self._credit.take(now, MOST_CREDIT - CREDIT, peer)
        if self._credit.take(now, key=peer):
            self._credit.take(now, -1, peer)
            return False
        counted = reporter.counted if reporter is not None and start == reporter.start else ()
        self._reporters.put(peer, _Reporter(start, period, now, {
            period, *(one for one in counted if one > period - KEPT)}))
        return True
