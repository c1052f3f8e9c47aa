"""Shut out: neighbours that sent what is corrupt too often, and until when they are refused.

Rules only. Called by the readers of links, and by whoever dials.
"""

import collections
import threading

from gossip.addresses import Address

REMEMBERED = 1_000  # peers kept in each of the two memories; of more, the first goes


class ShutOut:
    """The corrupt lines of neighbours, by their times, and who is refused."""

    def __init__(self, limit: int, seconds: float):
        self._limit = limit  # corrupt lines within `seconds` that are too many; 0: never
        self._seconds = seconds  # also those for which the peer is refused then
        self._lock = threading.Lock()  # guards everything below
        self._times: collections.OrderedDict[Address, list[float]] = collections.OrderedDict()
        self._until: collections.OrderedDict[Address, float] = collections.OrderedDict()

    def note(self, peer: Address, count: int, now: float) -> float | None:
        """So many corrupt lines have come from a neighbour. When these are too many, it is refused
        from now on; return until when, else None."""
        with self._lock:
            times = [at for at in self._times.pop(peer, []) if now - at < self._seconds]
            times += [now] * min(count, self._limit - len(times))
            if not self._limit or len(times) < self._limit:
                self._remember(self._times, peer, times)
                return None
            self._remember(self._until, peer, now + self._seconds)
            return now + self._seconds

    def has(self, peer: Address, now: float) -> bool:
        """Whether the peer is refused now."""
        with self._lock:
            return self._until.get(peer, now) > now

    @staticmethod
    def _remember(memory: collections.OrderedDict, peer: Address, value) -> None:
        memory[peer] = value
        memory.move_to_end(peer)
        if len(memory) > REMEMBERED:
            memory.popitem(last=False)
