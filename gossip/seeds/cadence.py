"""A cadence: when something that is repeated is due next, often at first and then more rarely.

Rules only: membership asks it, every thread may hurry it.
"""

import threading


class Cadence:
    """Due after `first` seconds, then after pauses that double up to `rest`, e.g. 0.5, 1, 2, 4, 4;
    `hurry` begins again with `first`."""

    def __init__(self, first: float, rest: float, now: float):
        self._first = min(first, rest)
        self._rest = rest
        self._lock = threading.Lock()  # guards everything below
        self._delay = self._first
        self._next_at = now + self._delay

    def hurry(self, now: float) -> bool:
        """Something changed: be due soon; False when the pauses are short anyway."""
        with self._lock:
            if self._delay < self._rest:
                return False
            self._delay = self._first
            self._next_at = min(self._next_at, now + self._delay)
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
