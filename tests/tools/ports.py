"""Free ports and addresses; each slot of `python tests` has ports of its own."""

import itertools
import os
import random
import socket

from gossip.addresses import Address, address_of

PORTS = 2_800  # of each of the eight pytests that run at the same time: below the ephemeral ones
FIRST_PORT = 10_000 + PORTS * int(os.environ.get("TEST_SLOT", 0))
_ports = itertools.count(random.randrange(PORTS))


def free_port() -> int:
    """A port that nobody listens on, another one at every call."""
    for number in _ports:
        port = FIRST_PORT + number % PORTS
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                sock.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("unreachable")


def free_range(size):
    """The first of so many ports in a row that nobody listens on."""
    while True:
        first = free_port()
        try:
            for port in range(first, first + size):
                socket.create_server(("127.0.0.1", port)).close()
            return first
        except OSError:
            continue


def free_udp_range(size):
    """The first of so many UDP ports in a row that nobody has."""
    while True:
        first = free_port()
        socks = [socket.socket(type=socket.SOCK_DGRAM) for _ in range(size)]
        try:
            for port, sock in enumerate(socks, first):
                sock.bind(("127.0.0.1", port))
            return first
        except OSError:
            continue
        finally:
            for sock in socks:
                sock.close()


def free_address(ip: str = "127.0.0.1") -> Address:
    return address_of(ip, free_port())


def free_addresses(count: int) -> list[Address]:
    """Addresses in ascending order."""
    return sorted(free_address() for _ in range(count))


def listens(port):
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except (ConnectionRefusedError, ConnectionResetError):  # reset: it closed meanwhile
        return False
    return True
