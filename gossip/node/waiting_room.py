"""The waiting room: connections that have not introduced themselves yet, oldest first.

Rules only. When the room is full, the IP address that has most connections in it loses its oldest:
a host that opens a thousand silent connections keeps out nobody but itself. In voidphone/ a link
stays here until its proof of work is done, which may take minutes.
"""

import collections


class WaitingRoom:
    """Holds at most `limit` links."""

    def __init__(self, limit: int):
        self._limit = limit
        self._links: dict = {}  # in the order of arrival

    def enter(self, link):
        """Let a link in; return the link that has to go for it, or None."""
        self._links[link] = None
        return self.give_way() if len(self._links) > self._limit else None

    def give_way(self):
        """Take out the oldest link of the IP that has most of them; None when the room is empty."""
        if not self._links:
            return None
        crowd = collections.Counter(link.remote_ip for link in self._links).most_common(1)[0][0]
        oldest = next(link for link in self._links if link.remote_ip == crowd)
        self.leave(oldest)
        return oldest

    def leave(self, link) -> None:
        """The other end has introduced itself, or the link has ended."""
        self._links.pop(link, None)

    def count(self) -> int:
        return len(self._links)
