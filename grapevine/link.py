"""A link: a connection, the role of its other end, and what waits to be sent or handled.

The node's lock guards it, as all of a node. It knows neither sockets nor lines: its connection has
`send(data)`, which takes as many bytes as it can at once, `resume()` and `close()` (worlds/).
"""

from grapevine.addresses import Address, Target

BACKLOG = 8 << 20  # bytes that may wait for a neighbour
BACKLOG_OF_UNIDENTIFIED = BACKLOG // 32
CHUNK = 256 << 10  # bytes handed to the connection at a time
OVERFLOW = "backlog overflow"  # the reason of the end of a link with a longer backlog


class Link:
    """One connection of a node, from its dial or its acceptance to its end."""

    def __init__(self, role: str, peer: Target | None, remote: Address | None, connection=None):
        self.role = role  # what the other end is, as in ANSWERS of the node
        self.peer = peer  # who it is: what was dialled, or who it says it is
        self.remote = remote  # where it is; None until a dial is up
        self.connection = connection  # its world's; of a dial from its beginning on
        self.closed: str | None = None  # the reason of its end
        self.deadline: float | None = None  # by when the other end has to say its next line
        self.look = None  # the duty of its node to look whether it did
        self.heard_at = 0.0  # when bytes came last
        self.turn_at = 0.0  # when the handling of its messages began
        self.rest = b""  # the beginning of a line
        self.is_held = False  # nothing of it is handled or read for the time being
        self.pending: list = []  # whole messages that came meanwhile
        self.waiting = bytearray()  # what the connection did not take yet
        self.taken_at = 0.0  # when it took bytes of a backlog last
        self.limit = BACKLOG_OF_UNIDENTIFIED  # of the bytes that may wait
        self.asked: tuple[str, Address] | None = None  # TIME and ASKER of the request of a probe
        self.on_verdict = None  # is told what the probe found
        self.budget = None  # of the lines on a paced link

    def send(self, data: bytes) -> None:
        """Send, without ever waiting. A link that has too much to send ends."""
        if self.closed:
            return
        if not self.waiting:
            sent = self.connection.send(data)
            if sent == len(data):
                return
            data = data[sent:]
            self.taken_at = self.connection.world.now()
        self.waiting += data
        if len(self.waiting) > self.limit:
            self.close(OVERFLOW)

    def flush(self, now: float) -> None:
        """Hand on what waits, as much as the connection takes; the world calls this."""
        sent = self.connection.send(bytes(self.waiting[:CHUNK]))
        if sent:
            self.taken_at = now
            del self.waiting[:sent]
        if self.connection.is_broken:
            self.waiting.clear()  # nobody takes it, and who holds the link may wait for that

    def is_crowded(self, now: float, size: int, patience: float = 1.0) -> bool:
        """Tell whether more than `size` bytes wait for somebody who reads, however slowly: who has
        taken some within `patience` seconds."""
        return len(self.waiting) > size and now - self.taken_at < patience

    def takes(self) -> bool:
        """Tell whether the other end may still read what is sent; a held link hears of no end."""
        return self.closed is None and not self.connection.is_broken

    def close(self, reason: str) -> None:
        """End the link. What the connection has taken still arrives; the world tells the end."""
        if self.closed is None:
            self.closed = reason
            self.connection.close()
