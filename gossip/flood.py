"""Flooding: hands new lines to every neighbour but the one that they came from.

Called by link readers, generator and console. One of them forwards at a time; the lines of
those that come meanwhile wait together and are sent together by the next. So a busy peer makes
few large writes instead of many small ones, and the busier it is the fewer; alone, a line is
sent at once. Sending never blocks, so nobody's turn lasts long.
"""

import threading


class Flood:
    """Forwards to the links that `links()` names."""

    def __init__(self, links):
        self._links = links
        self._turn = threading.Lock()  # held by the one who forwards
        self._lock = threading.Lock()  # guards _waiting
        self._waiting: list[tuple[bytes, object]] = []  # lines with their ends, their source

    def forward(self, lines: list[bytes], source) -> None:
        """Send lines, without their `\\n`, to all but their source; return when that is done
        (perhaps by another thread)."""
        with self._lock:
            self._waiting.append((b"\n".join(lines) + b"\n", source))
        with self._turn:
            with self._lock:
                batch, self._waiting = self._waiting, []
            if batch:
                self._send(batch)

    def _send(self, batch) -> None:
        """Expects the turn."""
        if len(batch) == 1:
            data, source = batch[0]
            for link in self._links():
                if link is not source:
                    link.send(data)
            return
        for link in self._links():
            data = b"".join([data for data, source in batch if source is not link])
            if data:
                link.send(data)
