"""The binary messages of the gossip module: `parse` makes a value of bytes, `pack` makes bytes.

Pure. Every message begins with its size in bytes (u16, the header included) and its type (u16);
all numbers are big-endian. Types 500 to 503 are the VoidPhone API, between modules of a host and
the gossip module; 504 to 511 are said between peers. Reserved fields are sent as 0 and ignored.
"""

import functools
import struct
from typing import NamedTuple

from gossip.addresses import Address, address_of, can_be_dialled
from gossip.wire import WireError

HEADER = struct.Struct(">HH")
LONGEST = 65_535  # bytes of a message
_DATA = struct.Struct(">BBH")  # ANNOUNCE, before the data
_NOTIFICATION = struct.Struct(">HH")
_PEER_NOTIFICATION = struct.Struct(">BBHH")
_ENDPOINT = struct.Struct(">4sH")
_WORK = struct.Struct(">QQ4sH")
_PUSH = struct.Struct(">H4sH")
SPREADABLE = LONGEST - HEADER.size - _PEER_NOTIFICATION.size  # bytes of data in a 511


class Announce(NamedTuple):
    """A module has data to spread, `ttl` hops far; 0 is everywhere."""

    ttl: int
    data_type: int
    data: bytes
    kind = "announce"

    def pack(self) -> bytes:
        return _message(500, _DATA.pack(self.ttl, 0, self.data_type) + self.data)


class Notify(NamedTuple):
    """A module subscribes to a type of data."""

    data_type: int
    kind = "notify"

    def pack(self) -> bytes:
        return _message(501, struct.pack(">HH", 0, self.data_type))


class Notification(NamedTuple):
    """A module is told of data of a type that it subscribed to."""

    id: int
    data_type: int
    data: bytes
    kind = "notification"

    def pack(self) -> bytes:
        return _message(502, _NOTIFICATION.pack(self.id, self.data_type) + self.data)


class Validation(NamedTuple):
    """A module says whether the data of a notification is valid, that is, to be spread on."""

    id: int
    valid: bool
    kind = "validation"

    def pack(self) -> bytes:
        return _message(503, struct.pack(">HH", self.id, self.valid))


class PeerRequest(NamedTuple):
    """A neighbour asks for addresses."""

    kind = "peer_request"

    def pack(self) -> bytes:
        return _message(504, b"")


class PeerResponse(NamedTuple):
    """The addresses of the sender's neighbours."""

    addresses: tuple
    kind = "peer_response"

    def pack(self) -> bytes:
        return _message(505, b"".join(map(_endpoint, self.addresses)))


class VerificationRequest(NamedTuple):
    """Work for a peer that wants to be a neighbour: the nonce of a proof of work."""

    nonce: int
    kind = "verification_request"

    def pack(self) -> bytes:
        return _message(506, struct.pack(">Q", self.nonce))


class VerificationResponse(NamedTuple):
    """The work is done: the challenge that belongs to the nonce."""

    nonce: int
    challenge: int
    address: Address
    kind = "verification_response"

    def pack(self) -> bytes:
        return _message(507, struct.pack(">QQ", self.nonce, self.challenge)
                        + _endpoint(self.address))


class Hello(NamedTuple):
    """The first message of a peer that dials: its own listening address."""

    address: Address
    kind = "hello"

    def pack(self) -> bytes:
        return _message(508, _endpoint(self.address))


class Push(NamedTuple):
    """A peer has become somebody's neighbour; `ttl` hops are left for telling others."""

    ttl: int
    address: Address
    kind = "push"

    def pack(self) -> bytes:
        return _message(509, struct.pack(">H", self.ttl) + _endpoint(self.address))


class Ping(NamedTuple):
    """The sender lives."""

    kind = "ping"

    def pack(self) -> bytes:
        return _message(510, b"")


class PeerNotification(NamedTuple):
    """Data that spreads; `ttl` hops are left, 255 is any number."""

    ttl: int
    id: int
    data_type: int
    data: bytes
    kind = "peer_notification"

    def pack(self) -> bytes:
        return _message(
            511, _PEER_NOTIFICATION.pack(self.ttl, 0, self.id, self.data_type) + self.data)


