"""A cadence: when something that is repeated is due next, often at first and then more rarely.

Rules only.
"""

class Cadence:
    """Due after `first` seconds, then after pauses that double up to `rest`, e.g. 0.5, 1, 2, 4, 4;
    `begin`, `hurry` and `at_once` begin again with `first`."""

    def __init__(self, first: float, rest: float, now: float):
        self._first = min(first, rest)
        self._rest = rest
        self._delay = self._first
        self._next_at = now + self._delay
        self._last_at_once, self._pause = float("-inf"), self._first

    def begin(self, now: float) -> None:
        """The pauses begin again. What was due already is done with."""
        if self._next_at <= now:
            self._next_at = now + self._first
        self._hasten(now)

    def _hasten(self, now: float) -> None:
        """Be due after the first pause at the latest."""
        self._delay = self._first
        self._next_at = min(self._next_at, now + self._delay)

    def at_once(self, now: float) -> bool:
        """Something is missing: return whether to ask for it now. If so, the pauses begin again. If
        that comes again and again, it is so after pauses of their own, which double, too, until
        nothing was missing for twice as long as the longest."""
        quiet = now - self._last_at_once
        if quiet < self._pause:
            return False
        self._pause = (self._first if quiet > 2 * self._rest
                       else min(self._rest, 2 * self._pause))
        self._last_at_once = now
        self._hasten(now)
        return True

    def hurry(self, now: float) -> bool:
        """Something changed: be due soon; False when the pauses are short anyway."""
        if self._delay < self._rest:
            return False
        self._hasten(now)
        return True

    def due(self, now: float) -> bool:
        """Return whether it is due; if so, the next pause begins."""
        if now < self._next_at:
            return False
        self._delay = min(self._rest, self._delay * 2)
        self._next_at = now + self._delay
        return True

    def next_at(self) -> float:
        """When it is due next."""
        return self._next_at
