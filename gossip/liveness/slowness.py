"""Slowness: how slow the answers to probes were lately, and how long to wait for others therefore.

A process that has more to do than it can do answers late. Who probes it, and is on time itself,
learns of that from the answers that still came in time: the slowest of them tells how long another
one may take. The time is bounded, so that nobody gains much by being slow. Rules only.
"""

FACTOR = 4  # times the slowest answer
MOST = 8.0  # seconds, at most
KEPT = 30.0  # seconds for which an answer counts


class Slowness:
    """The slowest answer of late. Whoever owns it guards it."""

    def __init__(self):
        self._took = 0.0
        self._until = float("-inf")  # when that answer counts no more

    def note(self, took: float, now: float) -> None:
        """An answer has come after so many seconds."""
        if took >= self._took or now >= self._until:
            self._took, self._until = took, now + KEPT

    def limit(self, usual: float, now: float) -> float:
        """Seconds to wait for an answer, where `usual` is right for those that are on time."""
        slowest = self._took if now < self._until else 0.0
        return max(usual, min(MOST, FACTOR * slowest))
