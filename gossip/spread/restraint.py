"""Restraint: the gossip generator makes no message while its peer is late, for some time at most.

Rules only; the generator calls it. A network that forms has enough to do, and gossip that begins
too early keeps it from becoming whole: so the first message waits longest, and for less lateness.
"""

FIRST = 0.05, 45.0  # seconds of lateness from which on the first message waits, and for how long
LATER = 0.25, 20.0  # the same for every other message


class Restraint:
    """Whether the next message of a peer has to wait. Only the generator's thread uses it."""

    def __init__(self):
        self._limit, self._longest = FIRST
        self._since: float | None = None  # when the next message was due

    def holds_back(self, now: float, lateness: float) -> bool:
        """Whether the message that is due has to wait. If not, it is made now."""
        if self._since is None:
            self._since = now
        if lateness >= self._limit and now < self._since + self._longest:
            return True
        self._limit, self._longest = LATER
        self._since = None
        return False
