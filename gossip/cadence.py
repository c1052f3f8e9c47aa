"""A cadence: when something that hurries at first and then settles is due next.

Pure values, owned by one thread but for `hurry`, which anyone may call.
"""

import threading


class Cadence:
    """Due after `first` seconds, then doubling up to `rest`; `hurry` begins again."""

    def __init__(self, first: float, rest: float, now: float):
        self._first = min(first, rest)
        self._rest = rest
        self._lock = threading.Lock()  # guards everything below
        self._delay = self._first
        self.next_at = now + self._delay

    def hurry(self, now: float) -> None:
        """Something changed: be due soon again, unless it is hurrying already."""
        with self._lock:
            if self._delay >= self._rest:
                self._delay = self._first
                self.next_at = min(self.next_at, now + self._delay)

    def due(self, now: float) -> bool:
        """Answer whether it is due, and if so schedule the next time."""
        with self._lock:
            if now < self.next_at:
                return False
            self._delay = min(self._rest, self._delay * 2)
            self.next_at = now + self._delay
            return True
