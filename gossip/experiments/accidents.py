"""Accidents: what befalls a virtual network, and its text; drawing.py draws them by chance.

A `Schedule` is a list of `Accident`s and the `Conditions` under which they happen. As text it is

    schedule 220 seeds=1 capacity=fixed:2 spread=flood ...
    0.000 start 127.0.0.1:4000
    1.200 start 127.0.0.1:5000
    48.300 power 127.0.0.1:5000

The first line has the number and the conditions. Every other line is an accident: the second at
which it happens, a word of KINDS, and the nodes that it concerns; then, where they matter, `for
SECONDS` until it is over, and `xN`, a number. The unrest (`unrest=60`, in seconds) is the time in
which accidents happen: those that end do so before it is over.
"""

from collections.abc import Callable
from typing import NamedTuple

from gossip.addresses import Address, address_of, parse_address
from gossip.capacity import Capacity, fixed, parse_capacity
from gossip.experiments.malice import NONE, Malice, parse_malice
from gossip.settings import Settings
from gossip.simulation.virtual_links import Cables

KINDS = {  # word -> what happens
    "start": "the node begins to live",
    "say": "the peer says N messages",
    "kill": "the process dies; `for`: it is started again then",
    "power": "the machine loses power, and nobody is told; `for`: it is started again then",
    "leave": "the peer leaves gracefully; `for`: it comes back then",
    "freeze": "the process stands still for some seconds",
    "cut": "these nodes are cut off from all others for some seconds",
    "slow": "what the machine sends and gets takes N ms longer for some seconds",
    "reset": "the node's Nth connection breaks, at both ends",
    "break": "the node's Nth connection breaks, at its own end only",
}
LIES = {  # word -> how a seed lies that is asked about runs
    "false": "it names every run that it is asked for, and invented ones",
    "late": "it answers too late",
    "never": "it does not answer",
    "none": "it names no run",
}
UNREST = 60.0  # seconds at least, from the first start to the end of all accidents
PERIOD = 1.0  # seconds between two reports of a peer, where the network is watched
SEEDS_LIMIT = 1_000  # seeds, so that their ports are not those of peers
SEED_PORT = 4000  # of the first seed


class Conditions(NamedTuple):
    """The nodes and cables of a schedule."""

    seeds: int = 1
    capacity: Capacity = fixed(2)
    spread: str = "flood"
    gossip_count: int = 0
    gossip_interval: float = 5.0  # seconds, as all below
    liveness_interval: float = 2.0
    antientropy_interval: float = 5.0
    latency: float = 0.001  # at least; twice as much at most
    jitter: float = 0.0
    bandwidth: float = 1e8  # bytes a second
    buffer: int = 262_144  # bytes
    lag: float = 0.0  # at most, until a thread runs whose time has come
    clocks: float = 0.0  # by which clocks are ahead, at most
    sign: int = 0  # 1: gossip is signed
    liar: str = ""  # one of LIES: how the last seed lies; empty: no seed does
    unrest: float = UNREST
    malicious: str = ""  # the attacks on a network that is watched (malice.py); empty: it is not
    churn: int = 0  # percent of all links that break in every period of such a network

    def settings(self) -> Settings:
        """The settings of its nodes."""
        named = {name: value for name, value in self._asdict().items() if name in Settings._fields}
        settings = Settings(**named)._replace(sign=bool(self.sign))
        if not self.malicious:
            return settings
        return settings._replace(sign=True, monitor=True, report_interval=PERIOD,
                                 filter=self.malice().words())

    def malice(self) -> Malice:
        """The attacks on the network."""
        return parse_malice(self.malicious or NONE)

    def cables(self) -> Cables:
        """Return the cables between them."""
        return Cables((self.latency, 2 * self.latency), self.jitter, self.bandwidth, self.buffer)

    def words(self) -> str:
        """`NAME=VALUE NAME=VALUE …`, as in the first line of a schedule, without empty values."""
        return " ".join(
            f"{name.replace('_', '-')}={f'{value:g}' if isinstance(value, float) else value}"
            for name, value in self._asdict().items()
            if value != "" and (name, value) != ("churn", 0))


class Accident(NamedTuple):
    """Something that happens at `at`. `seconds` (None: for good) and `number` are as in KINDS."""

    at: float
    kind: str
    who: tuple[Address, ...]
    seconds: float | None = None
    number: int | None = None

    def __str__(self) -> str:
        words = [f"{self.at:.3f}", self.kind, *map(str, self.who)]
        if self.seconds is not None:
            words.append(f"for {self.seconds:.3f}")
        if self.number is not None:
            words.append(f"x{self.number}")
        return " ".join(words)


class Schedule(NamedTuple):
    """Accidents in the order of their times. Chance within the nodes follows from `number`."""

    number: int
    conditions: Conditions
    accidents: tuple[Accident, ...]

    def seeds(self) -> list[Address]:
        """The seeds that every node is told of."""
        return seed_addresses(self.conditions.seeds)

    def __str__(self) -> str:
        return "\n".join([f"schedule {self.number} {self.conditions.words()}",
                          *map(str, self.accidents)])


def seed_addresses(count: int) -> list[Address]:
    """The addresses of so many seeds."""
    return [address_of("127.0.0.1", SEED_PORT + n) for n in range(count)]


# From text.

def parse_schedule(text: str) -> Schedule:
    """A schedule from its text; ValueError names the bad line."""
    head, *lines = text.strip().splitlines() or [""]
    number, conditions = _parsed(head, _parse_head)
    return Schedule(number, conditions, tuple(_parsed(line, _parse_accident) for line in lines))


def _parsed(line: str, parse: Callable):
    """Parse the words of a line by this function."""
    try:
        return parse(line.split())
    except ValueError as error:
        raise ValueError(f"{line!r}: {error}") from None


def _parse_head(words: list[str]) -> tuple[int, Conditions]:
    if words[:1] != ["schedule"] or not words[1:]:
        raise ValueError("the first line is: schedule NUMBER NAME=VALUE …")
    number, values = int(words[1]), {}
    for word in words[2:]:
        name, _, value = word.partition("=")
        name = name.replace("-", "_")
        usual = Conditions._field_defaults.get(name)
        if usual is None:
            raise ValueError(f"no condition is called {name}")
        values[name] = parse_capacity(value) if name == "capacity" else type(usual)(value)
    parse_malice(values.get("malicious", NONE))
    if values.get("liar", "") not in ("", *LIES):
        raise ValueError(f"{values['liar']!r} is none of {', '.join(LIES)}")
    return number, Conditions(**values)


def _parse_accident(words: list[str]) -> Accident:
    if len(words) < 3:
        raise ValueError("a line is: SECOND ACCIDENT IP:PORT …")
    at, kind, *words = words
    if kind not in KINDS:
        raise ValueError(f"{kind!r} is none of {', '.join(KINDS)}")
    seconds = number = None
    if words[-1].startswith("x"):
        number = int(words.pop()[1:])
    if words[-2:-1] == ["for"]:
        seconds = float(words.pop())
        words.pop()
    return Accident(float(at), kind, tuple(map(parse_address, words)), seconds, number)