class Frames:
    """Framing: cuts a stream of bytes into messages."""

    late = "nothing valid came in time"  # the reason when a deadline passes

    def __init__(self):
        self._rest = b""  # the beginning of an unfinished message
        self.fault: WireError | None = None  # why the rest of the stream cannot be read

    def feed(self, data: bytes) -> list[bytes]:
        """Return the messages that `data` completes, up to the first with a wrong header."""
        if self._rest:
            data = self._rest + data
        messages, at, end = [], 0, len(data)
        while end - at >= 2:
            size = data[at] << 8 | data[at + 1]
            if size < HEADER.size:
                self.fault = WireError(f"message of {size} bytes")
                break
            if end - at < size:
                if end - at >= HEADER.size:
                    self.fault = _fault(size, data[at + 2] << 8 | data[at + 3])
                break
            messages.append(data[at:at + size])
            at += size
        self._rest = data[at:]
        return messages

    def unfinished(self) -> bool:
        """Whether a message has begun and not ended."""
        return bool(self._rest)


def parse(message: bytes):
    """Return the value of a whole message; WireError if it is malformed."""
    number = message[2] << 8 | message[3]
    parser = _PARSERS.get(number)
    if parser is None:
        raise WireError(f"unknown type {number}")
    try:
        return parser(message[HEADER.size:])
    except struct.error:
        raise WireError(f"message {number} of {len(message)} bytes") from None


def _fault(size: int, number: int) -> WireError | None:
    """The error of a wrong header: found early, nobody waits for the rest of the message."""
    if number not in _PARSERS:
        return WireError(f"unknown type {number}")
    if _SIZES.get(number, size) != size:
        return WireError(f"message {number} of {size} bytes")
    return None


def _message(number: int, body: bytes) -> bytes:
    return HEADER.pack(HEADER.size + len(body), number) + body


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


def _parse_announce(body: bytes) -> Announce:
    ttl, _, data_type = _DATA.unpack_from(body)
    return Announce(ttl, data_type, body[_DATA.size:])


def _parse_notification(body: bytes) -> Notification:
    return Notification(*_NOTIFICATION.unpack_from(body), body[_NOTIFICATION.size:])


def _parse_validation(body: bytes) -> Validation:
    number, flags = struct.unpack(">HH", body)
    return Validation(number, bool(flags & 1))


def _parse_peer_response(body: bytes) -> PeerResponse:
    return PeerResponse(tuple(_address(*pair) for pair in _ENDPOINT.iter_unpack(body)))


def _parse_verification(body: bytes) -> VerificationResponse:
    nonce, challenge, ip, port = _WORK.unpack(body)
    return VerificationResponse(nonce, challenge, _address(ip, port))


def _parse_push(body: bytes) -> Push:
    ttl, ip, port = _PUSH.unpack(body)
    return Push(ttl, _address(ip, port))


def _parse_peer_notification(body: bytes) -> PeerNotification:
    ttl, _, number, data_type = _PEER_NOTIFICATION.unpack_from(body)
    return PeerNotification(ttl, number, data_type, body[_PEER_NOTIFICATION.size:])


def _parse_empty(value):
    def parser(body: bytes):
        if body:
            raise struct.error
        return value
    return parser


_SIZES = {501: 8, 503: 8, 504: 4, 506: 12, 507: 26, 508: 10, 509: 12, 510: 4}
_PARSERS = {
    500: _parse_announce,
    501: lambda body: Notify(struct.unpack(">HH", body)[1]),
    502: _parse_notification,
    503: _parse_validation,
    504: _parse_empty(PeerRequest()),
    505: _parse_peer_response,
    506: lambda body: VerificationRequest(*struct.unpack(">Q", body)),
    507: _parse_verification,
    508: lambda body: Hello(_address(*_ENDPOINT.unpack(body))),
    509: _parse_push,
    510: _parse_empty(Ping()),
    511: _parse_peer_notification,
}
