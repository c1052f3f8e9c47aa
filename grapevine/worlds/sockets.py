"""Sockets as the worlds of threads and of a loop use them, and how they write an error down."""

import contextlib
import os
import socket
import sys

from grapevine.addresses import Address, address_of

READ_SIZE = 65_536  # bytes; also more than a datagram has
DONT_WAIT = getattr(socket, "MSG_DONTWAIT", 0)  # Windows has none
BACKLOG = 4_096  # connections that the kernel keeps for a listener
SHORT_REST = 0.1  # seconds without `accept` when no descriptor is left
IP_BIND_ADDRESS_NO_PORT = 24  # of Linux: `connect` then finds a port much faster than `bind`


class Connection:
    """A TCP connection of a node, as far as both worlds have the same: how it sends."""

    def __init__(self, world, link=None, sock: socket.socket | None = None):
        self.world, self.link = world, link
        self.sock = sock  # None until a dial has one
        self.sender = sock  # the same, never waiting
        self.is_broken = False  # something could not be sent

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


def listener_at(own: Address) -> socket.socket:
    """Return a socket that listens at an address. OSError if it cannot."""
    return socket.create_server((own.ip, own.port), family=own.family, backlog=BACKLOG)


def post(door: socket.socket, data: bytes, to: Address) -> None:
    """Send a datagram, unless the kernel has no room for it: it may get lost anyway."""
    with contextlib.suppress(OSError):
        door.sendto(data, DONT_WAIT, (to.ip, to.port))


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


def failure(error: Exception, thread: str) -> str:
    """Return the event of an error of the program's own code: in which thread, and where."""
    trace = error.__traceback__  # without `traceback`: no descriptor may be left to load it
    while trace.tb_next is not None:
        trace = trace.tb_next
    code = trace.tb_frame.f_code
    return (f"failed:{thread}: {error!r} in {code.co_name}, "
            f"{os.path.basename(code.co_filename)}:{trace.tb_lineno}")
