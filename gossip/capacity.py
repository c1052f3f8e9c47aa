"""Capacity: how many neighbours a peer may have. Every peer can compute it for any other.

Pure values. Three rules (gossip/README.md says why the first makes a power law):

rule            int(40 · 1.5^(−id/10)) with id = port mod 100, never below 3
fixed:K         K for everyone
powerlaw:ALPHA  from 3 to 60, P(k) proportional to k^−ALPHA, drawn by a hash of the address
"""

import bisect
import functools
import hashlib
import itertools
import re
from typing import NamedTuple

from gossip.addresses import Address

LARGEST, SMALLEST = 60, 3
IDS = 100  # the id of a peer, which the first rule uses, is its port modulo this
_OF_ID = [max(SMALLEST, int(40 * 1.5 ** (-id / 10))) for id in range(IDS)]


class Capacity(NamedTuple):
    """A rule; `number` is K or ALPHA."""

    kind: str = "rule"
    number: float = 0

    def __str__(self) -> str:
        return f"{self.kind}:{self.number:g}" if self.number else self.kind

    def of(self, address: Address) -> int:
        if self.kind == "fixed":
            return int(self.number)
        if self.kind == "powerlaw":
            return _drawn(self.number, str(address))
        return _OF_ID[address.port % IDS]


BY_RULE = Capacity()


def fixed(number: int) -> Capacity:
    return Capacity("fixed", number)


def parse_capacity(text: str, separator: str = ":") -> Capacity:
    """Parse a rule; ValueError if it is none. 2 <= K <= 9999, and 0 < ALPHA <= 10. In output files
    the separator is a blank, because colons separate settings."""
    kind, _, number = text.partition(separator)
    if text == "rule":
        return BY_RULE
    if kind == "fixed" and re.fullmatch("[0-9]{1,4}", number) and int(number) >= 2:
        return fixed(int(number))
    if (kind == "powerlaw" and re.fullmatch(r"[0-9]{1,2}(\.[0-9]{1,3})?", number)
            and 0 < float(number) <= 10):
        return Capacity(kind, float(number))
    raise ValueError(f"{text!r} is neither fixed:K with a K of 2 or more nor powerlaw:ALPHA "
                     f"with an ALPHA above 0, up to 10")


def shares(alpha: float, low: int, high: int) -> dict[int, float]:
    """Return P(k), proportional to k^−alpha, for k from low to high."""
    weights = {k: k ** -alpha for k in range(low, high + 1)}
    total = sum(weights.values())
    return {k: weight / total for k, weight in weights.items()}


@functools.lru_cache(maxsize=16_384)
def _drawn(alpha: float, address: str) -> int:
    """Return the capacity at the quantile that hashing an address gives."""
    quantile = int.from_bytes(hashlib.sha256(address.encode()).digest()[:6], "big") / 2**48
    cumulative = list(itertools.accumulate(shares(alpha, SMALLEST, LARGEST).values()))
    return min(LARGEST, SMALLEST + bisect.bisect_right(cumulative, quantile))
