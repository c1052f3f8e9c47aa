"""The curve of Ed25519 once more, and what only attackers make of it: for tests, so it is slow.

A point is (x, y). `SMALL` are the eight points of which eight times is nothing.
"""

import hashlib

from grapevine.signing.ed25519 import D, L, P, ROOT, Y_OF_ORDER_8

NEUTRAL = 0, 1


def number(data: bytes) -> int:
    return int.from_bytes(data, "little")


def spelled(value: int) -> bytes:
    return value.to_bytes(32, "little")


def flipped(data: bytes, bit: int) -> bytes:
    """Return data of which one bit is another."""
    return (number(data) ^ 1 << bit).to_bytes(len(data), "little")


def point_of(data: bytes):
    """Return the point (x, y) that 32 bytes spell; None without one."""
    y, odd = number(data) % 2**255, number(data) >> 255
    u, v = y * y - 1, D * y * y + 1
    x = u * v**3 * pow(u * v**7, (P - 5) // 8, P) % P
    x = x if (v * x * x - u) % P == 0 else x * ROOT % P
    return None if (v * x * x - u) % P else (x if x & 1 == odd else -x % P, y)


def bytes_of(point) -> bytes:
    return spelled(point[1] | (point[0] & 1) << 255)


def added(one, other):
    (x, y), (u, v) = one, other
    product = D * x * u * y * v
    return (x * v + u * y) * pow(1 + product, -1, P) % P, (
        y * v + x * u) * pow(1 - product, -1, P) % P


def times(factor: int, point):
    total = NEUTRAL
    for bit in bin(factor)[2:]:
        total = added(total, total)
        total = added(total, point) if bit == "1" else total
    return total


def hashed(*parts: bytes) -> int:
    return number(hashlib.sha512(b"".join(parts)).digest()) % L


BASE = point_of(spelled(4 * pow(5, -1, P) % P))
SMALL = [times(factor, point_of(spelled(Y_OF_ORDER_8))) for factor in range(8)]
NONCES = {nonce: times(nonce, BASE) for nonce in (0, 1, 2**200 + 3, 7 * 2**240 + 5)}


class TwistedKey:
    """The sum of an honest key and a point of small order. What it signs has such a point, too, and
    fits where the two happen to cancel."""

    def __init__(self, secret: bytes, small):
        digest = hashlib.sha512(secret).digest()
        self._scalar = number(digest[:32]) & (2**254 - 8) | 2**254
        self.public = bytes_of(added(times(self._scalar, BASE), small))

    def sign(self, message: bytes, nonce: int, small) -> bytes:
        made = bytes_of(added(NONCES[nonce], small))
        return made + spelled((nonce + hashed(made, self.public, message) * self._scalar) % L)


def as_others(factor: int, public: bytes, message: bytes, signature: bytes) -> bool:
    """Judge as other libraries do: modulo L, or after both sides are multiplied by 8."""
    key, made = point_of(public), point_of(signature[:32])
    if key is None or made is None:
        return False
    challenge = hashed(signature[:32], public, message)
    sum_ = added(times(number(signature[32:]), BASE), times(-challenge % L, key))
    return times(factor, sum_) == times(factor, made)
