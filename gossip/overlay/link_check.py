"""Link checks: whether a standing link still answers, asked for by the reader of a newcomer.

Only the newcomer's own thread waits here; the standing link's reader tells of replies and of
the end of the link.
"""

import threading


class LinkCheck:
    """Waits for a sign of life on a link."""

    def __init__(self, stopping: threading.Event):
        self._stopping = stopping
        self._signs = threading.Condition()  # guards _askers; notified when it shrinks
        self._askers: dict[object, set] = {}  # link -> those who wait for a reply on it

    def answers(self, link, ask, seconds: float) -> bool:
        """Call `ask()`, which sends a request on the link; True when a reply comes in time."""
        asker = object()
        with self._signs:
            self._askers.setdefault(link, set()).add(asker)
        ask()
        with self._signs:
            self._signs.wait_for(
                lambda: not self._waits(link, asker) or link.ended or self._stopping.is_set(),
                seconds)
            if not self._waits(link, asker):
                return not link.ended
            self._askers[link].discard(asker)
            if not self._askers[link]:
                del self._askers[link]
            return False

    def _waits(self, link, asker) -> bool:
        """Expects the lock."""
        return asker in self._askers.get(link, ())

    def replied(self, link) -> None:
        """A Liveness Reply has come on this link."""
        with self._signs:
            if self._askers.pop(link, None):
                self._signs.notify_all()

    def wake(self) -> None:
        """A link has ended, or the node stops."""
        with self._signs:
            self._signs.notify_all()
