"""Rumor mongering: lines and timeouts. Which neighbour is told what is decided in rumors.py."""

from gossip import wire
from gossip.spread.rumors import QUEUE_BYTES, Rumors, Telling

CROWDED = QUEUE_BYTES // 2  # bytes of rumors being told above which new messages wait


class Mongering:
    """The way of spreading that tells one neighbour after the other."""

    duty_name = "rumors"  # of the duty that calls `turn`
    ANSWERED = {"took", "knew"}  # verbs of status lines for `answered`
    FETCHES = HEARS_REPETITIONS = False

    def __init__(self, links, telling: Telling, node):
        self.rumors = Rumors(telling, node.rng)
        self.note_known, self.dropped = self.rumors.note_known, self.rumors.dropped
        self.duty = None  # calls `turn`, once it is kept
        self._links, self._now = links, node.now
        self._notify = node.flusher.notify  # has all who wait for room look again
        self._idle = False  # nothing is due, so `turn` waits until it is hurried

    def forward(self, lines: list[bytes], source, covers: list[bytes] = ()) -> None:
        self.rumors.add([(wire.gossip_key(line), line) for line in lines], source, covers)
        self.tell()

    def tell(self) -> None:
        tellings = self.rumors.turn(self._links(), self._now())
        for link, lines in tellings:
            link.send(wire.rumors(lines))
        if self._idle and tellings:
            self.duty.hurry()
        self._notify()

    def flush(self, last: list[bytes]) -> None:
        """Send all queued rumors, beyond the windows, and the lines forwarded last."""
        for link, lines in self.rumors.flush(self._links(), last):
            link.send(wire.rumors(lines))

    def answered(self, link, message: wire.Status) -> None:
        self.rumors.heard(link, self._now())
        self.rumors.answered(link, message.entries, message.verb == "knew")
        self.tell()

    def on_end(self, link) -> None:
        self.tell()  # to others what was told to a link that stands no more

    def turn(self, now: float) -> float | None:
        """Send rumors. Return when the next retry is due, None if nothing is unanswered."""
        self._idle = False
        self.tell()
        due = self.rumors.next_at()
        self._idle = due is None
        return due

    def say_behind(self, link, data: bytes, urgent: bool = True) -> None:
        """Send a neighbour data at once, because rumors need not come first."""
        link.send(data, urgent=urgent)

    def hurry(self) -> None:
        """Do nothing, because a peer that leaves has gathered no rumors."""

    def all_sent(self) -> bool:
        return not self.rumors.hot

    def has_room(self) -> bool:
        """Return whether few enough rumors are told to make new messages. Above that neighbours
        would be passed over, because their queues are full."""
        return self.rumors.bytes < CROWDED
