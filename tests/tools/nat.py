"""A router with one public IP and forwarded ports, between two namespaces of a test.

A thread carries packets between two TUN devices, and changes their addresses on the way. It needs
/dev/net/tun; tests are skipped without.
"""

import os
import select
import socket
import struct
import threading

import pytest

from tests.tools.namespaces import Namespace

fcntl = pytest.importorskip("fcntl")

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
LARGEST = 65_536  # bytes of a packet
DESTINATION, SOURCE = 16, 12  # where these IPs begin in a packet
SYN, ACK = 0x02, 0x10


class Router:
    """The way from a machine with a private IP to a network in which it has a public one. Who dials
    the public IP gets through to a port that is forwarded."""

    def __init__(self, inside: Namespace, private: str, outside: Namespace, public: str,
                 forwarded: set[int]):
        self._private, self._public = socket.inet_aton(private), socket.inet_aton(public)
        self._forwarded = forwarded
        try:
            self._inner, self._outer = inside.do(_tun), outside.do(_tun)
        except OSError as error:
            pytest.skip(f"a TUN device cannot be made here: {error.strerror}")
        inside.ip("address", "add", f"{private}/32", "dev", "router")
        inside.ip("link", "set", "router", "up")
        inside.ip("route", "add", "default", "dev", "router", "src", private)
        outside.ip("link", "set", "router", "up")
        outside.ip("route", "add", f"{public}/32", "dev", "router")
        self._waker, self._woken = os.pipe()
        self._thread = threading.Thread(target=self._run, name="router")
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        os.close(self._woken)
        self._thread.join(10)
        for descriptor in (self._waker, self._inner, self._outer):
            os.close(descriptor)

    def _run(self) -> None:
        while True:
            ready, _, _ = select.select([self._inner, self._outer, self._waker], [], [])
            if self._waker in ready:
                return
            for descriptor in ready:
                packet = bytearray(os.read(descriptor, LARGEST))
                if packet[0] >> 4 != 4 or packet[9] != socket.IPPROTO_TCP:
                    continue
                if descriptor == self._inner:
                    _readdress(packet, SOURCE, self._public)
                    os.write(self._outer, packet)
                elif self._lets_in(packet):
                    _readdress(packet, DESTINATION, self._private)
                    os.write(self._inner, packet)

    def _lets_in(self, packet: bytearray) -> bool:
        start = (packet[0] & 15) * 4
        port, = struct.unpack_from("!H", packet, start + 2)
        return port in self._forwarded or packet[start + 13] & (SYN | ACK) != SYN


def _tun() -> int:
    """Make a TUN device with the name `router`, and return its descriptor."""
    descriptor = os.open("/dev/net/tun", os.O_RDWR)
    try:
        fcntl.ioctl(descriptor, TUNSETIFF, struct.pack("16sH22x", b"router", IFF_TUN | IFF_NO_PI))
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _readdress(packet: bytearray, at: int, ip: bytes) -> None:
    """Change an IP in a packet, and both checksums of which it is part."""
    old = struct.unpack_from("!2H", packet, at)
    packet[at:at + 4] = ip
    for place in (10, (packet[0] & 15) * 4 + 16):
        total, = struct.unpack_from("!H", packet, place)
        total = (total ^ 0xFFFF) - sum(old) + sum(struct.unpack("!2H", ip))
        struct.pack_into("!H", packet, place, (total % 0xFFFF) ^ 0xFFFF)
