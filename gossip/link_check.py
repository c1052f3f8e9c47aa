"""Link checks: whether a standing link still answers, asked for by the reader of a newcomer.

Only the newcomer's own thread waits here; the standing link's reader tells of replies and of
the end of the link.
"""

import threading


class LinkCheck:
    """Waits for a sign of life on a link."""

    def __init__(self, stopping: threading.Event):
        self._stopping = stopping
        self._signs = threading.Condition()  # guards _awaited; notified when it shrinks
        self._awaited: set[object] = set()  # links whose reply is waited for

    def answers(self, link, ask, seconds: float) -> bool:
        """Call `ask()`, which sends a request on the link; True when a reply comes in time."""
        with self._signs:
            self._awaited.add(link)
        ask()
        with self._signs:
            self._signs.wait_for(
                lambda: link not in self._awaited or link.ended or self._stopping.is_set(),
                seconds)
            answered = link not in self._awaited
            self._awaited.discard(link)
        return answered and not link.ended

    def replied(self, link) -> None:
        """A Liveness Reply has come on this link."""
        with self._signs:
            if link in self._awaited:
                self._awaited.discard(link)
                self._signs.notify_all()

    def wake(self) -> None:
        """A link has ended, or the node stops."""
        with self._signs:
            self._signs.notify_all()
