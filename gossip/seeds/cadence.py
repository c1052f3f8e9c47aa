"""A cadence: when something that hurries at first and then settles is due next.

Pure values: membership asks when, anyone may hurry it.
"""

import threading


class Cadence:
    """Due after `first` seconds, then doubling up to `rest`; `hurry` begins again."""

    def __init__(self, first: float, rest: float, now: float):
        self._first = min(first, rest)
        self._rest = rest
        self._lock = threading.Lock()  # guards everything below
        self._delay = self._first
        self._next_at = now + self._delay

    def hurry(self, now: float) -> None:
        """Something changed: be due soon again, unless it is hurrying already."""
        with self._lock:
            if self._delay >= self._rest:
                self._delay = self._first
                self._next_at = min(self._next_at, now + self._delay)

    def due(self, now: float) -> bool:
        """Answer whether it is due, and if so schedule the next time."""
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
