"""Counters of what was dropped, and a budget: so many lines per second, and no more."""

import collections


class Counters:
    """Counts, by name, what the output file leaves out, such as "dials that were refused"."""

    def __init__(self):
        self._counts = collections.Counter()

    def add(self, name: str, number: int = 1) -> None:
        if number:
            self._counts[name] += number

    def all(self) -> dict[str, int]:
        return dict(self._counts)


class Budget:
    """Lets `per_second` lines pass in every second; a long one may cost as much as several."""

    def __init__(self, per_second: int):
        self._per_second = per_second
        self._second = 0
        self._spent = 0

    def spend(self, now: float, cost: int = 1) -> bool:
        """Return whether one more may pass now."""
        if int(now) != self._second:
            self._second, self._spent = int(now), 0
        self._spent += cost
        return self._spent <= self._per_second
