"""Flooding: hands new lines to every neighbour but the one that they came from.

Called by link readers, generator and console. The first thread to come sends at once, unless
there are many links. Lines that other threads bring meanwhile wait, and the flusher sends them
together: a busy peer makes few large writes instead of many small ones, and its readers go on
reading until 1 MiB waits.
"""

from gossip.spread.covers import covered

CROWDED = 1 << 20  # bytes: while more than these wait, threads that bring more wait, too
MANY = 16  # links from which on the flusher does all the sending: it would keep a reader too long


class Flood:
    """Forwards to the links that `links()` names; `flusher` takes over what comes meanwhile."""

    duty_name = None  # it needs none

    def __init__(self, links, flusher):
        self._links = links
        self._flusher = flusher
        self._changed = flusher.condition()  # guards all below; notified when less waits
        self._waiting: list[tuple[bytes, object]] = []  # lines with `\n`, their source
        self._behind: list[tuple[object, bytes]] = []  # links, and what is said to them after that
        self._size = 0  # bytes waiting
        self._busy = False  # a thread sends, and will look for more
        self._stopped = False

    def forward(self, lines: list[bytes], source, covers: list[bytes] = ()) -> None:
        """Have lines, without their `\\n`, sent to all but their source, behind the signed lines
        that cover each of them; waits while CROWDED bytes wait."""
        data = b"\n".join(covered(lines, covers)) + b"\n"
        with self._changed:
            self._waiting.append((data, source))
            self._size += len(data)
            while self._busy and self._size > CROWDED and not self._stopped:
                self._changed.wait()
            if self._busy or not self._waiting:  # another thread sends it, or has sent it
                return
            self._busy = True
        if len(self._links()) >= MANY or self._send_waiting():
            self._flusher.take_over(self._send_rest)

    def say_behind(self, link, data: bytes) -> None:
        """Say something to a neighbour when all that waits now has been sent."""
        with self._changed:
            if self._busy:
                self._behind.append((link, data))
                return
        link.send(data, urgent=True)

    def _send_rest(self) -> None:
        """Send what waits. The flusher calls this, again and again while more has come."""
        if self._send_waiting():
            self._flusher.take_over(self._send_rest)

    def _send_waiting(self) -> bool:
        """Send what waits; answer whether more has come meanwhile."""
        with self._changed:
            batch, self._waiting, self._size = self._waiting, [], 0
            behind, self._behind = self._behind, []
            self._changed.notify_all()
        for link in self._links():
            data = b"".join([data for data, source in batch if source is not link])
            if data:
                link.send(data)
        for link, data in behind:
            link.send(data, urgent=True)
        with self._changed:
            self._busy = bool(self._waiting or self._behind) and not self._stopped
            if not self._busy:
                self._changed.notify_all()
            return self._busy

    def all_sent(self) -> bool:
        """Whether nothing waits here any more."""
        return not self._busy

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
        """End all waiting, for good."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
