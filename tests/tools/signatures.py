"""Signatures by a chosen implementation, and keys that only an attacker makes."""

import contextlib

import pytest

from gossip.signing import ed25519

try:
    from gossip.signing import openssl
except ImportError:
    openssl = None  # a Python without one

needs_openssl = pytest.mark.skipif(openssl is None, reason="this Python has no OpenSSL")
IMPLEMENTATIONS = [pytest.param(ed25519, id="own"),
                   pytest.param(openssl, id="openssl", marks=needs_openssl)]


@contextlib.contextmanager
def signing_by(implementation):
    """All that is signed and checked meanwhile is signed and checked by this implementation."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ed25519, "implementation", lambda: implementation)
        yield


def small_points():
    """The eight points of which eight times is nothing; the first is the neutral one."""
    generator = ed25519._decode(ed25519.Y_OF_ORDER_8.to_bytes(32, "little"))
    points = [ed25519.NEUTRAL]
    while len(points) < 8:
        points.append(ed25519._added(points[-1], generator))
    return points


class TwistedKey:
    """A key that is an honest one and a point of small order. What it signs holds a point of small
    order, too, and fits where the two happen to cancel."""

    def __init__(self, secret: bytes, point):
        self._honest = ed25519.SigningKey(secret)
        self.public = ed25519._encode(ed25519._added(ed25519._decode(self._honest.public), point))

    def sign(self, message: bytes, number: int, point) -> bytes:
        """`number` is the secret number of this signature."""
        made = ed25519._encode(ed25519._added(ed25519._multiplied((number, ed25519.BASE)), point))
        challenge = ed25519._hashed(made, self.public, message)
        scalar = (number + challenge * self._honest._scalar) % ed25519.L
        return made + scalar.to_bytes(32, "little")
