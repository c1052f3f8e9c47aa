"""Small tools: a rate limit, an expiring cache, a backoff, and others. Their owner guards them."""

import os
import re
from collections import Counter, OrderedDict
from collections.abc import Iterable
from typing import Any, Hashable

NESTED = 100  # brackets of JSON outside of strings
SIMILAR = 0.73  # from which a word is taken for a mistyped one; status is not start
_STRING = re.compile(r'"(?:[^"\\]+|\\.)*"?')


class Rate:
    """A leaky bucket for each key. Of more than `keys`, the least recently used is forgotten.
    Without a `burst`, what may come in a second may come at once."""

    def __init__(self, per_second: float, burst: float | None = None, keys: int = 1_000):
        self._per_second, self._keys = per_second, keys
        self._burst = per_second - 1 if burst is None else burst
        self._levels: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()  # level, when

    def take(self, now: float, cost: float = 1.0, key: Hashable = None) -> float:
        """Charge a key (credit it if below 0). Return the seconds until it is within its rate."""
        level, at = self._levels.pop(key, (0.0, now))
        level = max(0.0, max(0.0, level - (now - at) * self._per_second) + cost)
        self._levels[key] = level, now
        if len(self._levels) > self._keys:
            self._levels.popitem(last=False)
        return max(0.0, (level - self._burst) / self._per_second)

    def spend(self, now: float, cost: float = 1.0, key: Hashable = None) -> bool:
        """Charge a key that is within its rate. Return whether it was."""
        is_within = not self.take(now, 0.0, key)
        self.take(now, cost * is_within, key)
        return is_within

    def forget(self, key: Hashable) -> None:
        self._levels.pop(key, None)


class Recent:
    """A dictionary whose entries expire. Above its limit, the oldest entry is evicted."""

    def __init__(self, limit: int):
        self._limit = limit
        # key -> (when it expires, value), in the order in which they were put
        self._entries: OrderedDict[Hashable, tuple[float, Any]] = OrderedDict()

    def put(self, key: Hashable, value, until: float = float("inf")) -> None:
        self._entries[key] = until, value
        self._entries.move_to_end(key)
        if len(self._entries) > self._limit:
            self._entries.popitem(last=False)

    def add(self, key: Hashable, value, now: float = 0.0, until: float = float("inf")) -> bool:
        """Store a value unless the key has one. Return whether it was stored."""
        if until <= now or self.get(key, now) is not None:
            return False
        self.put(key, value, until)
        return True

    def get(self, key: Hashable, now: float = 0.0, default=None):
        """Return a key's value, or `default` if missing or expired."""
        until, value = self._entries.get(key, (now, default))
        return value if until > now else default

    def pop(self, key: Hashable, now: float = 0.0, default=None):
        """Remove a key. Return what `get` would have returned."""
        until, value = self._entries.pop(key, (now, default))
        return value if until > now else default

    def all(self, now: float = 0.0) -> dict:
        """Return all that has not expired, oldest first, and drop the rest."""
        for key in [key for key, (until, _) in self._entries.items() if until <= now]:
            del self._entries[key]
        return {key: value for key, (_, value) in self._entries.items()}


class Backoff:
    """A pause after each failure, twice as long as the one before."""

    def __init__(self, first: float, last: float):
        self._first, self._last = first, last
        self.reset()

    def failed(self, now: float, part: float = 1.0) -> None:
        """Begin the next pause, or only the fraction `part` of it."""
        self.due = now + self._pause * part
        self._pause = min(self._last, self._pause * 2)

    def reset(self) -> None:
        self._pause = min(self._first, self._last)
        self.due = float("-inf")  # when the pause ends


class Worst:
    """The worst of numbers, of all and of the last `seconds`. It needs no lock if one thread at a
    time calls `note`, because what others read is replaced as a whole."""

    def __init__(self, seconds: float):
        self.ever, self._seconds = 0.0, seconds
        # (when, how bad) of these seconds; each was worse than all after it
        self._lately: tuple[tuple[float, float], ...] = ()

    def note(self, now: float, bad: float) -> None:
        self.ever = max(self.ever, bad)
        self._lately = (*[earlier for earlier in self._lately
                          if earlier[0] > now - self._seconds and earlier[1] > bad], (now, bad))

    def lately(self, now: float) -> float:
        return max([bad for when, bad in self._lately if when > now - self._seconds], default=0.0)


class Counters(Counter[str]):  # of what the output file leaves out, by name
    def add(self, name: str, number: int = 1) -> None:
        if number:
            self[name] += number


def failure(thread: str, error: Exception) -> str:
    """Return the event that tells which error ended a thread, and where."""
    trace: Any = error.__traceback__
    while trace.tb_next is not None:
        trace = trace.tb_next
    where = f"{os.path.basename(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno}"
    return f"failed:{thread}:{type(error).__name__}:{error} ({where})"


def did_you_mean(word: str, words: Iterable[str]) -> str:
    """Return a question about the words that are most like a mistyped one; "" if none is."""
    import difflib  # not above: every start would take 6 ms longer

    near = difflib.get_close_matches(word, words, 2, SIMILAR)
    return f"; did you mean {' or '.join(near)}?" if near else ""


def parse_json(text: str) -> Any:
    """Return the value of a JSON text. ValueError if it is none, or has too many brackets, because
    Python 3.12 and 3.13 overflow the small stack of a thread when they parse nested ones."""
    if text.count("[") + text.count("{") > NESTED:
        outside = _STRING.sub("", text)
        if outside.count("[") + outside.count("{") > NESTED:
            raise ValueError("too many brackets")
    import json  # not above, because most nodes parse none

    return json.loads(text)
