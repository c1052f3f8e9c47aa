"""Flooding: new lines go to every neighbour except their source.

New lines are sent at once to fewer than 16 links. To more, the flusher sends them a little later,
together with what has come meanwhile, so that the reader's thread goes on reading. A late peer
gathers lines for four seconds at most, or up to 1 MiB, because that is less work.
"""

import math

from gossip import wire

CROWDED = 1 << 20  # bytes of waiting lines above which they are sent at once
MANY_LINKS = 16  # from which on the flusher sends, because sending would block a reader too long


class Flood:
    """The way of spreading that forwards everything to all that `links()` returns. `gathering()`
    returns the least seconds between two sendings; 0 unless late."""

    duty_name = None  # it needs no duty
    ANSWERED = frozenset()  # verbs of status lines for `answered`; it needs none
    FETCHES = False  # whether it needs anti-entropy to fetch, even if nothing is ever compared
    HEARS_REPETITIONS = False  # if so, `repeated(link, lines)` gets lines of which some are known

    def __init__(self, links, flusher, now, gathering):
        self._links, self._flusher = links, flusher
        self._now, self._gathering = now, gathering
        self._waiting: list[tuple[bytes, object]] = []  # lines with `\n`, links to skip
        # (link, data sent to it after the waiting lines, whether it is urgent)
        self._behind: list[tuple[object, bytes, bool]] = []
        self._size = 0  # bytes waiting
        self._sent = -math.inf  # when lines were sent last
        self._due = math.inf  # when the flusher will send what waits
        self._hurried = False  # gather nothing any more

    def forward(self, lines: list[bytes], source, covers: list[bytes] = (), quiet=(),
                more: bool = False) -> None:
        """Forward lines to all but their source and the links in `quiet`. Lines have no `\\n`, and
        go behind their covers, if any. If `more` follow at once, all go with the last."""
        data = b"\n".join(wire.covered(lines, covers) if covers else lines) + b"\n"
        self._waiting.append((data, {source, *quiet} if quiet else (source,)))
        self._size += len(data)
        if more:
            return
        now, links = self._now(), self._links()
        pause = 0.0 if self._hurried else self._gathering()
        wait = max(0.0, self._sent + pause - now) if pause else 0.0
        if self._size > CROWDED or not wait and len(links) < MANY_LINKS:
            self._send(now, links)
        elif now + wait < self._due:
            self._due = now + wait
            self._flusher.take_over(self._send_due, wait)

    def say_behind(self, link, data: bytes, urgent: bool = True) -> None:
        """Send a neighbour data after everything that waits now."""
        if self._waiting:
            self._behind.append((link, data, urgent))
        else:
            link.send(data, urgent=urgent)

    def hurry(self) -> None:
        """Send what is gathered, and gather no more, because this peer leaves."""
        self._hurried = True
        self._send_due()

    def _send_due(self) -> None:
        """Send what was left to the flusher, which calls this."""
        self._due = math.inf
        if self._waiting:
            self._send(self._now(), self._links())

    def _send(self, now: float, links: tuple) -> None:
        """Send the links everything that waits."""
        batch, self._waiting, self._size = self._waiting, [], 0
        behind, self._behind = self._behind, []
        self._sent = now
        if len(batch) == 1:  # nearly always
            [(data, skip)] = batch
            for link in links:
                if link not in skip:
                    link.send(data)
        else:
            for link in links:
                data = b"".join([data for data, skip in batch if link not in skip])
                if data:
                    link.send(data)
        for link, data, urgent in behind:
            link.send(data, urgent=urgent)

    def has_room(self) -> bool:
        """Return True, because only the backlogs of neighbours limit new messages."""
        return True

    def all_sent(self) -> bool:
        return not self._waiting

    def note_known(self, link, keys) -> None:
        """Ignore what a neighbour knows, because everything goes to everyone."""

    def on_end(self, link) -> None:
        """Do nothing, because `links()` does not return a link that has ended."""

    def dropped(self) -> dict[str, int]:
        return {}
