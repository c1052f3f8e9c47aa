"""A rate limit, a backoff, tables with a bound, and the error of a broken rule.

Values: the time is passed in, in seconds of any clock that does not go back.
"""

import collections


class ProtocolError(ValueError):
    """The other end of a link broke the grammar or a rule; its text says which."""


class Budget:
    """A leaky bucket: `rate` units a second, and `burst` units at once. A rate of 0 is no limit."""

    def __init__(self, rate: float, burst: float):
        self._rate, self._burst = rate, burst
        self._level, self._at = 0.0, 0.0

    def charge(self, cost: float, now: float) -> float:
        """Charge any cost; return the seconds until the account is within its burst again."""
        if not self._rate:
            return 0.0
        self._level = max(0.0, self._level - (now - self._at) * self._rate) + cost
        self._at = now
        return max(0.0, self._level - self._burst) / self._rate

    def spend(self, cost: float, now: float) -> bool:
        """Charge a cost if there is room for it; return whether there was."""
        if self.charge(cost, now) == 0.0:
            return True
        self._level -= cost
        return False


class Backoff:
    """A pause that doubles with each failure, from `first` to `longest` seconds."""

    def __init__(self, first: float, longest: float):
        self._first, self._longest = first, longest
        self._pause = 0.0
        self.due = 0.0  # when the next try may begin

    def failed(self, now: float) -> None:
        self._pause = min(self._longest, 2 * self._pause or self._first)
        self.due = now + self._pause

    def reset(self) -> None:
        self._pause = self.due = 0.0


class Recent(collections.OrderedDict):
    """A table of at most `limit` entries: of more, the one that was put first is forgotten."""

    def __init__(self, limit: int):
        super().__init__()
        self._limit = limit

    def __setitem__(self, key, value) -> None:
        super().__setitem__(key, value)
        self.move_to_end(key)
        if len(self) > self._limit:
            self.popitem(last=False)


class Accounts(Recent):
    """Budgets of the same size by account. Of more than `limit`, the one used longest ago is
    forgotten."""

    def __init__(self, limit: int, rate: float, burst: float):
        super().__init__(limit)
        self._rate, self._burst = rate, burst

    def of(self, who) -> Budget:
        self[who] = budget = self.get(who) or Budget(self._rate, self._burst)
        return budget
