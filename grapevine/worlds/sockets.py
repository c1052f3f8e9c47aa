"""Sockets, and calls of a node that may fail: shared by the worlds of threads and of a loop."""

import contextlib
import os
import random
import socket
import sys
import threading
import time

from grapevine.addresses import Address, address_of

READ_SIZE = 65_536  # bytes; also more than a datagram has
DONT_WAIT = getattr(socket, "MSG_DONTWAIT", 0)  # Windows has none
BACKLOG = 4_096  # connections that the kernel keeps for a listener
SHORT_REST = 0.1  # seconds without `accept` when no descriptor is left
IP_BIND_ADDRESS_NO_PORT = 24  # of Linux: `connect` then finds a port much faster than `bind`


class Connection:
    """One TCP connection of a node, from its dial or its acceptance to its end. A dial that is
    under way has no sender yet."""

    def __init__(self, world: "World", link=None, sock: socket.socket | None = None):
        self.world, self.link = world, link
        self.sock = sock  # None until a dial has one
        self.sender: socket.socket | None = None  # the same, never waiting
        self.is_broken = False  # nothing can be sent any more

    def attach(self) -> None:
        """Make a connected socket ready. OSError if it broke, or descriptors are short."""
        send_at_once(self.sock)
        self.sender = self.sock

    def send(self, data: bytes) -> int:
        """Hand the kernel what it takes at once. If that is not all, `blocked` is told."""
        try:
            sent = self.sender.send(data, DONT_WAIT)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.is_broken = True  # whoever reads finds out why
            return len(data)
        if sent < len(data):
            self.blocked()
        return sent

    def blocked(self) -> None:
        """Have `link.flush` called as soon as the kernel takes more."""
        raise NotImplementedError

    def shut(self) -> None:
        """End it, which wakes who reads; what the kernel has taken still arrives."""
        if self.sock is not None:
            shut(self.sock)

    def drop(self) -> None:
        """Close the descriptors."""
        self.is_broken = True
        for sock in (self.sender, self.sock):
            if sock is not None:
                sock.close()


class World:
    """The world of a node that listens at an address, or has these doors; OSError if it cannot."""

    CONNECTION = Connection

    def __init__(self, own: Address, doors: list[socket.socket] | None, lock):
        self.lock = lock  # held in each call of the node
        self.now, self.time, self.rng = time.monotonic, time.time, random.SystemRandom()
        self.node = None
        self.own = own
        self.doors = doors or [listener_at(own)]
        self.connections: dict[Connection, None] = {}  # those whose links have not ended

    def post(self, data: bytes, to: Address, door: int) -> None:
        """Send a datagram, unless the kernel has no room for it: it may get lost anyway."""
        with contextlib.suppress(OSError):
            self.doors[door].sendto(data, DONT_WAIT, (to.ip, to.port))

    def call(self, call, *arguments, link=None) -> None:
        """Call the node, of a link unless that has ended. A link whose call fails ends, because it
        could cause that again."""
        with self.lock:
            try:
                if not self.node.stopping and (link is None or link.closed is None):
                    call(*arguments)
            except Exception as error:
                self.node.output.failed(failure(error))
                if link is not None:
                    link.close("failed")

    def welcome(self, accepted, sock: socket.socket, remote: tuple) -> None:
        """Make a link of a connection that somebody has made."""
        connection = self.CONNECTION(self, sock=sock)
        self.call(self._welcome, accepted, connection, remote)
        if connection.link is None:
            connection.drop()

    def _welcome(self, accepted, connection: Connection, remote: tuple) -> None:
        try:
            connection.attach()
        except OSError:
            return  # it broke already, or no descriptor is left
        connection.link = accepted(connection, remote_address(remote))
        self.attend(connection)

    def attend(self, connection: Connection) -> None:
        """Begin to read a connection."""
        raise NotImplementedError

    def tell_end(self, connection: Connection, reason: str, error: OSError | None = None) -> None:
        """Tell the node the end of a link, once."""
        if connection in self.connections:
            del self.connections[connection]
            self.node.ended(connection.link, reason, error)


def reason_of(error: OSError) -> str:
    """Return the reason of an end by an error."""
    return error.strerror or str(error)


def listener_at(own: Address) -> socket.socket:
    """Return a socket that listens at an address. OSError if it cannot."""
    return socket.create_server((own.ip, own.port), family=own.family, backlog=BACKLOG)


def socket_from(own: Address, family: socket.AddressFamily) -> socket.socket:
    """Return a socket that connects from the IP of a node: others see it, and it has to be the
    announced one. OSError if there is none."""
    sock = socket.socket(family)
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
    try:
        sock.bind((own.ip, 0))
    except OSError:
        sock.close()
        raise
    return sock


def check_connected(sock: socket.socket) -> None:
    """ConnectionRefusedError if a socket has connected to itself, because nobody listens there."""
    if sock.getsockname() == sock.getpeername():
        raise ConnectionRefusedError("connected to itself: nobody listens there")


def send_at_once(sock: socket.socket) -> None:
    """Have small messages sent without waiting for more."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def remote_address(remote: tuple) -> Address:
    """Return the address that `accept` tells, without the interface of an IPv6 address."""
    return address_of(remote[0].partition("%")[0], remote[1])


def shut(sock: socket.socket) -> None:
    """End a connection or a listener; what the kernel has taken still arrives."""
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


def failure(error: Exception) -> str:
    """Return the event of an error of the program's own code: in which thread, and where."""
    trace = error.__traceback__  # without `traceback`: no descriptor may be left to load it
    while trace.tb_next is not None:
        trace = trace.tb_next
    code = trace.tb_frame.f_code
    return (f"failed:{threading.current_thread().name}: {error!r} in {code.co_name}, "
            f"{os.path.basename(code.co_filename)}:{trace.tb_lineno}")
