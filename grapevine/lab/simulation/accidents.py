"""Accidents in a virtual network, and their text.

A schedule, which drawing.py draws by chance, is written like this:

    schedule 220 seeds=1 capacity=fixed:2 gossip-count=0 ...
    0.000 start 127.0.0.1:4000
    48.300 freeze 127.0.0.1:5000 for 8.509

The first line has the number and the conditions. Every other line is an accident: its second, a
word of KINDS, and the nodes concerned; then, where they matter, `for SECONDS` until it is over, and
`xN`, a number. All accidents are over at the end of the unrest (`unrest=60`, in seconds).
"""

import functools
import itertools
import re
from collections.abc import Callable
from typing import NamedTuple

from grapevine.addresses import Address, address_of, parse_address
from grapevine.lab.attackers import WORDS, attacks_in
from grapevine.lab.simulation.lives import Lives
from grapevine.settings import Settings, parse_capacity, parse_way
from grapevine.worlds.virtual import Cables, NodeFailed

KINDS: dict[str, tuple[Callable, Callable | None]] = {  # word -> what begins it, called with the
    # lives, a node (`cut`: the machines of one side) and, if NUMBERED, a number; what ends it, by
    # whose name the scenario calls that
    "start": (Lives.start, None), "say": (Lives.say_all, None),
    "kill": (Lives.kill, Lives.start), "power": (Lives.lose_power, Lives.start),
    "leave": (Lives.leave, Lives.start), "freeze": (Lives.freeze, Lives.thaw),
    "cut": (lambda lives, side: lives.net.cut(side), Lives.mend),
    "slow": (Lives.slow, Lives.fast),
    "reset": (Lives.reset, None), "break": (functools.partial(Lives.reset, both=False), None)}
NUMBERED = ("say", "slow", "reset", "break")
PERIOD = 1.0  # seconds of a watched network
SEED_PORT, SEEDS_LIMIT = 4000, 1_000  # of the first seed; so that no port of a seed is a peer's
_ACCIDENT = re.compile(r"([0-9.]+) ([a-z]+) ([0-9.:]+(?: [0-9.:]+)*)(?: for ([0-9.]+))?"
                       r"(?: x([0-9]+))?")


class Conditions(NamedTuple):
    """The nodes and cables of a schedule."""

    seeds: int = 1
    spread: str = "flood"
    sign: bool = False
    monitor: bool = False
    liars: int = 0  # seeds that lie about runs: the first ones
    capacity: str = "fixed:2"
    gossip_count: int = 0
    gossip_interval: float = 5.0  # seconds, as all below
    liveness_interval: float = 2.0
    antientropy_interval: float = 5.0
    latency: float = 0.001  # at least; twice as much at most
    jitter: float = 0.0
    bandwidth: float = 1e8  # bytes a second
    buffer: int = 262_144  # bytes
    lag: float = 0.0  # at most, until a call that is due is made
    clocks: float = 0.0  # by which clocks are ahead, at most
    unrest: float = 60.0  # from the first start to the end of all accidents
    malicious: str = ""  # the attacks on a watched network; empty: it is not watched

    def settings(self) -> Settings:
        settings = Settings(**{name: value for name, value in self._asdict().items()
                               if name in Settings._fields})
        words = WORDS if "forbidden" in self.malicious else ()
        return settings._replace(report_interval=PERIOD, filter=words)

    def cables(self) -> Cables:
        return Cables((self.latency, 2 * self.latency), self.jitter, self.bandwidth, self.buffer)

    def __str__(self) -> str:
        shown = {name: f"{value:g}" if isinstance(value, (float, bool)) else value
                 for name, value in self._asdict().items()}
        return " ".join(f"{name.replace('_', '-')}={value}" for name, value in shown.items())


