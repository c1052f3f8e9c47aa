"""The settings of a node: flags, the rule of capacity, the seeds of config.txt, filtered words.

Pure values, apart from the text of files, which callers read.
"""

import bisect
import functools
import hashlib
import itertools
import re
from collections.abc import Iterable
from typing import NamedTuple

from grapevine.addresses import Address, Target, parse_target
from grapevine.typed import lines_of

WAYS = ("flood", "rumor", "tree")  # of spreading (ways/)


def parse_way(text: str) -> str:
    """Return the name of a way of spreading; ValueError if it is none of WAYS."""
    if text not in WAYS:
        raise ValueError(f"{text!r} is none of {', '.join(WAYS)}")
    return text


class Settings(NamedTuple):
    """The settings on the command line of a node; a peer's file shows them in `settings:`."""

    gossip_count: int = 10  # messages that the generator makes
    gossip_interval: float = 5.0  # seconds between them
    liveness_interval: float = 13.0  # seconds between liveness rounds
    liveness_misses: int = 3  # unanswered rounds in a row before a last probe decides
    antientropy_interval: float = 10.0  # seconds between comparisons; 0: never compare
    cache_size: int = 100_000  # texts held for peers that lack them
    spread: str = "flood"  # the way of spreading: one of WAYS
    rumor_stop: float = 0.25  # probability that a rumor ends once a neighbour knew it already
    capacity: str = "rule"  # how many neighbours a peer may have, see `capacity_of`
    rate: int = 1_000  # lines a second in its own name that a neighbour is read at; 0: any number
    burst: int = 10_000  # lines that it may say beyond that at once
    filter: tuple[str, ...] = ()  # words that no message may contain
    sign: bool = False  # sign messages, and take only signed ones (signing/)
    monitor: bool = False  # watch neighbours, shut out malicious peers (monitoring/); implies sign
    report_interval: float = 10.0  # seconds of a period of monitoring
    ban: float = 600.0  # seconds for which a malicious peer is shut out
    registrations_per_ip: int = 256  # that a seed lists, except on loopback; 0: any number

    def shown(self) -> str:
        """Return `NAME=VALUE:…`; colons within a value are blanks."""
        values = self._asdict() | {"filter": len(self.filter)}
        values |= {name: "yes" if values[name] else "no" for name in ("sign", "monitor")}
        del values["registrations_per_ip"]  # a seed's
        return ":".join(f"{name.replace('_', '-')}={str(value).replace(':', ' ')}"
                        for name, value in values.items())


# Capacity: how many neighbours a peer may have, which every other peer can compute.

SMALLEST, LARGEST = 3, 60  # capacities drawn from a power law
RULES = "rule, fixed:K with a K of 2 or more, or powerlaw:ALPHA with an ALPHA above 0, up to 10"


def parse_capacity(text: str) -> str:
    """Return a rule of capacity; ValueError if it is none of RULES."""
    kind, _, number = text.partition(":")
    if (text == "rule" or kind == "fixed" and re.fullmatch("[2-9]|[1-9][0-9]{1,3}", number)
            or kind == "powerlaw" and re.fullmatch(r"[0-9]{1,2}(\.[0-9]{1,3})?", number)
            and 0 < float(number) <= 10):
        return text
    raise ValueError(f"{text!r} is none of {RULES}")


@functools.lru_cache(maxsize=32_768)
def capacity_of(address: Address, rule: str) -> int:
    """Return the capacity of a peer by a rule. `rule`: int(40 · 1.5^(−id/10)) with id = port mod
    100, at least 3; those above follow a power law with exponent 1. `fixed:K`: K.
    `powerlaw:ALPHA`: 3 to 60, P(k) proportional to k^−ALPHA, at a quantile hashed from it."""
    kind, _, number = rule.partition(":")
    if kind == "fixed":
        return int(number)
    if kind == "powerlaw":
        weights = list(itertools.accumulate(
            k ** -float(number) for k in range(SMALLEST, LARGEST + 1)))
        quantile = int.from_bytes(hashlib.sha256(address.text.encode()).digest()[:6], "big") / 2**48
        return min(LARGEST, SMALLEST + bisect.bisect_right(weights, quantile * weights[-1]))
    return max(SMALLEST, int(40 * 1.5 ** (-(address.port % 100) / 10)))


# Files.

def majority(seeds: int) -> int:
    """Return ⌊n/2⌋+1 of n seeds, so that any two peers share one."""
    return seeds // 2 + 1


def parse_config(data: bytes, may_have_header: bool = True) -> list[Target]:
    """Return the seeds in a config.txt, one a line, each once. A first line without any digit may
    be a header. ValueError names the bad line."""
    seeds: dict[Target, int] = {}  # -> number of its line
    for at, (number, line) in enumerate(lines_of(data, "#")):
        if at == 0 and may_have_header and not re.search("[0-9]", line):
            continue
        try:
            seeds.setdefault(parse_target(line), number)
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from None
    if not seeds:
        raise ValueError("no seed in it; write one HOST:PORT a line")
    _check_machines(seeds)
    return list(seeds)


def _check_machines(seeds: dict[Target, int]) -> None:
    """Raise ValueError if only some seeds are on loopback: then machines would know different
    seeds by the same addresses. Or if some are reached by IPv4 alone, others by IPv6: peers of one
    family never meet the others."""
    at_home = [seed for seed in seeds if isinstance(seed, Address) and seed.is_loopback
               or seed == ("localhost", seed.port)]
    away = [seed for seed in seeds if seed not in at_home]
    if at_home and away:
        raise ValueError(f"line {seeds[at_home[0]]}: {at_home[0]} is another seed on every "
                         f"machine; give its address in the network, as {away[0]} does")
    of_family = {seed.family: seed for seed in away if isinstance(seed, Address)}
    if len(of_family) > 1:
        one, other = of_family.values()
        raise ValueError(f"line {seeds[other]}: {one} and {other} are of IPv4 and of IPv6; take "
                         "addresses of one kind")


def parse_filter(data: bytes) -> tuple[str, ...]:
    """Return the words of a filter file, one a line. ValueError if there is none."""
    words = tuple(dict.fromkeys(word for _, word in lines_of(data)))
    if not words:
        raise ValueError("no word in it; write one a line")
    return words


SHARED = 3  # first characters of forbidden words by which these are tried, not each by itself


def word_finder(words: tuple[str, ...]):
    """Return a function that finds whole words, in any case, in a text; None without words. It
    finds neither `virus` in `antivirus` nor `#!@` in `x#!@`."""
    def before(word: str) -> str:
        return r"(?<!\w)" if word[0].isalnum() else r"(?<!\S)"

    def rest(word: str) -> str:
        return re.escape(word[SHARED:]) + (r"(?!\w)" if word[-1].isalnum() else r"(?!\S)")

    def any_of(group: Iterable[str], at: int) -> str:
        """Return a pattern of words from their characters `at` on, those that they share once."""
        return "|".join(map(rest, group)) if at == SHARED else "|".join([
            f"{re.escape(letter)}(?:{any_of(some, at + 1)})" for letter, some in
            itertools.groupby(group, lambda word: word[at:at + 1])])

    kinds = itertools.groupby(sorted(words, key=lambda word: (before(word), word)), before)
    pattern = "|".join([f"{begin}(?:{any_of(group, 0)})" for begin, group in kinds])
    return re.compile(pattern, re.IGNORECASE).search if words else None
