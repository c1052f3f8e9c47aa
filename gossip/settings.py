"""The settings of a node, each with its unit; the list of seeds in config.txt; the word filter.

Pure: the files are read by terminal/command_line.py.
"""

import re
from typing import NamedTuple

from gossip.addresses import Address, can_be_dialled, parse_typed
from gossip.capacity import BY_RULE, Capacity

MIB = 1 << 20


CORRUPT_WATCHED = 1_000  # corrupt lines in a period that end a link where neighbours are watched

LATE_FROM = 0.05  # seconds by which threads run late, below which nothing changes
LATE_FOR = 4.0  # seconds for which a process counts as late once its threads have run late

WAYS = ("flood", "rumor")  # ways of spreading; gossip/spread/spreading.py makes them


class Filter(NamedTuple):
    """The words that no message of a network may have, and the file that names them."""

    file: str = ""
    words: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.file

    def search(self):
        """A function that tells whether a text has one of the words, as a whole word, in small or
        capital letters; None when there are none."""
        if not self.words:
            return None
        whole = "|".join(_whole(word) for word in self.words)
        return re.compile(whole, re.IGNORECASE).search


def _whole(word: str) -> str:
    """A pattern for a whole word: `virus` is none in `antivirus`, and `#!@` is none in `x#!@`."""
    before = r"(?<!\w)" if word[0].isalnum() else r"(?<!\S)"
    after = r"(?!\w)" if word[-1].isalnum() else r"(?!\S)"
    return before + re.escape(word) + after


