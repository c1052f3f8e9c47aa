"""Events: what lines of output files tell, as values, and the patterns that read them."""

import math
import re
from collections.abc import Iterable
from typing import NamedTuple

ADDRESS = r"((?:[0-9.]+|\[[^\]]*\]):[0-9]+)"
GOSSIP = re.compile(r"gmessage:([0-9.]+):((?:[0-9.]+|\[[^\]]*\]):[0-9]+:[0-9]+:[0-9]+):(.*)",
                    re.DOTALL)
BY_GENERATOR = re.compile("message [0-9]+")
SEEDS = re.compile("(?:^|:)seeds=([0-9]{1,4})(?:$|:)")
COUNT = re.compile("[0-9]{1,6}")
SECONDS = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,6})?")
RUN = re.compile(rf"{ADDRESS}:[0-9]+")
CONTINUED = re.compile(rf"(?:peer|seed):{ADDRESS}:[0-9]{{1,20}}")
DEAD = re.compile(rf"Dead Node:{ADDRESS}:[0-9.]+:{ADDRESS}")
BY_SEED = re.compile(rf"{ADDRESS}:(.*)", re.DOTALL)
_BADNESS = r"([01]\.[0-9]{3})"
KICKED_FOR = re.compile(rf"{ADDRESS}:{_BADNESS}")
REMOVED = re.compile(rf"{ADDRESS}:([^:]*)(?::{_BADNESS})?")
JUDGED = re.compile(rf"((?:[0-9.]+|\[[^\]]*\])#[0-9]+)={_BADNESS}")
LOAD = re.compile(r"([0-9]{1,10}):([0-9.]{1,20})/([0-9.]{1,20}):([0-9]{1,10}):([0-9.]{1,20})")
REFUSED = "registration refused"
NOT_REACHED = f"{REFUSED}: no Liveness Reply"  # by a seed that could not reach the peer


def when(events: Iterable[tuple], who: str, begin=-math.inf, end=math.inf) -> list[float]:
    """Return when events were about a node, between two moments; each begins `(at, who, …)`."""
    return [at for at, whom, *_ in events if whom == who and begin <= at <= end]


class Delivery(NamedTuple):
    """A message that a run received: when, from which neighbour, and a hash of its line, which
    is compared with the hash at the origin."""

    at: float
    source: str
    mark: int


class Linked(NamedTuple):
    """A time in which a run called another peer its neighbour, and why that ended."""

    begin: float
    end: float  # infinity when the file does not tell an end
    reason: str = ""


class Registered(NamedTuple):
    """The word of a run about a seed: that it is registered there, or why it is not (any more)."""

    at: float
    lost: str | None  # None: registered


class Reply(NamedTuple):
    """A neighbour has answered a liveness request, after so many seconds."""

    at: float
    peer: str
    took: float


class Missed(NamedTuple):
    """A neighbour has not answered, and how often in a row."""

    at: float
    peer: str
    count: int


class Report(NamedTuple):
    """A peer has told a seed of a death."""

    at: float
    seed: str
    dead: str
    line: str  # what it said, which has the time by its own clock; no other report is like it


class Kick(NamedTuple):
    """A seed has removed a peer as malicious."""

    at: float
    peer: str
    badness: float


class Load(NamedTuple):
    """The figures of a seed for a period, about rows of reports: how many it holds, how many the
    seeds hold at most and on average, how many moved, and how many hops rows took."""

    at: float
    rows: int
    largest: float
    mean: float
    moved: int
    hops: float
