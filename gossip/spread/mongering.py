"""Rumor mongering: tells rumors to neighbours, and waits for their answers.

This file sends the lines and keeps the time; rumors.py decides whom to tell what. A duty, `turn`,
tells again what was not answered.
"""

import math

from gossip import wire
from gossip.spread.rumors import QUEUE_BYTES, Rumors, Telling

CROWDED = QUEUE_BYTES // 2  # bytes of rumors being told; beyond, whoever makes messages waits


class Mongering:
    """Tells rumors to the links that `links()` names."""

    duty_name = "rumors"  # of the duty that takes `turn`

    def __init__(self, links, telling: Telling, now, rng, condition, longest: float):
        """`longest`: seconds for which whoever makes messages waits for each portion at most."""
        self.rumors = Rumors(telling, rng)
        self._now = now  # the clock
        self.duty = None  # takes `turn`, once it is kept
        self._links = links
        self._idle = False  # the turn waits for the first rumor
        self._calmer = condition  # notified when fewer rumors are told, or stopped
        self._changes = 0  # how often _calmer was notified; guarded by _calmer
        self._longest = longest
        self._stopped = False

    def forward(self, lines: list[bytes], source, covers: list[bytes] = ()) -> None:
        """Tell new gossip lines to others than their source."""
        self.rumors.add([(wire.gossip_key(line), line) for line in lines], source, covers)
        self.tell()

    def tell(self) -> None:
        """Tell whatever may be told now."""
        tellings = self.rumors.turn(self._links(), self._now())
        for link, lines in tellings:
            link.send(wire.rumors(lines))
        if self._idle and tellings:
            self.duty.hurry()
        with self._calmer:
            self._changes += 1
            self._calmer.notify_all()

    def flush(self, last: list[bytes]) -> None:
        """Send what has not been sent even once, also beyond the windows; `last` are the lines
        that were forwarded last."""
        for link, lines in self.rumors.flush(self._links(), last):
            link.send(wire.rumors(lines))

    def note_known(self, link, keys) -> None:
        """A neighbour has told these messages (run and number each), so it has them."""
        self.rumors.note_known(link, keys)

    def answered(self, link, message: wire.Status) -> None:
        """A neighbour has answered what it was told."""
        self.rumors.heard(link, self._now())
        self.rumors.answered(link, message.entries, message.verb == "knew")
        self.tell()

    def on_end(self, link) -> None:
        """A link has ended."""
        self.rumors.on_end(link)
        self.tell()

    def dropped(self) -> dict[str, int]:
        """Return the counts of everything dropped since the start."""
        return self.rumors.dropped()

    def turn(self, now: float) -> float | None:
        """Tell; answer when an unanswered rumor is to be told again, None when there is none."""
        self._idle = False
        self.tell()
        due = self.rumors.next_at()
        self._idle = due is None
        return due

    def say_behind(self, link, data: bytes, urgent: bool = True) -> None:
        """Say something to a neighbour, at once: nobody is owed a rumor."""
        link.send(data, urgent=urgent)

    def hurry(self) -> None:
        """This peer leaves: rumors are told at once anyway."""

    def all_sent(self) -> bool:
        """Whether no rumor is being told any more."""
        return self.rumors.count() == 0

    def has_room(self) -> bool:
        """Whether new messages may be made: not too many rumors are being told."""
        return self.rumors.size() < CROWDED

    def wait_for_room(self, turn) -> None:
        """Leave the present turn while many rumors are being told and their number shrinks. So no
        neighbour is passed over, however many messages were made at once."""
        waits = True
        while waits and not self.has_room():
            with turn.left():
                waits = self._wait_for_less(CROWDED, 1.0, shrinking=True)

    def wait_until_sent(self, seconds: float) -> None:
        """Wait, for `seconds` at most, until no rumor is being told any more."""
        self._wait_for_less(1, seconds)

    def _wait_for_less(self, limit: int, seconds: float, shrinking: bool = False) -> bool:
        """Wait, for `seconds` at most, until fewer than `limit` bytes of rumors are being told, and
        answer whether it came to that. If `shrinking`, the seconds begin anew whenever the number
        is smaller than before, up to the longest wait."""
        begun, least = self._now(), math.inf
        end = begun + seconds
        while not self._stopped:
            with self._calmer:
                before = self._changes
            size = self.rumors.size()
            if size < limit:
                return True
            if shrinking and size < least:
                end, least = min(self._now() + seconds, begun + self._longest), size
            with self._calmer:
                if not self._calmer.wait_for(lambda: self._changes != before,
                                             end - self._now()):
                    return False
        return False

    def stop(self) -> None:
        """End all waiting, for good."""
        self._stopped = True
        with self._calmer:
            self._changes += 1
            self._calmer.notify_all()
