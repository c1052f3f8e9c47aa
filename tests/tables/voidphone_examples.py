"""Messages of gossip modules and their clients of every type, and their bytes."""

import random

from grapevine.addresses import parse_address
from grapevine.voidphone.messages import (
    Announce, Hello, Notification, Notify, PeerNotification, PeerRequest, PeerResponse, Ping,
    Push, Validation, VerificationRequest, VerificationResponse)

EXAMPLE = parse_address("1.2.3.4:5001")
NONCE, CHALLENGE = 0x0102030405060708, 0x1112131415161718
EXACT = [
    (Announce(3, 0x0203, b"ab"), "000a 01f4 03 00 0203 6162"),
    (Announce(0, 0xFFFF, b""), "0008 01f4 00 00 ffff"),
    (Announce(255, 0, b"\0"), "0009 01f4 ff 00 0000 00"),
    (Notify(0x0203), "0008 01f5 0000 0203"),
    (Notify(0xFFFF), "0008 01f5 0000 ffff"),
    (Notification(0x0405, 0x0203, b"ab"), "000a 01f6 0405 0203 6162"),
    (Notification(0xFFFF, 0, b""), "0008 01f6 ffff 0000"),
    (Validation(0x0405, True), "0008 01f7 0405 0001"),
    (Validation(0xFFFF, False), "0008 01f7 ffff 0000"),
    (PeerRequest(), "0004 01f8"),
    (PeerResponse(()), "0004 01f9"),
    (PeerResponse((EXAMPLE, parse_address("255.254.253.252:65535"))),
     "0010 01f9 01020304 1389 fffefdfc ffff"),
    (VerificationRequest(NONCE), "000c 01fa 0102030405060708"),
    (VerificationRequest(2**64 - 1), "000c 01fa ffffffffffffffff"),
    (VerificationResponse(NONCE, CHALLENGE, EXAMPLE),
     "001a 01fb 0102030405060708 1112131415161718 01020304 1389"),
    (Hello(EXAMPLE), "000a 01fc 01020304 1389"),
    (Push(0x0506, EXAMPLE), "000c 01fd 0506 01020304 1389"),
    (Ping(), "0004 01fe"),
    (PeerNotification(4, 0x0405, 0x0203, b"ab"), "000c 01ff 04 00 0405 0203 6162"),
    (PeerNotification(255, 0xFFFF, 0, b""), "000a 01ff ff 00 ffff 0000"),
]


def mutated(data: bytes, rng: random.Random) -> bytes:
    """A message with some bytes after its header changed. One in ten has its header changed as
    well, or bytes added or removed; then its size is mostly made right again."""
    data = bytearray(data)
    for _ in range(rng.randint(0, 3) if len(data) > 4 else 0):
        data[rng.randrange(4, len(data))] = rng.choice([0, 1, 127, 255, rng.randrange(256)])
    if rng.random() < 0.1:
        at, kind = rng.randrange(len(data)), rng.randrange(4)
        if kind == 0:
            data[rng.randrange(4)] = rng.randrange(256)
        elif kind == 1:
            del data[at:at + rng.randint(1, 9)]
        elif kind == 2:
            data[at:at] = rng.randbytes(rng.randint(1, 30))
        else:
            data[at:at] = rng.choice([b"\0" * 6, b"\xff" * 6, b"\x01\xf4", b"\x7f\0\0\1\0\1"])
        if kind and rng.random() < 0.7:
            data[:2] = len(data).to_bytes(2, "big")
    return bytes(data)
