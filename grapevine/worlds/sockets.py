"""Doors and connections: what the worlds of threads and of a loop share."""

import contextlib
import errno
import os
import random
import selectors
import socket
import sys
import threading
import time

from grapevine.addresses import Address, address_of
from grapevine.node import RESOURCE_ERRNOS

READ_SIZE = 65_536  # bytes; also more than a datagram has
DONT_WAIT = socket.MSG_DONTWAIT if sys.platform == "linux" else 0  # macOS ignores it in `send`
Selector = getattr(selectors, "PollSelector", selectors.SelectSelector)  # of few sockets, seldom
BACKLOG = 4_096  # connections that the kernel keeps for a listener
REST = 0.1  # seconds for which a door is left alone that fails, for lack of descriptors mostly
IP_BIND_ADDRESS_NO_PORT = 24  # of Linux: `connect` then finds a port much faster than `bind`


class Connection:
    """One TCP connection of a node, from its dial or its acceptance to its end. Its world calls
    `connect` and `connected` for a dial, and then `read`, again and again. A thread waits in them;
    a loop calls them when there is nothing to wait for."""

    def __init__(self, world: "World", link=None, sock: socket.socket | None = None):
        self.world, self.link = world, link
        self.sock = sock  # None until a dial has one
        self.is_broken = False  # nothing can be sent any more

    def connect(self, remote: Address, seconds: float) -> None:
        """Connect, or begin to, if no seconds are given. OSError if it fails."""
        self.sock = socket_from(self.world.own, remote.family)
        self.sock.settimeout(seconds)
        if self.link.closed:  # before there was a socket to shut
            raise OSError(errno.ECANCELED, "the link has ended")
        with contextlib.suppress(BlockingIOError):  # it is under way
            self.sock.connect((remote.ip, remote.port))

    def connected(self) -> None:
        """A dial has come to its end. OSError if it is a bad one."""
        if number := self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise OSError(number, os.strerror(number))
        check_connected(self.sock)
        self.attach()
        remote = remote_address(self.sock.getpeername())
        self.world.call(self._up, remote, link=self.link)

    def _up(self, remote: Address) -> None:
        self.link.remote = remote
        self.world.node.up(self.link)

    def attach(self) -> None:
        """Make a connected socket ready. OSError if it broke."""
        send_at_once(self.sock)
        self.sock.settimeout(self.world.READ_WAIT)

    def read(self) -> bool:
        """Hand the node what has come; return whether more may come. OSError if it broke."""
        try:
            data = self.sock.recv(READ_SIZE)
        except (BlockingIOError, TimeoutError) as error:
            if error.errno == errno.ETIMEDOUT:  # the time of the connection is over
                raise
            return True  # that of this call is
        if data:
            self.world.call(self.took, data, link=self.link)
        return bool(data)

    def took(self, data: bytes) -> None:
        self.world.node.took(self.link, data)

    def send(self, data: bytes) -> int:
        """Hand the kernel what it takes at once. If that is not all, `blocked` is told."""
        if self.is_broken:  # and maybe closed, of which `select` makes another error
            return len(data)
        try:
            is_full = self.world.READ_WAIT and not has_room(self.sock)
            sent = 0 if is_full else self.sock.send(data, DONT_WAIT)
        except (BlockingIOError, TimeoutError):  # the room has gone meanwhile
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

    def close(self) -> None:
        """End it, soon, and wake who reads; what the kernel has taken still arrives."""
        if self.sock is not None:
            shut(self.sock)

    def end(self, reason: str, error: OSError | None = None) -> None:
        """Close the socket, and tell the node the end of its link."""
        with self.world.lock:  # or another thread might send by a descriptor of others
            self.drop()
        self.world.call(self.tell_end, reason, error)
        if self.link is not None:  # else its node has failed to accept it
            self.link.closed = self.link.closed or reason  # also if its node has stopped

    def fail(self, error: OSError) -> None:
        """End it by an error."""
        self.end(error.strerror or str(error), error)

    def tell_end(self, reason: str, error: OSError | None = None) -> None:
        """Tell the node the end of its link, once."""
        if self in self.world.connections:
            del self.world.connections[self]
            self.world.node.ended(self.link, reason, error)

    def drop(self) -> None:
        """Close the socket."""
        self.is_broken = True
        if self.sock is not None:
            self.sock.close()


