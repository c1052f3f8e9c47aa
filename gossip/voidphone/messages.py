"""The binary messages of the gossip module, and an API client.

`parse` turns bytes into a value, `pack` back again. A message begins with its size in bytes (u16,
with the header) and its type (u16); all numbers are big-endian. Types 500 to 503 are the VoidPhone
API, between modules of a host and the gossip module; 504 to 511 go between peers.
"""

import collections
import contextlib
import functools
import socket
import struct
import threading
from collections.abc import Callable
from typing import Any

from gossip.addresses import Address, address_of, can_be_dialled
from gossip.node.link import Lines
from gossip.wire import WireError

HEADER_SIZE = 4  # bytes
LONGEST = 65_535  # bytes of a message
_ENDPOINT = struct.Struct(">4sH")
# type -> the reader of its messages, and their size in bytes (None if it varies)
_TYPES: dict[int, tuple[Callable[[bytes], Any], int | None]] = {}


def _endpoint(address: Address) -> bytes:
    return _ENDPOINT.pack(bytes(map(int, address.ip.split("."))), address.port)


@functools.lru_cache(maxsize=16_384)
def _address(ip: bytes, port: int) -> Address:
    if port == 0:
        raise WireError("address with port 0")
    address = address_of(".".join(map(str, ip)), port)
    if not can_be_dialled(address):
        raise WireError(f"{address} is no address that others can dial")
    return address


# how the last field of a message is written and read, and its size in bytes (None if it varies)
DATA = bytes, bytes, None
ENDPOINT = _endpoint, lambda tail: _address(*_ENDPOINT.unpack(tail)), _ENDPOINT.size
ENDPOINTS = (lambda addresses: b"".join(map(_endpoint, addresses)),
             lambda tail: tuple([_address(*pair) for pair in _ENDPOINT.iter_unpack(tail)]), None)


def said_as(number: int, kind: str, numbers: str, fields: str, tail: tuple = (None, None, 0)):
    """Declare a message, a named tuple with `kind` and `pack`. `numbers` is the struct format of
    its fields without the `tail`. In it `x` is a reserved byte, sent as 0 and ignored."""
    head, body = struct.Struct(f">HH{numbers}"), struct.Struct(f">{numbers}")
    size, pack_head, unpack = head.size, head.pack, body.unpack_from
    write_tail, read_tail, tail_size = tail
    cls = collections.namedtuple(kind.title().replace("_", ""), fields)

    def pack(self) -> bytes:
        if write_tail is None:
            return pack_head(size, number, *self)
        rest = write_tail(self[-1])
        return pack_head(size + len(rest), number, *self[:-1]) + rest

    def read(message: bytes):
        if read_tail is None:
            return cls(*body.unpack(message[HEADER_SIZE:]))
        return cls(*unpack(message, HEADER_SIZE), read_tail(message[size:]))

    cls.kind, cls.pack = kind, pack
    _TYPES[number] = read, None if tail_size is None else size + tail_size
    return cls


# README.md tells what each message means. An `address` is that of the sender, but in a PUSH that of
# a newcomer. A `ttl` counts hops; without a limit it is 0 in an ANNOUNCE, and 255 between peers.
Announce = said_as(500, "announce", "BxH", "ttl data_type data", DATA)
Notify = said_as(501, "notify", "xxH", "data_type")
Notification = said_as(502, "notification", "HH", "id data_type data", DATA)
Validation = said_as(503, "validation", "HH", "id flags")
VALID = 1  # the flag; all others are ignored

PeerRequest = said_as(504, "peer_request", "", "")
PeerResponse = said_as(505, "peer_response", "", "addresses", ENDPOINTS)
VerificationRequest = said_as(506, "verification_request", "Q", "nonce")
VerificationResponse = said_as(507, "verification_response", "QQ", "nonce challenge address",
                               ENDPOINT)
Hello = said_as(508, "hello", "", "address", ENDPOINT)
Push = said_as(509, "push", "H", "ttl address", ENDPOINT)
Ping = said_as(510, "ping", "", "")
PeerNotification = said_as(511, "peer_notification", "BxHH", "ttl id data_type data", DATA)

SPREADABLE = LONGEST - len(PeerNotification(0, 0, 0, b"").pack())  # bytes of data in a 511


class Frames(Lines):
    """The framing, which cuts a stream of bytes into messages instead of lines."""

    late = "nothing valid came in time"  # the reason after a deadline

    def feed(self, data: bytes) -> list[bytes]:
        """Return the messages that `data` completes, before any wrong header."""
        if self._rest:
            data = self._rest + data
        messages, at, end = [], 0, len(data)
        while end - at >= 2:
            size = data[at] << 8 | data[at + 1]
            if size < HEADER_SIZE:
                self.fault = WireError(f"message of {size} bytes")
                break
            if end - at < size:
                if end - at >= HEADER_SIZE:  # so that nobody awaits the rest after a wrong header
                    number = data[at + 2] << 8 | data[at + 3]
                    if number not in _TYPES:
                        self.fault = WireError(f"unknown type {number}")
                    elif _TYPES[number][1] not in (None, size):
                        self.fault = WireError(f"message {number} of {size} bytes")
                break
            messages.append(data[at:at + size])
            at += size
        self._rest = data[at:]
        return messages


def parse(message: bytes):
    """Return the value of a whole message. WireError if it is malformed."""
    number = message[2] << 8 | message[3]
    if number not in _TYPES:
        raise WireError(f"unknown type {number}")
    try:
        return _TYPES[number][0](message)
    except struct.error:
        raise WireError(f"message {number} of {len(message)} bytes") from None


class Client:
    """A connection to a gossip module, which a thread reads until `close`."""

    def __init__(self, address: tuple[str, int], data_type: int, on_data):
        """Subscribe to a type. `on_data(data)` validates notified data."""
        self._on_data = on_data
        self._sock = socket.create_connection(address, 5)
        self._sock.settimeout(None)
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sock.sendall(Notify(data_type).pack())
        self._type = data_type
        self._thread = threading.Thread(target=self._read, name="API client", daemon=True)
        self._thread.start()

    def announce(self, data: bytes, ttl: int = 0) -> None:
        self._sock.sendall(Announce(ttl, self._type, data).pack())

    def _read(self) -> None:
        frames = Frames()
        with contextlib.suppress(OSError):  # the module is gone
            while received := self._sock.recv(65_536):
                told = map(parse, frames.feed(received))
                self._sock.sendall(b"".join(
                    [Validation(said.id, self._on_data(said.data)).pack() for said in told]))

    def close(self) -> None:
        with contextlib.suppress(OSError):  # the module is gone
            self._sock.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._sock.close()
