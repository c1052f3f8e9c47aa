"""The numbers that a node goes by, each with its unit; and the list of seeds in config.txt.

Pure: the file is read by terminal/command_line.py.
"""

import re
from typing import NamedTuple

from gossip.addresses import Address, can_be_dialled, parse_address
from gossip.capacity import BY_RULE, Capacity

MIB = 1 << 20


class Settings(NamedTuple):
    """What a node goes by. The first block can be set on the command line."""

    gossip_count: int = 10  # messages that the generator makes
    gossip_interval: float = 5.0  # seconds between them
    liveness_interval: float = 13.0  # seconds between liveness rounds
    liveness_misses: int = 3  # unanswered rounds in a row that mean death
    antientropy_interval: float = 10.0  # seconds between comparisons; 0: never compare
    cache_size: int = 100_000  # texts kept for those who lack them
    capacity: Capacity = BY_RULE  # how many neighbours
    spread: str = "flood"  # how new messages travel: flood or rumor
    rumor_stop: float = 0.25  # probability that a useless telling is the last one of a rumor

    cache_bytes: int = 64 * MIB  # size of all texts kept
    runs_kept: int = 100_000  # runs whose numbers are remembered
    intervals_kept: int = 1_000  # intervals of seen numbers per run
    introduction_limit: float = 5.0  # seconds to send the first whole valid line
    waiting_limit: int = 256  # connections that have not introduced themselves
    verifying_limit: int = 1_024  # registrations that wait for their probe at one seed
    probe_limit: float = 2.0  # seconds for one probe, connecting included
    probe_tries: int = 2  # probes before a seed holds silence against anyone
    probes_at_once: int = 64  # probes under way at one seed
    register_limit: float = 10.0  # seconds that a seed may take to answer `register:`
    register_misses: int = 3  # rounds unanswered before another seed is tried
    retry_first: float = 0.5  # seconds: first back-off, doubling
    retry_last: float = 15.0  # seconds: longest back-off to a seed
    answer_limit: float = 5.0  # seconds that a dialled peer may take to accept or refuse
    young: float = 1.0  # seconds: a link up to this age may lose against a duplicate
    link_check_limit: float = 1.0  # seconds that an older link has to prove that it lives
    leave_limit: float = 3.0  # seconds that a leaver waits for the others to hang up
    full_rounds: int = 10  # liveness rounds for which who refused as full is left alone
    full_tries: int = 4  # refusals per round before free places stay free
    spare_links: int = 8  # links above capacity that are given up at once
    backlog_limit: int = 8 * MIB  # bytes that may wait for one neighbour
    waiting_backlog: int = 256 * 1024  # the same for one who has not introduced itself
    origin_limit: int = 1 * MIB  # bytes waiting at which the origin pauses
    origin_patience: float = 1.0  # seconds without progress after which it does not
    portion: int = 256 * 1024  # bytes of catch-up sent before the next is asked for
    fetch_patience: float = 2.0  # seconds until a silent neighbour's turn to be fetched from ends
    rumor_window: int = 256 * 1024  # bytes of rumors that one neighbour has not answered
    rumor_patience: float = 2.0  # seconds until an unanswered rumor is told again, or given up
    removed_memory: float = 3600.0  # seconds for which a seed knows whom it removed
    grace: float = 60.0  # seconds to register again for a peer whose connection broke
    tell_again: float = 60.0  # seconds between two tellings of the same death by seeds

    def words(self) -> str:
        """The `NAME=VALUE:…` of a `settings:` line: what the command line can set."""
        shown = self._asdict() | {"capacity": str(self.capacity).replace(":", " ")}
        return ":".join(f"{name.replace('_', '-')}={shown[name]}" for name in ON_COMMAND_LINE)


ON_COMMAND_LINE = Settings._fields[: Settings._fields.index("rumor_stop") + 1]


def majority(seeds: int) -> int:
    """Return how many of n seeds a peer registers with: ⌊n/2⌋+1, so that any two share one."""
    return seeds // 2 + 1


def parse_config(text: bytes) -> list[Address]:
    """Return the seeds named in a config text, each once; ValueError names the bad line."""
    seeds = []
    for number, raw in enumerate(text.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        try:
            line = raw.decode().partition("#")[0].strip()
            if not line:
                continue
            seed = parse_address(re.sub(r"\s*,\s*", ":", line))
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
