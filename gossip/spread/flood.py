"""Flooding: hands new lines to every neighbour but the one that they came from.

New lines are sent at once, unless there are many links: then the flusher sends them soon, together
with what has come by then, so that a reader goes on reading.

A peer that is late gathers: it sends once in some seconds, to each neighbour all that has come
since. That is less work, and a late peer has too much of it. Up to 1 MiB is gathered.
"""

import math

from gossip import wire

CROWDED = 1 << 20  # bytes: when more than these wait, they are sent at once
MANY = 16  # links from which on the flusher does the sending: it would keep a reader too long


class Flood:
    """Forwards to the links that `links()` names; `flusher` sends what has to wait.
    `gathering()` answers how many seconds lie between two sendings at least: 0 unless late."""

    duty_name = None  # it needs none

    def __init__(self, links, flusher, now, gathering):
        self._links = links
        self._flusher = flusher
        self._now = now
        self._gathering = gathering
        self._waiting: list[tuple[bytes, object]] = []  # lines with `\n`, their source
        # links, and what is said to them after that, and whether it is urgent
        self._behind: list[tuple[object, bytes, bool]] = []
        self._size = 0  # bytes waiting
        self._sent = -math.inf  # when lines were sent last
        self._due = math.inf  # when the flusher will send what waits
        self._hurried = False  # nothing is gathered any more

    def forward(self, lines: list[bytes], source, covers: list[bytes] = ()) -> None:
        """Have lines, which have no line ends, sent to all but their source, behind the signed
        lines that cover each of them."""
        data = b"\n".join(wire.covered(lines, covers) if covers else lines) + b"\n"
        self._waiting.append((data, source))
        self._size += len(data)
        now, links = self._now(), self._links()
        pause = 0.0 if self._hurried else self._gathering()
        wait = max(0.0, self._sent + pause - now) if pause else 0.0
        if self._size > CROWDED or not wait and len(links) < MANY:
            self._send(now, links)
        elif now + wait < self._due:
            self._due = now + wait
            self._flusher.take_over(self._send_due, wait)

    def say_behind(self, link, data: bytes, urgent: bool = True) -> None:
        """Say something to a neighbour when all that waits now has been sent."""
        if self._waiting:
            self._behind.append((link, data, urgent))
        else:
            link.send(data, urgent=urgent)

    def hurry(self) -> None:
        """Send what is gathered, and gather nothing any more: this peer leaves."""
        self._hurried = True
        self._flusher.take_over(self._send_due)

    def _send_due(self) -> None:
        """Send what was left to the flusher, which calls this."""
        self._due = math.inf
        if self._waiting:
            self._send(self._now(), self._links())

    def _send(self, now: float, links: tuple) -> None:
        """Send everything that waits to these links."""
        batch, self._waiting, self._size = self._waiting, [], 0
        behind, self._behind = self._behind, []
        self._sent = now
        if len(batch) == 1:  # nearly always
            [(data, source)] = batch
            for link in links:
                if link is not source:
                    link.send(data)
        else:
            for link in links:
                data = b"".join([data for data, source in batch if source is not link])
                if data:
                    link.send(data)
        for link, data, urgent in behind:
            link.send(data, urgent=urgent)

    def has_room(self) -> bool:
        """Whether new messages may be made: only the backlogs of neighbours count here."""
        return True

    def wait_for_room(self, turn) -> None:
        """Nobody has to wait: there is always room."""

    def all_sent(self) -> bool:
        """Whether nothing waits here any more."""
        return not self._waiting

    def answered(self, link, message) -> None:
        """Answers to rumors: none were told here."""

    def note_known(self, link, keys) -> None:
        """Flooding does not need to know: everything goes to everyone."""

    def on_end(self, link) -> None:
        """A link has ended: it is no longer among those to send to."""

    def dropped(self) -> dict[str, int]:
        """Flooding drops nothing."""
        return {}

    def stop(self) -> None:
        """Nobody waits here."""
