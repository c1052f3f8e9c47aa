"""The outbox: the effects of messages that arrived together, sent together."""

import collections

from gossip.node.link import Link
from gossip.node.output_file import OutputFile


class Outbox:
    """Events for the output file and bytes for links, kept until `send`; for one thread."""

    def __init__(self, output: OutputFile):
        self._output = output
        self.events: list[str] = []  # for the output file
        self.size = 0  # bytes to be sent
        self.validated = False  # a module has validated a message
        self.announced = collections.Counter()  # data type -> announces in this batch
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
            link.send(b"".join(chunks))
        self._links.clear()
        self.size = 0
