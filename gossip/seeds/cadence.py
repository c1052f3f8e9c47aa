"""A cadence: when something that is repeated is due next, often at first and then more rarely.

Rules only: membership asks it, every thread may hurry it.
"""

import threading


class Cadence:
    """Due after `first` seconds, then after pauses that double up to `rest`, e.g. 0.5, 1, 2, 4, 4;
    `begin`, `hurry` and `at_once` begin again with `first`."""

    def __init__(self, first: float, rest: float, now: float):
        self._first = min(first, rest)
        self._rest = rest
        self._lock = threading.Lock()  # guards everything below
        self._last_at_once = float("-inf")
        self.begin(now)

    def begin(self, now: float) -> None:
        """Be due after the first pause, whatever came before."""
        with self._lock:
            self._delay = self._first
            self._next_at = now + self._delay

    def _hasten(self, now: float) -> None:
        """Be due after the first pause at the latest. Expects the lock."""
        self._delay = self._first
        self._next_at = min(self._next_at, now + self._delay)

    def at_once(self, now: float) -> bool:
        """Something is missing: return whether to ask for it now, which is so only once in `first`
        seconds. The pauses begin again."""
        with self._lock:
            if now < self._last_at_once + self._first:
                return False
            self._last_at_once = now
            self._hasten(now)
            return True

    def hurry(self, now: float) -> bool:
        """Something changed: be due soon; False when the pauses are short anyway."""
        with self._lock:
            if self._delay < self._rest:
                return False
            self._hasten(now)
            return True

    def due(self, now: float) -> bool:
        """Return whether it is due; if so, the next pause begins."""
        with self._lock:
            if now < self._next_at:
                return False
            self._delay = min(self._rest, self._delay * 2)
            self._next_at = now + self._delay
            return True

    def next_at(self) -> float:
        """When it is due next."""
        with self._lock:
            return self._next_at
