"""The binary messages of gossip modules and of their clients: bytes to values, and back.

A message begins with its size in bytes (u16, with the header) and its type (u16); all numbers are
big-endian. Types 500 to 503 are the API, between clients of a host and its module; 504 to 511 go
between modules. README.md tells what each means.
"""

import collections
import functools
import struct

from grapevine.addresses import Address, address_of, can_be_dialled
from grapevine.tools import ProtocolError

HEADER, LONGEST = 4, 65_535  # bytes
VALID = 1  # the flag of a validation; all others are ignored
_ENDPOINT = struct.Struct(">4sH")
_KINDS: dict[int, tuple] = {}  # type -> kind, reader, size in bytes (None if it varies)


def _endpoint(address: Address) -> bytes:
    return _ENDPOINT.pack(bytes(map(int, address.ip.split("."))), address.port)


@functools.lru_cache(maxsize=16_384)
def _address(ip: bytes, port: int) -> Address:
    if port == 0:
        raise ProtocolError("address with port 0")
    address = address_of(".".join(map(str, ip)), port)
    if not can_be_dialled(address):
        raise ProtocolError(f"{address} is no address that others can dial")
    return address


# How the last field of a message is written and read, and its size in bytes (None if it varies).
DATA = bytes, bytes, None
ENDPOINT = _endpoint, lambda tail: _address(*_ENDPOINT.unpack(tail)), _ENDPOINT.size
ENDPOINTS = (lambda addresses: b"".join(map(_endpoint, addresses)),
             lambda tail: tuple([_address(*pair) for pair in _ENDPOINT.iter_unpack(tail)]), None)


def _declare(number: int, kind: str, numbers: str, fields: str, tail: tuple = ()):
    """Declare a message: a named tuple with `pack`. `numbers` is the struct format of its fields
    without the `tail`; in it `x` is a reserved byte, sent as 0 and ignored."""
    head, body = struct.Struct(f">HH{numbers}"), struct.Struct(f">{numbers}")
    write, read, tail_size = tail or (None, None, 0)
    cls = collections.namedtuple(kind.title().replace("_", ""), fields)

    def pack(self) -> bytes:
        rest = write(self[-1]) if write else b""
        return head.pack(head.size + len(rest), number, *(self[:-1] if write else self)) + rest

    def read_all(message: bytes):
        tail = (read(message[head.size:]),) if read else ()
        return cls(*body.unpack_from(message, HEADER), *tail)

    cls.pack = pack
    _KINDS[number] = kind, read_all, None if tail_size is None else head.size + tail_size
    return cls


# An `address` is that of the sender, but in a Push that of a newcomer. A `ttl` counts hops; without
# a limit it is 0 in an Announce, and 255 between modules.
Announce = _declare(500, "announce", "BxH", "ttl data_type data", DATA)
Notify = _declare(501, "notify", "xxH", "data_type")
Notification = _declare(502, "notification", "HH", "id data_type data", DATA)
Validation = _declare(503, "validation", "HH", "id flags")
PeerRequest = _declare(504, "peer_request", "", "")
PeerResponse = _declare(505, "peer_response", "", "addresses", ENDPOINTS)
VerificationRequest = _declare(506, "verification_request", "Q", "nonce")
VerificationResponse = _declare(507, "verification_response", "QQ", "nonce challenge address",
                                ENDPOINT)
Hello = _declare(508, "hello", "", "address", ENDPOINT)
Push = _declare(509, "push", "H", "ttl address", ENDPOINT)
Ping = _declare(510, "ping", "", "")
PeerNotification = _declare(511, "peer_notification", "BxHH", "ttl id data_type data", DATA)

SPREADABLE = LONGEST - len(PeerNotification(0, 0, 0, b"").pack())  # bytes of data in a 511


def cut(data: bytes) -> tuple[list[bytes], bytes]:
    """Cut a stream into messages and a rest. What begins with a wrong header comes last, as it is,
    and `parse` refuses it, so that nobody waits for its end."""
    found, at, end = [], 0, len(data)
    while end - at >= 2:
        size = data[at] << 8 | data[at + 1]
        if size < HEADER or end - at < size:
            break
        found.append(data[at:at + size])
        at += size
    rest = data[at:]
    try:
        _kind_of(rest)
    except ProtocolError:
        return [*found, rest], b""
    return found, rest


def _kind_of(message: bytes) -> tuple | None:
    """Return what its header says; None if that has not come. ProtocolError if it is wrong."""
    size, number = int.from_bytes(message[:2], "big"), int.from_bytes(message[2:4], "big")
    if len(message) >= 2 and size < HEADER:
        raise ProtocolError(f"message of {size} bytes")
    if len(message) < HEADER:
        return None
    if number not in _KINDS:
        raise ProtocolError(f"unknown type {number}")
    if _KINDS[number][2] not in (None, size):
        raise ProtocolError(f"message {number} of {size} bytes")
    return _KINDS[number]


def parse(message: bytes) -> tuple[str, tuple]:
    """Return the kind and the values of a whole message. ProtocolError if it is malformed."""
    kind, read, _ = _kind_of(message)
    try:
        return kind, read(message)
    except struct.error:
        number = int.from_bytes(message[2:4], "big")
        raise ProtocolError(f"message {number} of {len(message)} bytes") from None
