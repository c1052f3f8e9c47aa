"""TCP sockets: connections, and the listener.

`shutdown` of a connection never blocks, nor do `send` and `receive` with the connection's `flags`.
`connect`, `wait_readable`, and `receive` without flags, may block, so only the thread that reads a
link calls them.
"""

import contextlib
import errno
import os
import selectors
import socket
import sys
import threading

try:
    import fcntl
    import termios
except ImportError:  # Windows
    fcntl = None

from gossip.addresses import Address

DONT_WAIT = getattr(socket, "MSG_DONTWAIT", 0)  # 0: unknown here, so sockets are non-blocking
Selector = getattr(selectors, "PollSelector", selectors.SelectSelector)
_BIND_ADDRESS_NO_PORT = getattr(socket, "IP_BIND_ADDRESS_NO_PORT", 24)  # no port before connect
BACKLOG = 4096  # connections that may wait in the kernel
SHORT_REST = 0.1  # seconds for which the listener waits while descriptors are short
SHORT = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL,
         errno.EAGAIN}  # of a machine short of descriptors, memory, ports or threads


class Connection:
    """A TCP socket: connected already, or a new socket, which `connect` connects."""

    __slots__ = ("_sock", "receive", "send", "close", "fileno")
    # With these, `send` and `receive` never block, and a broken connection raises no SIGPIPE.
    flags = DONT_WAIT | getattr(socket, "MSG_NOSIGNAL", 0)

    def __init__(self, sock: socket.socket | None = None, family: int = socket.AF_INET):
        self._sock = sock or socket.socket(family, socket.SOCK_STREAM)
        # (size, flags) and (bytes, flags): methods of our own would cost as much as the rest
        self.receive, self.send = self._sock.recv, self._sock.send
        self.close, self.fileno = self._sock.close, self._sock.fileno
        if sock is not None:
            self._send_at_once()
            sock.setblocking(bool(DONT_WAIT))  # whatever timeout the program gives all sockets

    def connect(self, own: Address, address: Address, limit: float) -> None:
        """Connect from this node's own IP within `limit` seconds. OSError if that fails."""
        self._sock.settimeout(limit)
        if sys.platform == "linux":
            self._sock.setsockopt(socket.IPPROTO_IP, _BIND_ADDRESS_NO_PORT, 1)
            # or else nobody could listen on the port of a link for a minute after its end
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._sock.bind((own.ip, 0))
        self._sock.connect(address.dial)
        self._sock.settimeout(None if DONT_WAIT else 0)
        if self._sock.getsockname() == self._sock.getpeername():
            raise ConnectionRefusedError("connected to itself: nobody listens there")
        self._send_at_once()

    def _send_at_once(self) -> None:
        """Make the kernel send every line at once."""
        with contextlib.suppress(OSError):  # the other end is gone, as whoever reads will find
            self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def wait_readable(self, seconds: float) -> None:
        """Wait at most `seconds` for bytes, or the end of the stream."""
        with Selector() as selector:
            selector.register(self._sock, selectors.EVENT_READ)
            selector.select(seconds)

    def unread(self) -> int:
        """Return the bytes sent that the other machine has not confirmed; 0 where nobody knows."""
        with contextlib.suppress(OSError):
            if fcntl is not None:
                size = fcntl.ioctl(self._sock, termios.TIOCOUTQ, bytes(4))
                return int.from_bytes(size, sys.byteorder)
        return 0

    def shutdown(self) -> None:
        """End both directions, and wake the thread that reads."""
        with contextlib.suppress(OSError):  # it was not connected, or no longer
            self._sock.shutdown(socket.SHUT_RDWR)


def listening(address: Address) -> socket.socket:
    """Return a socket that listens at an address. If it is not available, an OSError names it."""
    sock = socket.socket(address.family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":  # elsewhere it would let two processes share the port
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address.dial)
        sock.listen(BACKLOG)
    except OSError as error:
        sock.close()
        error.filename = str(address)
        raise
    return sock


def is_local(address: Address) -> bool:
    """Return whether this machine seems to have an IP."""
    try:
        with socket.socket(address.family, socket.SOCK_STREAM) as sock:
            sock.bind((address.ip, 0))
    except OSError as error:
        return error.errno in SHORT and error.errno != errno.EADDRNOTAVAIL
    return True


class Listener:
    """A listening socket; `accept_all` is the thread. It survives a connection that is already
    gone. In a shortage of descriptors it has a connection ended, and waits a moment."""

    def __init__(self, address: Address, stopping: threading.Event,
                 sock: socket.socket | None = None):
        """Listen at once, so that a port in use raises OSError here; or take a listening socket."""
        self._address = address
        self._stopping = stopping
        self._sock = sock or listening(address)

    def accept_all(self, handle, make_room) -> None:
        """Call `handle(socket, (IP, port))` per connection, `make_room(reason)` in a shortage."""
        while not self._stopping.is_set():
            try:
                sock, remote = self._sock.accept()
            except OSError as error:
                if self._stopping.is_set():
                    return
                if error.errno in SHORT:
                    make_room(error.strerror)
                    self._stopping.wait(SHORT_REST)
                continue
            if remote:
                handle(sock, remote[:2])
            else:  # macOS has no address for a connection that was reset before
                sock.close()

    def close(self) -> None:
        """Stop listening and wake the thread, after `stopping` was set. May be called twice."""
        if self._sock.fileno() < 0:
            return
        try:
            self._sock.shutdown(socket.SHUT_RDWR)
        except OSError:  # on systems where that does not end `accept`, a connection does
            with contextlib.suppress(OSError):  # it was not accepting any more
                socket.create_connection(self._address.dial, 1).close()
        self._sock.close()

    def abandon(self) -> None:
        """Close the socket in a child process; the parent goes on listening."""
        self._sock.close()
