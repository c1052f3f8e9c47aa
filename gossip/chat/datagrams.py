"""Datagrams: lines to and from the few neighbours of a node, over one UDP socket.

A datagram holds whole lines, each with its `\\n`. Datagrams may be lost, duplicated and reordered;
gossip/spread/ copes with that. A datagram is dropped unless it comes from a neighbour. With a key,
its first line has to be a valid HMAC-SHA256 over sender, receiver and content; without a key, a
datagram with such a line is dropped, too. Dropped datagrams are counted.
"""

import contextlib
import hmac
import re
import socket

from gossip.addresses import Address
from gossip.net.connection import DONT_WAIT

LONGEST = 60_000  # bytes of a datagram
SIGNATURE = 64 + 1  # bytes of the line that holds the HMAC
READ_SIZE = 65_536
TOGETHER = 64  # most datagrams that are read before they are handled
_SIGNED = re.compile(rb"[0-9a-f]{%d}\n" % (SIGNATURE - 1))  # how a signed datagram begins

# Why a datagram of a neighbour is dropped.
NO_KEY = "signed, and no key was given"
NOT_SIGNED = "not signed, and a key was given"
WRONG = "signed with another key, or for somebody else"
TORN = "not of whole lines"


class DatagramLink:
    """Sends to one neighbour of a node, and takes apart what comes; `send` never blocks."""

    def __init__(self, node, sock: socket.socket, peer: Address, key: bytes | None):
        self.peer = peer
        self._node = node
        self._sock = sock
        self._key = key
        self._content_at = 0 if key is None else SIGNATURE  # in each datagram
        self._told: set[str] = set()  # why datagrams were dropped

    def send(self, data: bytes) -> None:
        """Send whole lines, in as many datagrams as they need."""
        room = LONGEST - self._content_at
        for content in pack(data, room):
            if len(content) > room:
                self._node.counters.add("lines too long for a datagram")
                continue
            if self._key is not None:
                content = signature(self._key, self._node.address, self.peer, content) + content
            try:
                self._sock.sendto(content, DONT_WAIT, self.peer.dial)
            except OSError:
                self._node.counters.add("datagrams that could not be sent")

    def open(self, datagram: bytes) -> list[bytes] | None:
        """Return the lines of a datagram from this neighbour; None when it is dropped."""
        reason = self._fault(datagram)
        if reason is None:
            return datagram[self._content_at:-1].split(b"\n")
        self._node.counters.add(f"datagrams {reason}")
        if reason not in self._told:
            self._told.add(reason)
            self._node.write_refusal(self.peer, reason)
        return None

    def _fault(self, datagram: bytes) -> str | None:
        is_signed = _SIGNED.match(datagram) is not None
        if is_signed != (self._key is not None):
            return NO_KEY if is_signed else NOT_SIGNED
        if self._key is not None:
            expected = signature(self._key, self.peer, self._node.address, datagram[SIGNATURE:])
            if not hmac.compare_digest(datagram[:SIGNATURE], expected):
                return WRONG
        return None if datagram.endswith(b"\n", self._content_at) else TORN


def pack(data: bytes, room: int) -> list[bytes]:
    """Cut `data` into pieces of whole lines, each at most `room` bytes unless a line is longer."""
    pieces = []
    while len(data) > room:
        end = data.rfind(b"\n", 0, room) + 1 or data.index(b"\n") + 1
        pieces.append(data[:end])
        data = data[end:]
    return [*pieces, data] if data else pieces


def signature(key: bytes, sender: Address, receiver: Address, content: bytes) -> bytes:
    """Return the line that proves, with the key, who sent this content to whom."""
    route = f"{sender}>{receiver}\n".encode()
    return hmac.new(key, route + content, "sha256").hexdigest().encode() + b"\n"


class Datagrams:
    """The socket of a node, and the links to its neighbours. `read_all` is a thread of its own."""

    def __init__(self, node, sock: socket.socket, neighbours: list[Address], key: bytes | None):
        self._node = node
        self._sock = sock
        self._stopping = False  # set once
        self._links = {peer.dial: DatagramLink(node, sock, peer, key) for peer in neighbours}

    def links(self) -> list[DatagramLink]:
        return list(self._links.values())

    def read_all(self) -> None:
        """Have the node handle, in a turn, the lines that came together from each neighbour."""
        while not self._stopping:
            received = self._receive()
            with self._node.turn:
                for link, lines in self._opened(received).items():
                    self._node.on_datagrams(link, lines)

    def _opened(self, received: list[tuple[bytes, tuple]]) -> dict[DatagramLink, list[bytes]]:
        arrived: dict[DatagramLink, list[bytes]] = {}
        for datagram, source in received:
            link = self._links.get(source)
            if link is None:
                self._node.counters.add("datagrams from strangers")
                continue
            if (lines := link.open(datagram)) is not None:
                arrived.setdefault(link, []).extend(lines)
        return arrived

    def _receive(self) -> list[tuple[bytes, tuple[str, int]]]:
        """Wait for a datagram; return it with the others that have come by then."""
        arrived, flags = [], 0
        with contextlib.suppress(OSError):  # no more has come; or a neighbour is gone
            while len(arrived) < (TOGETHER if DONT_WAIT else 1):
                arrived.append(self._sock.recvfrom(READ_SIZE, flags))
                flags = DONT_WAIT
        return arrived

    def stop(self) -> None:
        """End the reading thread, woken by a datagram to oneself. The owner then calls `close`."""
        self._stopping = True
        self._sock.sendto(b"", self._sock.getsockname())

    def close(self) -> None:
        self._sock.close()
