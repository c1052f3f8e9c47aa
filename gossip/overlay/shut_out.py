"""Shut out: neighbours that did too often what nobody may do, and until when they are refused.

Rules only. Called by the readers of links, and by whoever dials.
"""

import collections
import threading

from gossip.addresses import Address

REMEMBERED = 1_000  # peers kept in each of the two memories; of more, the first goes


class ShutOut:
    """The offences of neighbours, by their times, and who is refused for which of them."""

    def __init__(self, limits: dict[str, int], seconds: float, window: float | None = None):
        self._limits = limits  # offence -> how many within `window` are too many; 0: never
        self._seconds = seconds  # for which the peer is refused then
        self._window = seconds if window is None else window
        self._lock = threading.Lock()  # guards everything below
        self._times: collections.OrderedDict[tuple[Address, str], list[float]] = (
            collections.OrderedDict())
        self._refused: collections.OrderedDict[Address, tuple[float, str]] = (
            collections.OrderedDict())  # until when, for which offence

    def note(self, peer: Address, offence: str, count: int, now: float) -> float | None:
        """A neighbour has done this so many times. When it is too often, it is refused from now on;
        return until when, else None."""
        limit, key = self._limits[offence], (peer, offence)
        with self._lock:
            times = [at for at in self._times.pop(key, []) if now - at < self._window]
            times += [now] * min(count, limit - len(times))
            if not limit or len(times) < limit:
                self._remember(self._times, key, times)
                return None
            self._refuse(peer, offence, now + self._seconds)
            return now + self._seconds

    def refuse(self, peer: Address, reason: str, until: float, now: float) -> bool:
        """A peer is refused until then, whatever it did; return whether that is news: it was not
        refused for this reason already."""
        with self._lock:
            before, offence = self._refused.get(peer, (now, ""))
            self._refuse(peer, reason, until)
            return before <= now or offence != reason

    def _refuse(self, peer: Address, reason: str, until: float) -> None:
        """Who is refused for longer already stays so. Expects the lock."""
        self._remember(self._refused, peer,
                       max(self._refused.get(peer, (until, reason)), (until, reason)))

    def reason(self, peer: Address, now: float) -> str | None:
        """The offence, or other reason, for which the peer is refused now; None when it is not."""
        with self._lock:
            until, offence = self._refused.get(peer, (now, ""))
            return offence if until > now else None

    @staticmethod
    def _remember(memory: collections.OrderedDict, key, value) -> None:
        memory[key] = value
        memory.move_to_end(key)
        if len(memory) > REMEMBERED:
            memory.popitem(last=False)
