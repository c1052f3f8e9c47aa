"""Ed25519 signatures (RFC 8032): make a key, sign, check. Pure; it knows nothing of gossip.

A point of the curve is multiplied by a comb (C. Lim, P. Lee, "More flexible exponentiation with
precomputation", 1994): the 258 bits of a scalar are cut into TEETH runs of SPAN bits. A table has
the sum of every choice among the point times 2^0, 2^SPAN, 2^(2·SPAN), …; then every column of
bits costs one doubling and one addition. A check adds from two tables, B's and the key's, while it
doubles once. The table of a key takes three times as long as a check with it, so keys are kept.

Python's numbers take time that depends on their values. Whoever can measure a signer to a
microsecond might learn its key. A key here lives as long as its peer, and signs what is said.
"""

import functools
import hashlib

P = 2**255 - 19  # the field
L = 2**252 + 27742317777372353535851937790883648493  # the order of the base point B
D = -121665 * pow(121666, -1, P) % P  # of the curve -x² + y² = 1 + D·x²·y²
ROOT = pow(2, (P - 1) // 4, P)  # a square root of -1

TEETH, SPAN = 6, 43  # 6 · 43 = 258 bits
KEYS_KEPT = 1_024  # tables of keys that were used last, some 15 KiB each

# A point is (X, Y, Z, T) with x = X/Z, y = Y/Z, x·y = T/Z; in a table (y + x, y - x, 2·D·x·y).
NEUTRAL = (0, 1, 1, 0)


class SigningKey:
    """A key pair; `public` is the 32 bytes by which others check."""

    def __init__(self, secret: bytes):
        """`secret` is 32 random bytes, which are the key."""
        digest = hashlib.sha512(secret).digest()
        number = int.from_bytes(digest[:32], "little")
        self._scalar = number & (2**254 - 8) | 2**254
        self._prefix = digest[32:]
        self.public = _encode(_times_base(self._scalar % L))

    def sign(self, message: bytes) -> bytes:
        """The signature of a message: 64 bytes."""
        nonce = _number(self._prefix, message)
        point = _encode(_times_base(nonce))
        challenge = _number(point, self.public, message)
        return point + ((nonce + challenge * self._scalar) % L).to_bytes(32, "little")


def check(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether the owner of a public key has signed this message. Only the one canonical spelling of
    a key, and of a signature, is accepted; a key of small order fits every message: it is none."""
    table = _table_of_key(public)
    if table is None or len(signature) != 64:
        return False
    scalar = int.from_bytes(signature[32:], "little")
    if scalar >= L:
        return False
    challenge = _number(signature[:32], public, message)
    point = _comb(((scalar, _base_table()), (-challenge % L, table)))
    return _encode(point) == signature[:32]


def _number(*parts: bytes) -> int:
    """A number below the order, drawn by a hash."""
    return int.from_bytes(hashlib.sha512(b"".join(parts)).digest(), "little") % L


# Points.

def _double(point):
    x, y, z, _ = point
    a, b = x * x % P, y * y % P
    c = 2 * z * z
    e, g = (x + y) * (x + y) - a - b, b - a
    f, h = g - c, -a - b
    return e * f % P, g * h % P, f * g % P, e * h % P


def _add(point, entry):
    """The sum of a point and an entry of a table."""
    x, y, z, t = point
    plus, minus, product = entry
    a, b, c = (y - x) * minus % P, (y + x) * plus % P, t * product % P
    d = 2 * z
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def _entries(points) -> list[tuple[int, int, int]]:
    """Points as entries of a table, by a single inversion (P. Montgomery's trick)."""
    products = [1]
    for point in points:
        products.append(products[-1] * point[2] % P)
    inverse, entries = pow(products[-1], -1, P), []
    for at in range(len(points) - 1, -1, -1):
        x, y, z, _ = points[at]
        one = inverse * products[at] % P
        inverse = inverse * z % P
        x, y = x * one % P, y * one % P
        entries.append(((y + x) % P, (y - x) % P, 2 * D * x * y % P))
    return entries[::-1]


def _encode(point) -> bytes:
    x, y, z, _ = point
    inverse = pow(z, -1, P)
    return (y * inverse % P | (x * inverse % P & 1) << 255).to_bytes(32, "little")


def _decode(data: bytes):
    """A point from its 32 bytes; None when they are no point in its canonical spelling."""
    number = int.from_bytes(data, "little")
    y, odd = number & (2**255 - 1), number >> 255
    if len(data) != 32 or y >= P:
        return None
    u, v = y * y - 1, D * y * y + 1
    x = u * v**3 * pow(u * v**7, (P - 5) // 8, P) % P
    if (v * x * x - u) % P:
        x = x * ROOT % P
        if (v * x * x - u) % P:
            return None
    if x == 0 and odd:
        return None
    if x & 1 != odd:
        x = P - x
    return x, y, 1, x * y % P


# Tables.

def _table(point) -> list[tuple[int, int, int]]:
    """For each number from 0 to 63: the sum of the point times 2^(SPAN·i), for its bits i."""
    teeth = [point]
    for _ in range(TEETH - 1):
        for _ in range(SPAN):
            point = _double(point)
        teeth.append(point)
    sums = [NEUTRAL]
    for entry in _entries(teeth):
        sums += [_add(one, entry) for one in sums]
    return _entries(sums)


@functools.cache
def _base_table() -> list[tuple[int, int, int]]:
    y = 4 * pow(5, -1, P) % P
    return _table(_decode(y.to_bytes(32, "little")))


@functools.lru_cache(maxsize=KEYS_KEPT)
def _table_of_key(public: bytes):
    """The table of a key; None when the bytes are no key."""
    point = _decode(public)
    if point is None or _double(_double(_double(point)))[0] == 0:
        return None
    return _table(point)


def _times_base(scalar: int):
    return _comb(((scalar, _base_table()),))


def _comb(products):
    """The sum of scalars times the points of their tables."""
    point = NEUTRAL
    columns = [_columns(scalar) for scalar, _ in products]
    tables = [table for _, table in products]
    for choices in zip(*columns):
        point = _double(point)
        for table, choice in zip(tables, choices):
            if choice:
                point = _add(point, table[choice])
    return point


def _columns(scalar: int) -> list[int]:
    """For each bit of a run, the highest first: the number that this bit of all runs makes."""
    bits = f"{scalar:0{TEETH * SPAN}b}"
    runs = [bits[at:at + SPAN] for at in range(0, TEETH * SPAN, SPAN)]
    return [int("".join(column), 2) for column in zip(*runs)]
