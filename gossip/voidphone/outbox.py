"""The outbox: the effects of messages that arrived together, sent together.

What one module is told goes out in pieces of one message each, as long as that is little: several
clients take what one `recv` brings for one message.
"""

import collections
import time

from gossip.node.link import Link
from gossip.node.output_file import OutputFile

ALONE = 100  # messages a second to one module that go out in a `send` each


class Outbox:
    """Events for the output file and bytes for links, kept until `send`; for one thread."""

    def __init__(self, output: OutputFile):
        self._output = output
        self.events: list[str] = []  # for the output file
        self.size = 0  # bytes to be sent
        self.validated = False  # a module has validated a message
        self.announced = collections.Counter()  # data type -> announces in this batch
        self.free = 0  # bytes of news that need not wait for modules that read slowly
        self._links: dict[Link, list[bytes]] = {}

    def add(self, links, data: bytes) -> None:
        for link in links:
            self._links.setdefault(link, []).append(data)
            self.size += len(data)

    def send(self) -> None:
        """Write the events down, then send the bytes."""
        if self.events:
            self._output.write(*self.events)
            self.events = []
        for link, chunks in self._links.items():
            alone = self._send_alone(link, chunks)
            if alone < len(chunks):
                link.send(b"".join(chunks[alone:]))
        self._links.clear()
        self.size = 0

    def _send_alone(self, link: Link, chunks: list[bytes]) -> int:
        """Send the first messages to a module one by one, as far as its budget goes; return how
        many."""
        if link.alone is None:
            return 0
        now = time.monotonic()
        for number, chunk in enumerate(chunks):
            if not link.alone.spend(now):
                return number
            link.send(chunk)
        return len(chunks)