class Settings(NamedTuple):
    """The settings of a node. The command line can set the first block."""

    gossip_count: int = 10  # messages that the generator makes
    gossip_interval: float = 5.0  # seconds between them
    liveness_interval: float = 13.0  # seconds between liveness rounds
    liveness_misses: int = 3  # unanswered rounds in a row, after which one more probe decides
    antientropy_interval: float = 10.0  # seconds between comparisons; 0: never compare
    cache_size: int = 100_000  # texts held for peers that lack them
    capacity: Capacity = BY_RULE  # how many neighbours a peer may have
    spread: str = "flood"  # the way of spreading, one of WAYS
    rumor_stop: float = 0.25  # probability that a rumor stops when it was told in vain
    sign: bool = False  # whether gossip is signed; all peers of a network sign, or none does
    rate: int = 1_000  # lines a second that a neighbour may say in its own name; 0: any number
    burst: int = 10_000  # lines that it may say beyond that at once
    monitor: bool = False  # whether neighbours are watched, and seeds decide who is malicious
    report_interval: float = 10.0  # seconds of a period: a report in each
    settle: float = 2.0  # seconds that a message is known before it is missed
    filter: Filter = Filter()  # words that no message may have
    file_limit: int = 4096  # MiB of an output file, after which it is full; 0: of any size
    ban: float = 600.0  # seconds for which a malicious peer is refused

    corrupt_limit: int = 3  # corrupt lines within `corrupt_memory` that end a link; 0: never
    corrupt_memory: float = 60.0  # seconds, also those for which a neighbour is shut out
    cache_bytes: int = 64 * MIB  # bytes of all texts held
    runs_kept: int = 100_000  # runs remembered that seeds vouch for; a run is one life of a peer
    runs_of_address: int = 8  # of them, of one address that a seed has named
    runs_unvouched: int = 30_000  # runs remembered for which no seed vouches
    runs_of_one: int = 10_000  # of them, brought by one neighbour
    intervals_kept: int = 1_000  # intervals of seen numbers per run
    intervals_in_all: int = 200_000  # beyond the first of each run
    intervals_of_one: int = 50_000  # of them, made by one neighbour
    gone_rounds: int = 10  # anti-entropy intervals for which a neighbour's `gone` is believed
    introduction_limit: float = 5.0  # seconds that a newcomer has for its first valid line
    verifying_limit: int = 1_024  # registrations that wait for their probe at one seed
    registrations_per_ip: int = 256  # that a seed lists, except on loopback; 0: any number
    probe_limit: float = 2.0  # seconds for one probe, connecting included
    quick_look: float = 0.25  # seconds of the probe with which a seed begins
    probe_tries: int = 2  # probes after it that all fail before a seed refuses or removes a peer
    probes_at_once: int = 64  # probes under way at one seed, or at one peer that asks about runs
    register_limit: float = 10.0  # seconds that a seed may take to answer `register:`
    register_misses: int = 3  # unanswered rounds before another seed is tried
    retry_first: float = 0.5  # seconds: the first pause after a failure; it doubles
    retry_last: float = 15.0  # seconds: the longest pause before a seed is tried again
    answer_limit: float = 5.0  # seconds that a dialled peer may take to accept or refuse
    young: float = 1.0  # seconds: a younger link may give way to a duplicate unasked
    link_check_limit: float = 1.0  # seconds that an older link has to answer before it gives way
    leave_limit: float = 3.0  # seconds that a leaver waits for the others to hang up
    full_rounds: int = 10  # liveness rounds for which a peer that is full is not dialled
    full_tries: int = 4  # refusals after which free places rest, each time twice as long
    backlog_limit: int = 8 * MIB  # bytes that may wait for one neighbour
    origin_limit: int = 1 * MIB  # bytes waiting for a neighbour at which no new messages are made
    origin_wait: float = 2.0  # seconds that a portion of new messages waits for neighbours at most
    portion: int = 256 * 1024  # bytes of catch-up sent before the next is asked for
    fetch_patience: float = 2.0  # seconds without a word until another neighbour is asked
    rumor_window: int = 256 * 1024  # bytes of unanswered rumors at one neighbour
    rumor_patience: float = 2.0  # seconds until an unanswered rumor is told again, or given up
    grace: float = 60.0  # seconds that a peer has to register again when its connection broke

    def corrupt_most(self) -> int:
        """Corrupt lines that end a link. Where neighbours are watched it stands longer, else nobody
        would be left to report them; 0: never."""
        return CORRUPT_WATCHED if self.monitor and self.corrupt_limit else self.corrupt_limit

    def corrupt_window(self) -> float:
        """Seconds within which `corrupt_most` corrupt lines are too many."""
        return self.report_interval if self.monitor else self.corrupt_memory

    def words(self) -> str:
        """`NAME=VALUE:…` as in a `settings:` line: the settings that the command line can set."""
        shown = self._asdict() | {"capacity": str(self.capacity).replace(":", " "),
                                  "sign": "yes" if self.sign else "no",
                                  "monitor": "yes" if self.monitor else "no",
                                  "filter": len(self.filter.words)}
        return ":".join(f"{name.replace('_', '-')}={shown[name]}" for name in ON_COMMAND_LINE)


ON_COMMAND_LINE = Settings._fields[: Settings._fields.index("ban") + 1]


def parse_filter(text: bytes) -> tuple[str, ...]:
    """The words of a filter file, one a line; ValueError names the bad line."""
    words = []
    for number, raw in enumerate(text.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        try:
            word = raw.decode().strip()
        except UnicodeDecodeError:
            raise ValueError(f"line {number}: not UTF-8 text") from None
        if word and word not in words:
            words.append(word)
    if not words:
        raise ValueError("no word in it; write one a line")
    return tuple(words)


def majority(seeds: int) -> int:
    """With how many of n seeds a peer registers: ⌊n/2⌋+1, so that any two peers share one."""
    return seeds // 2 + 1


def parse_config(text: bytes) -> list[Address]:
    """Return the seeds named in a config.txt, each once; ValueError names the bad line."""
    seeds = []
    for number, raw in enumerate(text.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        try:
            line = raw.decode().partition("#")[0].strip()
            if not line:
                continue
            seed = parse_typed(line)
            if not can_be_dialled(seed):
                raise ValueError(f"{line!r} is no address that can be dialled")
        except UnicodeDecodeError:
            raise ValueError(f"line {number}: not UTF-8 text") from None
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from None
        if seed not in seeds:
            seeds.append(seed)
    if not seeds:
        raise ValueError("no seed in it; write one IP:PORT a line")
    return seeds
