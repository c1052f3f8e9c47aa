"""Which reports of a peer count: one new PERIOD per period, and those just before it, once each.

Rules only. A report that was kept for a seed that is gone comes after newer ones: its age follows
from its PERIOD. A report that comes too soon after the last counts as long as the peer has made no
more of them than periods have passed: reports are late, and then come close together.

To read a report costs more than to send it. So who sends too many that do not count is not to be
heard any more on this connection.
"""

import threading

from gossip.addresses import Address

KEPT = 6  # periods for which a peer keeps a report, to say it again to another seed
CREDIT = 2  # new reports that may come together at first
MOST_CREDIT = 12  # the same after so many periods of silence: this seed may have stood still
HASTE = 0.9  # of a period: in this time a peer has credit for one more
PATIENCE = 100  # reports that do not count and are borne at once; an honest peer makes six at most
MENDING = 10  # so many more are borne after each period
REPORTERS_LIMIT = 10_000  # peers that are remembered; of more, the first goes


class _Reporter:
    __slots__ = ("start", "newest", "came", "counted", "credit", "credited", "patience", "vexed")

    def __init__(self, now: float):
        self.start = 0  # of its run
        self.newest = 0  # PERIOD of the newest report that counts
        self.came = now  # when it came
        self.counted: set[int] = set()  # PERIODs that counted, of the last six
        self.credit = float(CREDIT)  # new reports that it may still make
        self.credited = now  # when that was reckoned
        self.patience = float(PATIENCE)  # reports that do not count and are still borne
        self.vexed = now  # when that was reckoned


class Intake:
    """The reporters of one seed."""

    def __init__(self, period: float):
        self._period = period  # in seconds
        self._lock = threading.Lock()  # guards everything below
        self._reporters: dict[Address, _Reporter] = {}

    def age(self, peer: Address, start: int, period: int, now: float) -> float | None:
        """How old a report of a peer is, in seconds; None: it does not count."""
        with self._lock:
            reporter = self._reporter(peer, now)
            if start != reporter.start or period > reporter.newest:
                return 0.0 if self._begin(reporter, start, period, now) else None
            if period <= reporter.newest - KEPT or period in reporter.counted:
                return None
            reporter.counted.add(period)
            return (reporter.newest - period) * self._period + now - reporter.came

    def bears(self, peer: Address, now: float) -> bool:
        """Whether a report that does not count is borne: False when a peer sends too many."""
        with self._lock:
            reporter = self._reporter(peer, now)
            grown = MENDING * (now - reporter.vexed) / self._period
            reporter.patience, reporter.vexed = min(PATIENCE, reporter.patience + grown), now
            if reporter.patience < 1:
                return False
            reporter.patience -= 1
            return True

    def _reporter(self, peer: Address, now: float) -> _Reporter:
        """What is remembered of a peer, from now on if it is nothing yet. Expects the lock."""
        reporter = self._reporters.get(peer)
        if reporter is not None:
            return reporter
        if len(self._reporters) >= REPORTERS_LIMIT:
            del self._reporters[next(iter(self._reporters))]
        self._reporters[peer] = reporter = _Reporter(now)
        return reporter

    def _begin(self, reporter: _Reporter, start: int, period: int, now: float) -> bool:
        """Let a newer report count, unless it comes too soon. Expects the lock."""
        earned = (now - reporter.credited) / (HASTE * self._period)
        reporter.credit, reporter.credited = min(MOST_CREDIT, reporter.credit + earned), now
        if reporter.credit < 1:
            return False
        reporter.credit -= 1
        if start != reporter.start:
            reporter.start = start
            reporter.counted.clear()
        reporter.newest, reporter.came = period, now
        reporter.counted = {one for one in reporter.counted if one > period - KEPT} | {period}
        return True
