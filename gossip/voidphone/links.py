"""Links of the module: their roles, and what is to be sent over them."""

import collections
import itertools

from gossip.addresses import Address
from gossip.node.link import Link
from gossip.node.output_file import OutputFile
from gossip.settings import Settings
from gossip.tools import Budget
from gossip.voidphone import messages

# Roles of a link: what the other end is to us. They appear in `refused:` lines.
MODULE = "a module"
STRANGER = "one who has not said HELLO"
CHALLENGED = "one who has not done the work"
DIALLED = "one who has not answered HELLO"
WORKED_FOR = "one whose work we do"
ANSWERED = "one who has not answered our work"
NEIGHBOUR = "a neighbour"
DIALLED_BACK = "one that we dial back"

MESSAGE_LIMIT = 20.0  # seconds from the first byte of a message to its last
ALONE = 100  # messages a second to one module that go out in a `send` each


class PeerLink(Link):
    """A connection that carries binary messages, and the state of its handshake."""

    _serials = itertools.count(1)

    def __init__(self, role: str, settings: Settings, flusher, now, connection=None):
        super().__init__(role, settings, flusher, now, connection, messages.Frames)
        self.serial = next(PeerLink._serials)
        self.hello: Address | None = None  # the address that the other end's HELLO named
        self.slot: int | None = None  # time slot in which it was last given work
        self.nonce = 0  # of the work that the other end gave us
        self.asked = False  # we sent a 504 (peer request); the 505 has not come yet
        # Of a neighbour:
        self.dialled = False  # by us
        self.proven = False  # it was found at its address
        self.teller: Address | None = None  # the neighbour that named it, if we dialled it for that
        self._alone = Budget(ALONE)  # of a module: messages that go out in a `send` each
        # Of the messages that arrived together:
        self.announced = collections.Counter()  # data type -> announces so far
        self.free = 0  # bytes of news that need not wait for modules that read slowly

    def trust(self) -> None:
        """Let the other end be silent, but limit the time in which it ends a message."""
        super().trust()
        self.unfinished_limit = MESSAGE_LIMIT

    def send_all(self, chunks: list[bytes]) -> None:
        """Send messages together, but a few to a module one by one. Several clients take what one
        `recv` returns for one message."""
        alone = 0
        while self.role == MODULE and alone < len(chunks) and self._alone.spend(self._now()):
            self.send(chunks[alone])
            alone += 1
        if alone < len(chunks):
            self.send(b"".join(chunks[alone:]))


class Outbox:
    """The effects of messages that arrived together, kept until `send`; empty between turns."""

    def __init__(self, output: OutputFile):
        self._output = output
        self._links: dict[PeerLink, list[bytes]] = {}
        self.events: list[str] = []  # for the output file
        self.size = 0  # bytes to be sent

    def add(self, links, data: bytes) -> None:
        """Keep bytes for each of these links."""
        for link in links:
            self._links.setdefault(link, []).append(data)
            self.size += len(data)

    def send(self) -> None:
        """Write the events down, then send the bytes."""
        if self.events:
            self._output.write(*self.events)
            self.events.clear()
        for link, chunks in self._links.items():
            link.send_all(chunks)
        self._links.clear()
        self.size = 0
