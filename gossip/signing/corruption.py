"""Corruption: how often a neighbour has sent what no key has signed, and when that is too often.

Rules only. Link readers call it; what follows is in peer.py.
"""

import collections
import threading

from gossip.addresses import Address

NEIGHBOURS_KEPT = 1_000  # addresses whose corrupt lines are remembered


class Corruption:
    """The corrupt lines of neighbours, by their times."""

    def __init__(self, limit: int, seconds: float):
        self._limit = limit  # corrupt lines within `seconds` that are too many; 0: never
        self._seconds = seconds
        self._lock = threading.Lock()  # guards _times
        self._times: collections.OrderedDict[Address, collections.deque[float]] = (
            collections.OrderedDict())

    def note(self, peer: Address, count: int, now: float) -> bool:
        """So many corrupt lines have come from a neighbour; return whether these are too many."""
        with self._lock:
            times = self._times.setdefault(peer, collections.deque(maxlen=max(1, self._limit)))
            self._times.move_to_end(peer)
            times.extend([now] * min(count, max(1, self._limit)))
            if len(self._times) > NEIGHBOURS_KEPT:
                self._times.popitem(last=False)
            return 0 < self._limit == len(times) and now - times[0] < self._seconds