class World:
    """The world of a node that listens at an address, or has these doors; OSError if it cannot."""

    CONNECTION = Connection
    DOOR_WAIT: float | None = None  # seconds for which a door waits; None: until somebody comes
    READ_WAIT: float | None = None  # and a connection, until bytes come
    TAKEN_AT_ONCE = 1  # connections, or datagrams, of a door

    def __init__(self, own: Address, doors: list[socket.socket] | None, lock):
        self.lock = lock  # held in each call of the node
        self.now, self.time, self.rng = time.monotonic, time.time, random.SystemRandom()
        self.node = None
        self.own = own
        self.doors = doors or [listener_at(own)]
        for door in self.doors:
            door.settimeout(self.DOOR_WAIT)
        self.connections: dict[Connection, None] = {}  # those whose links have not ended

    def call(self, call, *arguments, link=None) -> None:
        """Call the node; because of a link, only if that has not ended. A link whose call fails
        ends, because it could cause that again."""
        with self.lock:
            try:
                if not self.node.stopping and (link is None or link.closed is None):
                    call(*arguments)
            except Exception as error:
                self.node.output.failed(failure(error))
                if link is not None:
                    link.close("failed")

    # Doors.

    def listen(self, accepted, door: int = 0) -> None:
        sock = self.doors[door]
        self.open("listener", sock, lambda: self._welcome(accepted, *sock.accept()))

    def hear(self, heard, door: int) -> None:
        sock = self.doors[door]
        self.open("datagrams", sock, lambda: self._hand(heard, *sock.recvfrom(READ_SIZE)))

    def post(self, data: bytes, to: Address, door: int) -> None:
        """Send a datagram, unless the kernel has no room for it: it may get lost anyway."""
        with contextlib.suppress(OSError):
            self.doors[door].sendto(data, DONT_WAIT, (to.ip, to.port))

    def open(self, name: str, door: socket.socket, take) -> None:
        """Have `take_all(take)` called whenever something comes to a door, in a thread of this name
        where there are threads."""
        raise NotImplementedError

    def take_all(self, take) -> float:
        """Take what has come to a door; return the seconds until more can be taken."""
        try:
            for _ in range(self.TAKEN_AT_ONCE):
                take()
        except (BlockingIOError, TimeoutError, ConnectionError):
            pass  # nothing more has come, or it has gone again
        except OSError as error:
            if error.errno in RESOURCE_ERRNOS:
                self.call(self.node.crowd_out, error)
            return REST
        return 0.0

    def _welcome(self, accepted, sock: socket.socket, remote: tuple) -> None:
        """Make a link of a connection that somebody has made, unless it broke already."""
        connection = self.CONNECTION(self, sock=sock)
        with contextlib.suppress(OSError):
            connection.attach()
            self.call(self._link, accepted, connection, remote)
        if connection.link is None:
            connection.drop()

    def _link(self, accepted, connection: Connection, remote: tuple) -> None:
        connection.link = accepted(connection, remote_address(remote))
        self.attend(connection)

    def _hand(self, heard, data: bytes, remote: tuple | None) -> None:
        """Hand the node a datagram; a door that was shut has none from anybody."""
        if remote:
            self.call(heard, data, remote_address(remote))

    def attend(self, connection: Connection) -> None:
        """Begin to read a connection."""
        raise NotImplementedError


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


def has_room(sock: socket.socket) -> bool:
    """Tell whether the kernel takes something at once: else `send` waits, without DONT_WAIT."""
    with Selector() as selector:
        selector.register(sock, selectors.EVENT_WRITE)
        return bool(selector.select(0.0))


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
