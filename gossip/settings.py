"""The settings of a node, config.txt, and the word filter."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from gossip.addresses import Target, can_be_dialled, is_loopback, parse_typed
from gossip.capacity import BY_RULE, Capacity

MIB = 1 << 20
CORRUPT_WATCHED = 1_000  # corrupt lines within a period that end a link, if neighbours are watched
LATE_FROM = 0.05  # seconds of lateness below which nothing changes
LATE_FOR = 4.0  # seconds for which a process counts as late after its threads ran late
WAYS = ("flood", "rumor", "tree")  # of spreading; gossip/spread/spreading.py makes them


class Filter(NamedTuple):
    """The words that no message may contain, and their file."""

    file: str = ""
    words: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.file

    def search(self):
        """Return a function that finds words in a text; None without words. It finds whole words
        in any case, but neither `virus` in `antivirus`, nor `#!@` in `x#!@`."""
        def whole(word: str) -> str:
            before = r"(?<!\w)" if word[0].isalnum() else r"(?<!\S)"
            after = r"(?!\w)" if word[-1].isalnum() else r"(?!\S)"
            return before + re.escape(word) + after

        patterns = "|".join(map(whole, self.words))
        return re.compile(patterns, re.IGNORECASE).search if patterns else None


class Settings(NamedTuple):
    """The settings of a node. The command line of a peer can set the first block, and that of a
    seed OF_SEEDS (terminal/command_line.py); programs and tests set some of the rest."""

    gossip_count: int = 10  # messages that the generator makes
    gossip_interval: float = 5.0  # seconds between them
    liveness_interval: float = 13.0  # seconds between liveness rounds
    liveness_misses: int = 3  # unanswered rounds in a row before a last probe decides
    antientropy_interval: float = 10.0  # seconds between comparisons; 0: never compare
    cache_size: int = 100_000  # texts held for peers that lack them
    capacity: Capacity = BY_RULE  # how many neighbours a peer may have
    spread: str = "flood"  # the way of spreading, one of WAYS
    rumor_stop: float = 0.25  # probability that a rumor stops after a neighbour already knew it
    sign: bool = False  # whether gossip is signed; all peers of a network sign, or none does
    rate: int = 1_000  # rate limit: a neighbour's own lines per second; 0: no limit
    burst: int = 10_000  # lines that it may send at once beyond the rate
    monitor: bool = False  # whether neighbours are watched, and seeds decide who is malicious
    report_interval: float = 10.0  # seconds of a period; each peer reports once in it
    settle: float = 2.0  # seconds that a message is known before a neighbour must have it
    filter: Filter = Filter()  # words that no message may contain
    file_limit: int = 4096  # MiB at which an output file is full; 0: no limit
    ban: float = 600.0  # seconds for which a malicious peer is refused

    registrations_per_ip: int = 256  # that a seed lists, except on loopback; 0: any number
    corrupt_limit: int = 3  # corrupt lines within `corrupt_memory` that end a link; 0: never
    corrupt_memory: float = 60.0  # seconds; a neighbour is also shut out for so long
    cache_bytes: int = 64 * MIB  # bytes of all texts held
    runs_kept: int = 100_000  # runs remembered for which seeds vouch; a run is one life of a peer
    runs_of_address: int = 8  # of `runs_kept`, for one address that a seed has named
    runs_unvouched: int = 30_000  # runs remembered for which no seed vouches
    runs_of_one: int = 10_000  # of `runs_unvouched`, brought by one neighbour
    intervals_kept: int = 1_000  # intervals of seen numbers in one run
    intervals_in_all: int = 200_000  # of all runs, beyond the first of each
    intervals_of_one: int = 50_000  # of `intervals_in_all`, brought by one neighbour
    introduction_limit: float = 5.0  # seconds that a newcomer has for its first valid line
    probe_limit: float = 2.0  # seconds for one probe, connecting included
    quick_look: float = 0.25  # seconds for a seed's first, quick probe
    probe_tries: int = 2  # further probes that must fail before a seed refuses or removes a peer
    probes_at_once: int = 64  # patient probes under way in each lane of liveness/prober.py
    register_limit: float = 10.0  # seconds that a seed may take to answer `register:`
    register_misses: int = 3  # unanswered rounds before another seed is tried
    retry_first: float = 0.5  # seconds: the first backoff after a failure; it doubles
    retry_last: float = 15.0  # seconds: the longest backoff before a seed is tried again
    backlog_limit: int = 8 * MIB  # bytes that may wait for one neighbour
    origin_wait: float = 2.0  # seconds at most that a portion of new messages waits for neighbours
    portion: int = 256 * 1024  # bytes sent in answer to one `want`
    fetch_patience: float = 2.0  # seconds without a portion until another neighbour is asked
    rumor_window: int = 256 * 1024  # bytes of unanswered rumors at one neighbour
    rumor_patience: float = 2.0  # seconds until an unanswered rumor is retried, or given up
    grace: float = 60.0  # seconds that a peer has to register again after its connection broke

    def corrupt_most(self) -> int:
        """Return how many corrupt lines end a link, or 0. Where neighbours are watched, more do,
        because a peer that is cut off at once is reported by nobody."""
        return CORRUPT_WATCHED if self.monitor and self.corrupt_limit else self.corrupt_limit

    def words(self) -> str:
        """Return the command-line settings as `NAME=VALUE:…`, for a `settings:` line."""
        shown = self._asdict() | {"capacity": str(self.capacity).replace(":", " "),
                                  "sign": "yes" if self.sign else "no",
                                  "monitor": "yes" if self.monitor else "no",
                                  "filter": len(self.filter.words)}
        return ":".join(f"{name.replace('_', '-')}={shown[name]}" for name in ON_COMMAND_LINE)


ON_COMMAND_LINE = Settings._fields[: Settings._fields.index("ban") + 1]


def parse_filter(text: bytes) -> tuple[str, ...]:
    """Parse the words of a filter file, one a line. ValueError names the bad line."""
    words = tuple(dict.fromkeys(word for _, word in _lines_of(text)))
    if not words:
        raise ValueError("no word in it; write one a line")
    return words


def _lines_of(text: bytes, comment: str = "\n") -> Iterator[tuple[int, str]]:
    """Yield the numbers and lines with something in them. ValueError if they are no text."""
    for number, raw in enumerate(text.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        try:
            line = raw.decode().partition(comment)[0].strip()
        except UnicodeDecodeError:
            raise ValueError(f"line {number}: not UTF-8 text") from None
        if line:
            yield number, line


def majority(seeds: int) -> int:
    """Return ⌊n/2⌋+1 of n seeds, so that two peers share one."""
    return seeds // 2 + 1


def parse_config(text: bytes) -> list[Target]:
    """Return the seeds in a config.txt, each once. A first line without any digit is a header.
    ValueError names the bad line."""
    seeds: dict[Target, str] = {}  # -> where it stands
    for at, (number, line) in enumerate(_lines_of(text, "#")):
        if at == 0 and not re.search("[0-9]", line):
            continue
        try:
            seed = parse_typed(line)
            if not can_be_dialled(seed):
                raise ValueError(f"{line!r} is no address that can be dialled")
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from None
        seeds.setdefault(seed, f"line {number}")
    if not seeds:
        raise ValueError("no seed in it; write one HOST:PORT a line")
    return of_one_network(seeds)


def of_one_network(seeds: dict[Target, str]) -> list[Target]:
    """Return the seeds, given where each stands. ValueError if only some are on loopback, because
    then machines would know different seeds by the same addresses."""
    at_home = [seed for seed in seeds if is_loopback(seed)]
    away = [seed for seed in seeds if seed not in at_home]
    if at_home and away:
        raise ValueError(f"{seeds[at_home[0]]}: {at_home[0]} is another seed on every machine; "
                         f"give its address in the network, as {seeds[away[0]]} does ({away[0]})")
    return list(seeds)
