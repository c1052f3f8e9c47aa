"""The waiting room: connections that have not introduced themselves yet, oldest first.

Rules only. When the room is full, the oldest gives way to the newest: a thousand silent
connections keep nobody out. (voidphone/links.py counts by IP address as well: there a
newcomer has to do a proof of work, and one host could fill the room by working slowly.)
"""



class WaitingRoom:
    """Holds at most `limit` connections."""

    def __init__(self, limit: int):
        self._limit = limit
        self._waiting: dict[object, None] = {}  # in the order of arrival

    def enter(self, link):
        """Let a connection in; return the connection that has to go for it, or None."""
        self._waiting[link] = None
        if len(self._waiting) <= self._limit:
            return None
        oldest = next(iter(self._waiting))
        del self._waiting[oldest]
        return oldest

    def leave(self, link) -> None:
        """The connection has introduced itself, or has ended."""
        self._waiting.pop(link, None)

    def pop_oldest(self):
        """Take the oldest out, as descriptors are short; None when the room is empty."""
        if not self._waiting:
            return None
        oldest = next(iter(self._waiting))
        del self._waiting[oldest]
        return oldest
