"""The waiting room: connections that have not introduced themselves yet, oldest first.

Rules only. When the room is full, the IP with most connections in it loses its oldest, so that a
host that opens a thousand silent connections keeps out only itself. In voidphone/ a link stays here
until its proof of work is done, which may take minutes.
"""

import collections


class WaitingRoom:
    """Holds at most `limit` links."""

    def __init__(self, limit: int):
        self._limit = limit
        self._links: dict = {}  # in the order of arrival

    def enter(self, link):
        """Let a link in. Return the link that has to go instead, or None."""
        self._links[link] = None
        return self.give_way() if len(self._links) > self._limit else None

    def give_way(self):
        """Remove the oldest link of the IP with most links. None if the room is empty."""
        if not self._links:
            return None
        crowd = collections.Counter(link.remote_ip for link in self._links).most_common(1)[0][0]
        oldest = next(link for link in self._links if link.remote_ip == crowd)
        self.leave(oldest)
        return oldest

    def leave(self, link) -> None:
        """Remove a link that has introduced itself, or has ended."""
        self._links.pop(link, None)

    def count(self) -> int:
        return len(self._links)
