"""Ed25519 with Python's own integers, for a Python without OpenSSL. Pure.

A point of the curve is multiplied by a comb (C. Lim, P. Lee, "More flexible exponentiation with
precomputation", 1994): the 258 bits of a scalar are cut into TEETH groups of SPAN bits. A table has
every sum of some of the points times 1, 2^SPAN, 2^(2·SPAN), …; then every column of bits costs one
doubling and one addition. A check adds from two tables, B's and the key's, while it doubles once.
The table of a key takes three times as long as a check with it, so tables are cached.

The time that Python's integers take depends on their values, so whoever can time a signer to a
microsecond might learn its key. A key here lives as long as its peer, and signs what is said.

A key may be the sum of an honest key and a point of small order. So its table is of minus the key,
because -k modulo L would differ from what OpenSSL computes, and neighbours would blame one another.
"""

import functools
import hashlib

NAME = "Python"  # as `status` tells it

P = 2**255 - 19  # the field
L = 2**252 + 27742317777372353535851937790883648493  # the order of the base point B
D = -121665 * pow(121666, -1, P) % P  # of the curve -x² + y² = 1 + D·x²·y²
D2 = 2 * D % P  # for the formulas
ROOT = pow(2, (P - 1) // 4, P)  # a square root of -1

TEETH, SPAN = 6, 43  # 6 · 43 = 258 bits
KEYS_KEPT = 1_024  # tables cached of keys used last, some 12 KiB each

# A point is (X, Y, Z, T): x = X/Z, y = Y/Z, x·y = T/Z. In a table it is (y + x, y - x, 2·D·x·y).
NEUTRAL = (0, 1, 1, 0)


class SigningKey:
    """A key pair; others verify with `public`, 32 bytes."""

    def __init__(self, secret: bytes):
        digest = hashlib.sha512(secret).digest()
        number = int.from_bytes(digest[:32], "little")
        self._scalar = number & (2**254 - 8) | 2**254
        self._prefix = digest[32:]
        self.public = _encode(_comb((self._scalar % L, _base_table())))

    def sign(self, message: bytes) -> bytes:
        nonce = _number(self._prefix, message)
        point = _encode(_comb((nonce, _base_table())))
        challenge = _number(point, self.public, message)
        return point + ((nonce + challenge * self._scalar) % L).to_bytes(32, "little")


def fits(public: bytes, message: bytes, signature: bytes) -> bool:
    """Return whether a signature fits; `ed25519.check` has checked all spellings."""
    table = _table_of_key(public)
    if table is None:
        return False
    scalar = int.from_bytes(signature[32:], "little")
    challenge = _number(signature[:32], public, message)
    return _encode(_comb((scalar, _base_table()), (challenge, table))) == signature[:32]


def _number(*parts: bytes) -> int:
    """Return a number below the order, from a hash."""
    return int.from_bytes(hashlib.sha512(b"".join(parts)).digest(), "little") % L


# Points. A sum has four factors: X = E·F, Y = G·H, Z = F·G, T = E·H. Loops compute T only where it
# is needed, because a doubling does without.

def _doubled(point, times: int):
    """Return a point times 2^times."""
    x, y, z, _ = point
    for _ in range(times):
        a, b = x * x % P, y * y % P
        e, g, h = 2 * x * y % P, b - a, -a - b
        f = (g - 2 * z * z) % P
        x, y, z = e * f % P, g * h % P, f * g % P
    return x, y, z, e * h % P


def _add(point, entry):
    x, y, z, t = point
    plus, minus, product = entry
    a, b, c, d = (y - x) * minus % P, (y + x) * plus % P, t * product % P, 2 * z
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def _entries(points) -> list[tuple[int, int, int]]:
    """Return points as entries of a table, by one inversion (P. Montgomery's trick)."""
    products = [1]
    for _, _, z, _ in points:
        products.append(products[-1] * z % P)
    inverse, entries = pow(products.pop(), -1, P), []
    for (x, y, z, _), before in zip(reversed(points), reversed(products)):
        one = inverse * before % P
        inverse = inverse * z % P
        x, y = x * one % P, y * one % P
        entries.append((y + x, y - x, x * y % P * D2 % P))
    return entries[::-1]


def _encode(point) -> bytes:
    x, y, z, _ = point
    inverse = pow(z, -1, P)
    return (y * inverse % P | (x * inverse % P & 1) << 255).to_bytes(32, "little")


def _decode(data: bytes):
    """Return the point that 32 bytes spell canonically, None without one."""
    number = int.from_bytes(data, "little")
    y, odd = number & (2**255 - 1), number >> 255
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


# Tables.

def _table(point) -> list[tuple[int, int, int]]:
    """Return 64 sums of the points `point` times 2^(SPAN·i): the sum at place n has those for which
    bit i of n is 1."""
    teeth, sums = [point], [NEUTRAL]
    for _ in range(TEETH - 1):
        teeth.append(_doubled(teeth[-1], SPAN))
    for entry in _entries(teeth):
        sums += [_add(one, entry) for one in sums]
    return _entries(sums)


@functools.cache
def _base_table() -> list[tuple[int, int, int]]:
    return _table(_decode((4 * pow(5, -1, P) % P).to_bytes(32, "little")))


@functools.lru_cache(maxsize=KEYS_KEPT)
def _table_of_key(public: bytes) -> list[tuple[int, int, int]] | None:
    """Return the table of minus a key, None if it is no point."""
    point = _decode(public)
    if point is None:
        return None
    x, y, z, t = point
    return _table((-x, y, z, -t))


def _comb(*products):
    """Return the sum of scalars times the points of their tables. The loop repeats the code of
    `_doubled` and `_add`, because calls take time."""
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
    """Return the place in the table for each column of bits, highest first."""
    bits = f"{scalar:0{TEETH * SPAN}b}"
    return [int(bits[at::SPAN], 2) for at in range(SPAN)]