class Accident(NamedTuple):
    """An accident that befalls nodes."""

    at: float  # seconds
    kind: str
    who: tuple[Address, ...]
    seconds: float | None = None  # until it is over; None: never
    number: int | None = None  # of a kind in NUMBERED

    def __str__(self) -> str:
        lasting = "" if self.seconds is None else f" for {self.seconds:.3f}"
        number = "" if self.number is None else f" x{self.number}"
        return f"{self.at:.3f} {self.kind} {' '.join(map(str, self.who))}{lasting}{number}"

    def befall(self, lives: Lives) -> None:
        """Begin now, and end later. Skip nodes that are not up."""
        begin, end = KINDS[self.kind]
        for whom in [frozenset(self.who)] if self.kind == "cut" else self.who:
            if self.kind not in ("cut", "start") and whom not in lives.nodes:
                continue
            shown = " ".join(map(str, self.who if self.kind == "cut" else (whom,)))
            lives.scenario.write(f"{self.kind}:{shown}")
            try:
                begin(lives, whom, *(() if self.number is None else (self.number,)))
            except Exception as error:
                raise NodeFailed(f"{self}: {error!r}") from error
            if self.seconds is not None:
                lives.net.at(lives.net.now + self.seconds, self._end, end, lives, whom, shown)

    def _end(self, end: Callable, lives: Lives, whom, shown: str) -> None:
        lives.scenario.write(f"{end.__name__}:{shown}")
        end(lives, whom)


class Schedule(NamedTuple):
    """Accidents in the order of their times. Chance within nodes follows from `number`."""

    number: int
    conditions: Conditions
    accidents: tuple[Accident, ...]

    def __str__(self) -> str:
        return "\n".join([f"schedule {self.number} {self.conditions}", *map(str, self.accidents)])


def seed_addresses(count: int) -> list[Address]:
    return [address_of("127.0.0.1", SEED_PORT + n) for n in range(count)]


def parse_schedule(text: str | bytes) -> Schedule:
    """Parse the text of a schedule, up to an empty line. ValueError names the bad line."""
    text = text.decode("utf-8-sig") if isinstance(text, bytes) else text
    line, *lines = [*itertools.takewhile(str.strip, text.splitlines())] or [""]
    accidents = []
    try:
        number, conditions = _parse_head(line.split())
        for line in lines:
            accidents.append(_parse_accident(line))
    except ValueError as error:
        raise ValueError(f"{line!r}: {error}") from None
    return Schedule(number, conditions, tuple(accidents))


def _parse_head(words: list[str]) -> tuple[int, Conditions]:
    if words[:1] != ["schedule"] or not words[1:]:
        raise ValueError("the first line is: schedule NUMBER NAME=VALUE …")
    values = {}
    for word in words[2:]:
        name, _, value = word.partition("=")
        name = name.replace("-", "_")
        if name not in Conditions._fields:
            raise ValueError(f"no condition is called {name}")
        kind = {"capacity": parse_capacity, "spread": parse_way,
                "malicious": attacks_in, "sign": "1".__eq__,
                "monitor": "1".__eq__}.get(
            name, type(Conditions._field_defaults[name]))
        values[name] = kind(value)
    if not 1 <= values.get("seeds", 1) <= SEEDS_LIMIT:
        raise ValueError(f"seeds is a number from 1 to {SEEDS_LIMIT}")
    return int(words[1]), Conditions(**values)


def _parse_accident(line: str) -> Accident:
    match = _ACCIDENT.fullmatch(line.strip())
    if match is None:
        raise ValueError("a line is: SECOND ACCIDENT IP:PORT … [for SECONDS] [xNUMBER]")
    at, kind, who, seconds, number = match.groups()
    if kind not in KINDS:
        raise ValueError(f"{kind!r} is none of {', '.join(KINDS)}")
    if (number is not None) != (kind in NUMBERED):
        raise ValueError(f"a number xN goes with each of {', '.join(NUMBERED)}, and with no other")
    if seconds is not None and KINDS[kind][1] is None:
        raise ValueError(f"a {kind} does not end, so no `for` goes with it")
    return Accident(float(at), kind, tuple(map(parse_address, who.split())),
                    None if seconds is None else float(seconds),
                    None if number is None else int(number))
