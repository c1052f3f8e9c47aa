"""The events of output files as values, and their patterns."""

import re
from collections.abc import Iterable
from typing import NamedTuple

from grapevine import events
from grapevine.events import BROKEN

ADDRESS = f"({events.ADDRESS})"
GOSSIP = re.compile(rf"gmessage:([0-9.]+):({events.ADDRESS}:[0-9]+:[0-9]+):(.*)", re.DOTALL)
BY_GENERATOR = re.compile("message [0-9]+")
SEEDS = re.compile("(?:^|:)seeds=([0-9]{1,4})(?:$|:)")
COUNT = re.compile("[0-9]{1,6}")
SECONDS = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,6})?")
ALIVE = re.compile(rf"({SECONDS.pattern})(?::[0-9]+)?")
RUN = re.compile(rf"{ADDRESS}:[0-9]+")
DEAD = re.compile(rf"Dead Node:{ADDRESS}:[0-9.]+:{ADDRESS}")
_BADNESS = r"([01]\.[0-9]{3})"
KICKED_FOR = re.compile(rf"{ADDRESS}:{_BADNESS}")
JUDGED = re.compile(rf"((?:[0-9.]+|\[[^\]]*\])#[0-9]+)={_BADNESS}")
_FIGURE = r"([0-9]{1,10}(?:\.[0-9]{1,6})?)"
FOUND_DEAD = re.compile(f"{ADDRESS}:{_FIGURE}")
REMOVED = re.compile(f"{ADDRESS}:([a-z]+)(?::{_FIGURE})?(?::[^:]*)?")
_RANGE = "[0-9]{1,9}(?:-[0-9]{1,9})?"
GONE = re.compile(f"{ADDRESS}:({events.ADDRESS}:[0-9]+)=({_RANGE}(?:,{_RANGE})*)")
LOAD = re.compile(f"([0-9]{{1,10}}):{_FIGURE}/{_FIGURE}:([0-9]{{1,10}}):{_FIGURE}")
REFUSED = "registration refused"


def about(tuples: Iterable[tuple], who: str, begin: float, end: float) -> list[float]:
    """Return when events `(at, who, …)` were about a node, within bounds."""
    return [at for at, whom, *_ in tuples if whom == who and begin <= at <= end]


class Said(NamedTuple):  # a message that a run generated
    at: float
    mark: int  # hash of its line
    text: str  # maybe cut


class Delivery(NamedTuple):  # a message that a run received
    at: float
    source: str  # the neighbour that sent it
    mark: int  # hash of its line, which is compared with that at the origin


class Linked(NamedTuple):  # a time in which a peer was a neighbour, or a run registered with a seed
    begin: float
    end: float  # infinity if the file does not tell an end; the beginning, if it could not register
    reason: str = ""  # of the end
    who: str = ""  # has ended a link: HERE, THERE or BROKEN

    @property
    def stood(self) -> bool:
        return self.begin < self.end

    def is_trouble(self) -> bool:
        """Tell whether it ended, and not by agreement."""
        return self.who == BROKEN or self.reason == "silent, but alive"


class Missed(NamedTuple):  # a liveness request that a neighbour has not answered
    at: float
    count: int  # in a row


class Death(NamedTuple):  # a neighbour that a peer has found dead
    at: float
    peer: str
    since: float  # when it was silent from, as the finder says


class Removed(NamedTuple):  # a peer that a seed lists no more
    at: float
    peer: str
    reason: str  # `left`, `dead`, `gone` or `malicious`
    figure: str  # of `gone` the seconds for which it was silent, of `malicious` its badness
    was_listed: bool = True

    @property
    def is_kick(self) -> bool:
        return self.reason == "malicious" and self.figure != ""

    @property
    def badness(self) -> float:
        return float(self.figure)


class Gone(NamedTuple):  # messages of a run that a neighbour had no more
    peer: str
    run: str
    numbers: str  # ranges

    def has(self, message: str) -> bool:
        run, _, number = message.rpartition(":")
        return run == self.run and any(
            int(first) <= int(number) <= int(last or first) for first, _, last in
            (part.partition("-") for part in self.numbers.split(",")))


class Load(NamedTuple):  # the figures of a seed about rows of reports, for a period
    at: float
    rows: float  # at this seed
    largest: float  # number of rows at a seed
    mean: float  # number of rows at a seed
    moved: float  # rows
    hops: float  # that rows took
