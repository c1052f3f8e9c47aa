"""Shut out: neighbours that committed offences too often, and until when they are refused.

Rules only.
"""

from gossip.addresses import Address
from gossip.tools import Recent

REMEMBERED = 1_000  # peers kept in each of the two memories; of more, the first goes


class ShutOut:
    """The offences of neighbours, by their times, and who is refused for which of them."""

    def __init__(self, limits: dict[str, int], seconds: float, window: float | None = None):
        self._limits = limits  # offence -> how many within `window` are too many; 0: never
        self._seconds = seconds  # for which the peer is refused then
        self._window = seconds if window is None else window
        self._times = Recent(REMEMBERED)  # (peer, offence) -> times
        self._refused = Recent(REMEMBERED)  # peer -> until when, for which offence

    def note(self, peer: Address, offence: str, count: int, now: float) -> float | None:
        """A neighbour has done this `count` times. If that is too often, refuse it from now on, and
        return until when."""
        limit, key = self._limits[offence], (peer, offence)
        times = [at for at in self._times.pop(key, default=[]) if now - at < self._window]
        times += [now] * min(count, limit - len(times))
        if not limit or len(times) < limit:
            self._times.put(key, times)
            return None
        self.refuse(peer, offence, now + self._seconds, now)
        return now + self._seconds

    def refuse(self, peer: Address, reason: str, until: float, now: float) -> bool:
        """Refuse a peer until then, or longer if it is refused for longer already; return whether
        it was not refused for this reason before."""
        before = self._refused.get(peer, now)
        longest = max(self._refused.get(peer, default=(until, reason)), (until, reason))
        self._refused.put(peer, longest, longest[0])
        return before is None or before[1] != reason

    def reason(self, peer: Address, now: float) -> str | None:
        """The offence, or other reason, for which the peer is refused now; None when it is not."""
        _, offence = self._refused.get(peer, now, (now, None))
        return offence
