"""A connection: one TCP socket, with the methods that a link and its reader call.

`send` and `shutdown` never block. `connect`, `receive` and `wait_readable` may block: only the
thread that reads a link calls them.
"""

import selectors
import socket
import sys

from gossip.addresses import Address

READ_SIZE = 96 << 10  # bytes asked of the kernel at once: a portion of new gossip with its cover
DONT_WAIT = getattr(socket, "MSG_DONTWAIT", 0)  # 0: not known here, so sockets are non-blocking
Selector = getattr(selectors, "PollSelector", selectors.SelectSelector)
_BIND_ADDRESS_NO_PORT = getattr(socket, "IP_BIND_ADDRESS_NO_PORT", 24)  # no port before connect


class Connection:
    """A TCP socket: one that is connected, or a new one, which `connect` connects."""

    __slots__ = ("_sock", "receive")

    def __init__(self, sock: socket.socket | None = None, family: int = socket.AF_INET):
        self._sock = sock or socket.socket(family, socket.SOCK_STREAM)
        self.receive = self._sock.recv  # (bytes, flags): the hottest call of all
        if sock is not None and not DONT_WAIT:
            sock.setblocking(False)

    def connect(self, own: Address, address: Address, limit: float) -> None:
        """Connect from this node's own IP, within `limit` seconds; OSError when that fails."""
        self._sock.settimeout(limit)
        if sys.platform == "linux":
            self._sock.setsockopt(socket.IPPROTO_IP, _BIND_ADDRESS_NO_PORT, 1)
        self._sock.bind((own.ip, 0))
        self._sock.connect(address.dial)
        self._sock.settimeout(None if DONT_WAIT else 0)
        if self._sock.getsockname() == self._sock.getpeername():
            raise ConnectionRefusedError("connected to itself: nobody listens there")

    def no_delay(self) -> None:
        """Let the kernel send every line when it is written; OSError when the other end is
        gone."""
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def wait_readable(self, seconds: float) -> None:
        """Wait so many seconds at most for bytes, or for the end of the stream."""
        with Selector() as selector:
            selector.register(self._sock, selectors.EVENT_READ)
            selector.select(seconds)

    def send(self, data: bytes) -> int:
        """Hand the kernel bytes; return how many it took. BlockingIOError when none."""
        return self._sock.send(data, DONT_WAIT)

    def shutdown(self) -> None:
        """End both directions and wake the thread that reads."""
        try:
            self._sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # it was not connected, or no longer

    def close(self) -> None:
        self._sock.close()

    def fileno(self) -> int:
        return self._sock.fileno()
