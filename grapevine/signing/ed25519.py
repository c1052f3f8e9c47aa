"""Ed25519 signatures (RFC 8032): make a key, sign, verify. It knows nothing of gossip.

OpenSSL does this (openssl.py) if Python has one that passes the self-test below, else the code here
with Python's own integers. It is short rather than fast, but a check stays below 3 ms. Peers blame
each other for bad signatures, so both must judge alike, also in cases about which libraries differ.

The time that Python's integers take depends on their values, so whoever can time a signer to a
microsecond might learn its key. A key here lives as long as its peer, and signs what is said.
"""

import functools
import hashlib
import sys

NAME = "Python"  # as `status` tells it

KEY_SIZE, SIGNATURE_SIZE = 32, 64  # bytes
P = 2**255 - 19  # the field
L = 2**252 + 27742317777372353535851937790883648493  # the order of the base point
D = -121665 * pow(121666, -1, P) % P  # of the curve -x² + y² = 1 + D·x²·y²
ROOT = pow(2, (P - 1) // 4, P)  # a square root of -1
KEYS_KEPT = 1_024  # points cached of keys used last

SIGN_OF_X = 1 << 255  # the highest bit of a key; below it is y
Y_OF_ORDER_8 = 0x05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826
Y_OF_SMALL_ORDER = {0, 1, P - 1, Y_OF_ORDER_8, P - Y_OF_ORDER_8}


def signing_key(secret: bytes):
    """Return the key of 32 random bytes: it has `public`, 32 bytes, and `sign(message)`."""
    return implementation().SigningKey(secret)


def check(public: bytes, message: bytes, signature: bytes) -> bool:
    """Return whether the owner of a public key has signed this message. Spellings other than the
    canonical one are rejected, and so are keys of small order, because they fit any message."""
    if len(public) != KEY_SIZE or len(signature) != SIGNATURE_SIZE:
        return False
    y = int.from_bytes(public, "little") & ~SIGN_OF_X
    scalar = int.from_bytes(signature[32:], "little")
    return (y < P and y not in Y_OF_SMALL_ORDER and scalar < L
            and implementation().fits(public, message, signature))


@functools.cache
def implementation():
    """Return the module that signs and verifies in this process: `openssl`, or this one."""
    try:
        from grapevine.signing import openssl  # here, because this takes some milliseconds
    except (ImportError, MemoryError):  # a hardened system gives ctypes no memory for code
        return sys.modules[__name__]
    return openssl if _is_right(openssl) else sys.modules[__name__]


# Our own code. What is public is the same in openssl.py.

class SigningKey:
    """A key pair; others verify with `public`, 32 bytes."""

    def __init__(self, secret: bytes):
        digest = hashlib.sha512(secret).digest()
        self._scalar = (_number(digest[:32]) & (2**254 - 8) | 2**254) % L
        self._prefix = digest[32:]
        self.public = _encode(_multiplied((self._scalar, BASE)))

    def sign(self, message: bytes) -> bytes:
        nonce = _hashed(self._prefix, message)
        point = _encode(_multiplied((nonce, BASE)))
        scalar = (nonce + _hashed(point, self.public, message) * self._scalar) % L
        return point + scalar.to_bytes(32, "little")


def fits(public: bytes, message: bytes, signature: bytes) -> bool:
    """Return whether a signature fits; `check` has checked all spellings. A key may be the sum of
    an honest key and a point of small order. So minus the key is multiplied, because -k modulo L
    would differ from what OpenSSL computes."""
    point = _decode(public)
    if point is None:
        return False
    x, y, z, t = point
    challenge = _hashed(signature[:32], public, message)
    return _encode(_multiplied((_number(signature[32:]), BASE),
                             (challenge, (-x, y, z, -t)))) == signature[:32]


def _number(data: bytes) -> int:
    return int.from_bytes(data, "little")


def _hashed(*parts: bytes) -> int:
    """Return a number below the order, from a hash."""
    return _number(hashlib.sha512(b"".join(parts)).digest()) % L


# A point is (X, Y, Z, T): x = X/Z, y = Y/Z, x·y = T/Z.

def _added(one, other):
    """Return the sum of two points, which may be the same."""
    (x, y, z, t), (u, v, w, s) = one, other
    a, b, c, d = (y - x) * (v - u) % P, (y + x) * (v + u) % P, 2 * D * t * s % P, 2 * z * w
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def _multiplied(*products):
    """Return the sum of some (scalar below the order, point), multiplied."""
    total = NEUTRAL
    for bit in reversed(range(L.bit_length())):
        total = _added(total, total)
        for scalar, point in products:
            if scalar >> bit & 1:
                total = _added(total, point)
    return total


def _encode(point) -> bytes:
    """Return the canonical spelling of a point."""
    x, y, z, _ = point
    inverse = pow(z, -1, P)
    return (y * inverse % P | (x * inverse % P & 1) << 255).to_bytes(32, "little")


@functools.lru_cache(maxsize=KEYS_KEPT)
def _decode(data: bytes):
    """Return the point that 32 bytes spell canonically, None without one."""
    y, odd = _number(data) & ~SIGN_OF_X, _number(data) >> 255
    if len(data) != 32 or y >= P:
        return None
    u, v = (y * y - 1) % P, (D * y * y + 1) % P
    x = u * v**3 * pow(u * v**7, (P - 5) // 8, P) % P
    if (v * x * x - u) % P:
        x = x * ROOT % P
    if (v * x * x - u) % P or x == 0 and odd:
        return None
    if x & 1 != odd:
        x = P - x
    return x, y, 1, x * y % P


NEUTRAL = (0, 1, 1, 0)
BASE = _decode((4 * pow(5, -1, P) % P).to_bytes(32, "little"))


# The self-test.

SIGNED = [  # secret, public, message, signature: tests 1 and 3 of RFC 8032, section 7.1
    ("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
     "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9"
     "b46bd25bf5f0595bbe24655141438e7a100b"),
    ("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
     "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
     "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984d"
     "c6594a7c15e9716ed28dc027beceea1ec40a")]
ODD_KEY = "b154bd62188ae283dd187fefe8c31f5e276edf083b4cff11c9d5cff856c74440"
JUDGED = [  # public, message, signature, whether it fits, that is, S·B = R + k·A without a factor;
    # ODD_KEY is the sum of an honest key and a point of small order
    (ODD_KEY, "3130",
     "0c13e1a77df474702be58a3f4c319b4328df3917f6e7a3dbb7e08bef7ec43cfd09735bf40886bd6ccea10fb29c97"
     "aeea9caac3519c03b0ea603fe0d8d98f630c", True),
    (ODD_KEY, "313633",
     "458a1131def510ba1cd57e1928ffb1887efaacbe706eaa28b7bd98cf945eff5cce58648aa01ac22eb24600ede8b7"
     "3fdb67b256d97d7f6dcf5439702c4173040b", False),
    ("02" + "00" * 31, "", "01" + "00" * 63, False)]  # no point of the curve


def _is_right(openssl) -> bool:
    """Return whether OpenSSL has Ed25519 (FIPS may lack it) and judges alike."""
    try:
        for secret, public, message, signature in [map(bytes.fromhex, row) for row in SIGNED]:
            key = openssl.SigningKey(secret)
            if not (key.public == public and key.sign(message) == signature
                    and openssl.fits(public, message, signature)
                    and not openssl.fits(public, message + b"x", signature)):
                return False
        return all(openssl.fits(*map(bytes.fromhex, row)) == fit for *row, fit in JUDGED)
    except openssl.Unable:
        return False
