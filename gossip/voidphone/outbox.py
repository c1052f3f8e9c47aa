"""The outbox: what messages that arrived together cause, sent together."""

import collections

from gossip.net.link import Link
from gossip.node.output_file import OutputFile


class Outbox:
    """Lines for the output file and bytes for links, until they are sent; for one thread."""

    def __init__(self, output: OutputFile):
        self._output = output
        self.events: list[str] = []  # for the output file
        self.size = 0  # bytes to be sent
        self.validated = False  # a module has said a word
        self.announced = collections.Counter()  # data type -> announces that arrived together
        self._links: dict[Link, list[bytes]] = {}

    def add(self, links, data: bytes) -> None:
        for link in links:
            self._links.setdefault(link, []).append(data)
            self.size += len(data)

    def send(self) -> None:
        """Write down what happened, and send what it causes."""
        if self.events:
            self._output.write_escaped(self.events)
            self.events = []
        for link, chunks in self._links.items():
            link.send(b"".join(chunks))
        self._links.clear()
        self.size = 0
