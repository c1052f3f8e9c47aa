"""Ed25519 by Python's own numbers, for a Python without OpenSSL's. Pure.

A point of the curve is multiplied by a comb (C. Lim, P. Lee, "More flexible exponentiation with
precomputation", 1994): the 258 bits of a scalar are cut into TEETH runs of SPAN bits, and each bit
stands for +1 or -1. A table has every sum of the point times 1, 2^SPAN, 2^(2·SPAN), …, each plus or
minus; then every column of bits costs one doubling and one addition. A check adds from two tables,
B's and the key's, while it doubles once. The table of a key takes twice as long as a check with it,
so keys are kept.

Python's numbers take time that depends on their values. Whoever can measure a signer to a
microsecond might learn its key. A key here lives as long as its peer, and signs what is said.

A key may be the sum of an honest one and a point of small order. Then a scalar must not be taken
modulo L, or this would judge other than OpenSSL, and neighbours would blame one another.
"""

import functools
import hashlib

NAME = "Python"  # as `status` tells it

P = 2**255 - 19  # the field
L = 2**252 + 27742317777372353535851937790883648493  # the order of the base point B
D = -121665 * pow(121666, -1, P) % P  # of the curve -x² + y² = 1 + D·x²·y²
D2 = 2 * D % P  # as formulas need it
ROOT = pow(2, (P - 1) // 4, P)  # a square root of -1

TEETH, SPAN = 6, 43  # 6 · 43 = 258 bits
KEYS_KEPT = 1_024  # tables of keys that were used last, some 12 KiB each

# A point is (X, Y, Z, T): x = X/Z, y = Y/Z, x·y = T/Z. In a table it is (y + x, y - x, 2·D·x·y).
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


def fits(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether a signature fits; `ed25519.check` has looked at the spelling of both."""
    key = _table_of_key(public)
    if key is None:
        return False
    table, entry = key
    scalar = int.from_bytes(signature[32:], "little")
    challenge = _number(signature[:32], public, message)
    point = _comb(((_odd(scalar), _base_table()), (-(challenge | 1), table)))
    if not challenge & 1:  # one time too often was subtracted
        point = _add(point, entry)
    return _encode(point) == signature[:32]


def _number(*parts: bytes) -> int:
    """A number below the order, drawn by a hash."""
    return int.from_bytes(hashlib.sha512(b"".join(parts)).digest(), "little") % L


# Points. A sum is first had as four factors: X = E·F, Y = G·H, Z = F·G, T = E·H. As a doubling
# needs no T, loops keep the factors until they know.

def _doubled(point, times: int):
    """A point times 2^times."""
    x, y, z, _ = point
    for _ in range(times):
        a, b = x * x % P, y * y % P
        e, g, h = 2 * x * y % P, b - a, -a - b
        f = (g - 2 * z * z) % P
        x, y, z = e * f % P, g * h % P, f * g % P
    return x, y, z, e * h % P


def _add(point, entry):
    """The sum of a point and an entry of a table."""
    x, y, z, t = point
    plus, minus, product = entry
    a, b, c, d = (y - x) * minus % P, (y + x) * plus % P, t * product % P, 2 * z
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def _negative(entry):
    plus, minus, product = entry
    return minus, plus, -product


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
        entries.append(((y + x) % P, (y - x) % P, x * y % P * D2 % P))
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
    u, v = (y * y - 1) % P, (D * y * y + 1) % P
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
    """For each number from 0 to 63: the sum of the points times 2^(SPAN·i), each positive where bit
    i of the number is 1, and negative where it is 0."""
    teeth = [point]
    for _ in range(TEETH - 1):
        teeth.append(_doubled(teeth[-1], SPAN))
    lower = _entries(teeth[:-1] + [_doubled(tooth, 1) for tooth in teeth[:-1]])
    sums = [teeth[-1]]
    for entry in lower[:TEETH - 1]:
        sums[0] = _add(sums[0], _negative(entry))
    for twice in lower[TEETH - 1:]:
        sums += [_add(one, twice) for one in sums]
    upper = _entries(sums)
    return [_negative(entry) for entry in reversed(upper)] + upper


@functools.cache
def _base_table() -> list[tuple[int, int, int]]:
    y = 4 * pow(5, -1, P) % P
    return _table(_decode(y.to_bytes(32, "little")))


@functools.lru_cache(maxsize=KEYS_KEPT)
def _table_of_key(public: bytes):
    """The table of a key, and the key as an entry; None when the bytes are no key."""
    point = _decode(public)
    return None if point is None else (_table(point), _entries([point])[0])


def _times_base(scalar: int):
    return _comb(((_odd(scalar), _base_table()),))


def _odd(scalar: int) -> int:
    """An odd scalar that makes the same of the base point."""
    return scalar if scalar & 1 else scalar + L


def _comb(products):
    """The sum of odd scalars times the points of their tables. The loop is `_doubled` and `_add`,
    without their calls."""
    x, y, z, _ = NEUTRAL
    chosen = [[table[column] for column in _columns(scalar)] for scalar, table in products]
    for entries in zip(*chosen):
        a, b = x * x % P, y * y % P
        e, g, h = 2 * x * y % P, b - a, -a - b
        f = (g - 2 * z * z) % P
        for plus, minus, product in entries:
            x, y, z, t = e * f % P, g * h % P, f * g % P, e * h % P
            a, b, c, d = (y - x) * minus % P, (y + x) * plus % P, t * product % P, 2 * z
            e, f, g, h = b - a, d - c, d + c, b + a
        x, y, z = e * f % P, g * h % P, f * g % P
    return x, y, z, e * h % P


def _columns(scalar: int) -> list[int]:
    """For each bit of a run, the highest first: the number that this bit of all runs makes. A bit
    stands for +1 or -1, not for 1 or 0, and so for an odd scalar, also a negative one."""
    bits = f"{(scalar + 2**(TEETH * SPAN) - 1) // 2:0{TEETH * SPAN}b}"
    runs = [bits[at:at + SPAN] for at in range(0, TEETH * SPAN, SPAN)]
    return [int("".join(column), 2) for column in zip(*runs)]
