"""Restraint: the gossip generator makes no message while its peer is late, or while a neighbour has
too much to read; for some time at most.

Rules only; the generator calls it. A network that forms has enough to do, and gossip that begins
too early keeps it from becoming whole: so the first message waits longest, and for less lateness.
"""

FIRST = 0.05, 45.0  # seconds of lateness from which on the first message waits, and for how long
LATER = 0.25, 20.0  # the same for every other message
LOOK = 1.0  # seconds between two looks: to look often is work, too
ROOM_LOOK = 0.25  # the same while a neighbour has too much to read


class Restraint:
    """How long the next message of a peer has to wait."""

    def __init__(self, room_wait: float):
        """`room_wait`: seconds for which a message waits for neighbours at most."""
        self._room_wait = room_wait
        self._limit, self._longest = FIRST
        self._since: float | None = None  # when the next message was due

    def wait(self, now: float, lateness: float, has_room: bool) -> float:
        """In how many seconds to ask again whether the message that is due may be made; 0: it is
        made now. `has_room`: no neighbour has too much to read."""
        if self._since is None:
            self._since = now
        if not has_room and now < self._since + self._room_wait:
            return ROOM_LOOK
        left = self._since + self._longest - now
        if lateness >= self._limit and left > 0.0:
            return min(LOOK, left)
        self._limit, self._longest = LATER
        self._since = None
        return 0.0
