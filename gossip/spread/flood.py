"""Flooding: hands new lines to every neighbour but the one that they came from.

Called by link readers, generator and console. The first thread to come sends at once, unless
there are many links. Lines that other threads bring meanwhile wait, and the flusher sends them
together: a busy peer makes few large writes instead of many small ones, and its readers go on
reading until 1 MiB waits.

A peer that is late gathers: it sends once in some seconds, to each neighbour all that has come
since. That is less work, and a late peer has too much of it. Up to 1 MiB is gathered.
"""

from gossip.spread.covers import covered

CROWDED = 1 << 20  # bytes: while more than these wait, threads that bring more wait, too
MANY = 16  # links from which on the flusher does all the sending: it would keep a reader too long


class Flood:
    """Forwards to the links that `links()` names; `flusher` takes over what comes meanwhile.
    `gathering()` answers how many seconds lie between two sendings at least: 0 unless late."""

    duty_name = None  # it needs none

    def __init__(self, links, flusher, now, gathering):
        self._links = links
        self._flusher = flusher
        self._now = now
        self._gathering = gathering
        self._changed = flusher.condition()  # guards all below; notified when less waits
        self._waiting: list[tuple[bytes, object]] = []  # lines with `\n`, their source
        # links, and what is said to them after that, and whether it is urgent
        self._behind: list[tuple[object, bytes, bool]] = []
        self._size = 0  # bytes waiting
        self._pause = 0.0  # seconds between two sendings at least, when a line came last
        self._sent = float("-inf")  # when the last sending began
        self._busy = False  # a thread sends, and will look for more
        self._timed = False  # the flusher will send what is gathered
        self._hurried = False  # nothing is gathered any more
        self._stopped = False

    def forward(self, lines: list[bytes], source, covers: list[bytes] = ()) -> None:
        """Have lines, which have no line ends, sent to all but their source, behind the signed
        lines that cover each of them; waits while CROWDED bytes wait for a thread that sends."""
        data = b"\n".join(covered(lines, covers)) + b"\n"
        pause = self._gathering()
        with self._changed:
            self._pause = pause
            self._waiting.append((data, source))
            self._size += len(data)
            while self._busy and self._size > CROWDED and not self._stopped:
                self._changed.wait()
            wait = self._claim()
        if wait == 0.0 and len(self._links()) < MANY:
            wait = self._send_waiting()
        self._leave(wait)

    def say_behind(self, link, data: bytes, urgent: bool = True) -> None:
        """Say something to a neighbour when all that waits now has been sent."""
        with self._changed:
            if self._busy or self._waiting:
                self._behind.append((link, data, urgent))
                return
        link.send(data, urgent=urgent)

    def hurry(self) -> None:
        """Send what is gathered, and gather nothing any more: this peer leaves."""
        with self._changed:
            self._hurried = True
        self._flusher.take_over(self._send_gathered, 0.0)

    def _claim(self) -> float | None:
        """Who is to send what waits. 0: the caller, at once; no other thread sends until it has
        done so. More: the flusher, in so many seconds. None: nothing waits, or another thread
        sends it already. Expects the lock."""
        if self._busy or self._stopped or not (self._waiting or self._behind):
            return None
        gathers = self._pause and self._waiting and not self._hurried and self._size <= CROWDED
        wait = self._sent + self._pause - self._now() if gathers else 0.0
        if wait <= 0.0:
            self._busy = True
            return 0.0
        if self._timed:
            return None
        self._timed = True
        return wait

    def _leave(self, wait: float | None) -> None:
        """Leave to the flusher what was claimed."""
        if wait is not None:
            self._flusher.take_over(self._send_gathered if wait else self._send_rest, wait)

    def _send_gathered(self) -> None:
        """Send what was gathered, unless another thread does. The flusher calls this."""
        with self._changed:
            self._timed, self._pause = False, 0.0
            wait = self._claim()
        if wait is not None:
            self._send_rest()

    def _send_rest(self) -> None:
        """Send what was claimed. The flusher calls this, again and again while more has come."""
        self._leave(self._send_waiting())

    def _send_waiting(self) -> float | None:
        """Send what was claimed, and claim what has come meanwhile."""
        with self._changed:
            batch, self._waiting, self._size = self._waiting, [], 0
            behind, self._behind = self._behind, []
            self._sent = self._now()
            self._changed.notify_all()
        for link in self._links():
            data = b"".join([data for data, source in batch if source is not link])
            if data:
                link.send(data)
        for link, data, urgent in behind:
            link.send(data, urgent=urgent)
        with self._changed:
            self._busy = False
            wait = self._claim()
            if not self._busy:
                self._changed.notify_all()
            return wait

    def all_sent(self) -> bool:
        """Whether nothing waits here any more."""
        with self._changed:
            return not (self._busy or self._waiting)

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
