"""Accidents: what befalls a virtual network, drawn by chance from a number, or read from text.

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

import math
import random
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
LIED_TO = 3  # seeds of a schedule in which the last one lies, and one schedule of how many it is
GENTLE = {"start", "say", "kill", "leave", "reset", "break"}  # the kinds of a gentle schedule
UNREST = 60.0  # seconds at least, from the first start to the end of all accidents
JOINING = 10.0  # seconds of it, in which all peers start; more when there are many:
PACE = 170  # peers that start in a second then
PERIOD = 1.0  # seconds between two reports of a peer, where the network is watched
FEW = 20  # peers; when there are more, generators are silent, as everyone hears everything
SEEDS_LIMIT = 1_000  # seeds, so that their ports are not those of peers
SEED_PORT, PEER_PORT, PORTS = 4000, 5000, 50_000  # first ports, and peers on one IP


class Conditions(NamedTuple):
    """What a schedule's nodes and cables are like."""

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
        """What the connections between them are like."""
        return Cables((self.latency, 2 * self.latency), self.jitter, self.bandwidth, self.buffer)

    def words(self) -> str:
        """`NAME=VALUE NAME=VALUE …`, as in the first line of a schedule, without empty values."""
        return " ".join(f"{name.replace('_', '-')}={_shown(value)}"
                        for name, value in self._asdict().items()
                        if value != "" and (name, value) != ("churn", 0))


def _shown(value) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


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
    """What a line says, by this function of its words."""
    try:
        return parse(line.split())
    except ValueError as error:
        raise ValueError(f"{line!r}: {error}") from None


def _parse_head(words: list[str]) -> tuple[int, Conditions]:
    if words[:1] != ["schedule"] or not words[1:]:
        raise ValueError("the first line is: schedule NUMBER NAME=VALUE …")
    return int(words[1]), _parse_conditions(words[2:])


def _parse_conditions(words: list[str]) -> Conditions:
    values = {}
    for word in words:
        name, _, value = word.partition("=")
        name = name.replace("-", "_")
        usual = Conditions._field_defaults.get(name)
        if usual is None:
            raise ValueError(f"no condition is called {name}")
        values[name] = parse_capacity(value) if name == "capacity" else type(usual)(value)
    parse_malice(values.get("malicious", NONE))
    if values.get("liar", "") not in ("", *LIES):
        raise ValueError(f"{values['liar']!r} is none of {', '.join(LIES)}")
    return Conditions(**values)


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


# By chance.

def draw_schedule(number: int, peers: int | None = None, seeds: int | None = None,
                  gentle: bool = False, sign: bool = False) -> Schedule:
    """The schedule of this number: of so many peers (2 to 12 by default) and seeds (1 to 5). With
    `sign`, every third number has three seeds by default, and if there are so many, one lies."""
    rng = random.Random(f"schedule {number}")
    some_peers, some_seeds = rng.randint(2, 12), rng.randint(1, 5)
    lied_to = sign and number % LIED_TO == 0
    if seeds is None:
        seeds = LIED_TO if lied_to else some_seeds
    peers = some_peers if peers is None else peers
    schedule = _Draw(rng, number, peers, seeds, gentle).schedule()
    lie = random.Random(f"lie {number}").choice([*LIES]) if lied_to and seeds >= LIED_TO else ""
    return schedule._replace(conditions=schedule.conditions._replace(sign=int(sign), liar=lie))


class _Draw:
    """A schedule while it is drawn: chance, and what it has brought so far."""

    def __init__(self, rng: random.Random, number: int, peers: int, seeds: int, gentle: bool):
        self._rng = rng
        self._number = number
        self._gentle = gentle
        self._seeds = seed_addresses(seeds)
        self._peers = [address_of(f"127.0.0.{1 + n // PORTS}", PEER_PORT + n % PORTS)
                       for n in range(peers)]
        self._few = peers <= FEW
        self._joining = max(JOINING, peers / PACE)  # seconds in which all peers start
        self._unrest = self._joining + UNREST - JOINING  # seconds until all is over
        self._accidents: list[Accident] = []

    def schedule(self) -> Schedule:
        """Draw everything: conditions, starts, what is said, and 1 to 14 accidents."""
        rng = self._rng
        conditions = self._conditions()
        for seed in self._seeds:
            late = rng.random() < 0.1 and self._few
            self._add(rng.uniform(0, 10) if late else 0.0, "start", [seed])
        for peer in self._peers:
            self._add(rng.uniform(0, self._joining), "start", [peer])
        for _ in range(rng.randint(1, 4)):
            self._say(self._moment())
        if not self._few:
            self._say(self._joining + 5.0)
        kinds = [self._death] * 3 + [self._break] * 2 + [self._seed] * 2 + [self._break_together]
        if not self._gentle:
            kinds += [self._freeze, self._cut, self._slow, self._power, self._seed_freeze]
        for _ in range(rng.randint(1, 14)):
            rng.choice(kinds)()
        return Schedule(self._number, conditions,
                        tuple(sorted(self._accidents, key=lambda accident: accident.at)))

    def _conditions(self) -> Conditions:
        rng, few = self._rng, self._few
        latency = rng.choice([0.0002, 0.001, 0.01] if self._gentle else
                             [0.0002, 0.001, 0.01, 0.05, 0.1])
        lag = rng.choice([0.0, 0.001, 0.02] if self._gentle else [0.0, 0.001, 0.02, 0.3])
        slow = latency > 0.01 or lag > 0.02  # then an answer may take longer than a second
        return Conditions(
            seeds=len(self._seeds),
            capacity=parse_capacity(rng.choice(["fixed:2", "fixed:3", "fixed:4", "rule",
                                                "powerlaw:2.5"]) if few else "fixed:6"),
            spread=rng.choice(["flood", "flood", "rumor"]),
            gossip_count=rng.randint(0, 6) if few else 0,
            gossip_interval=rng.choice([1.0, 3.0, 5.0]),
            liveness_interval=rng.choice([2.0, 3.0] if slow else [1.0, 2.0]) if few else 13.0,
            antientropy_interval=rng.choice([2.0, 5.0, 10.0]),
            latency=latency,
            jitter=rng.choice([0.0, latency / 4, latency / 2]),
            bandwidth=1e8 if self._gentle else rng.choice([1e5, 1e6, 1e8]),
            buffer=rng.choice([16_384, 262_144, 4_194_304]),
            lag=lag,
            clocks=rng.choice([0.0, 1.0, 1000.0]),
            unrest=self._unrest)

    # One accident each.

    def _add(self, at: float, kind: str, who: list[Address], seconds: float | None = None,
             number: int | None = None) -> None:
        """Add an accident; its end, if it has one, is within the unrest."""
        at = round(at, 3)
        if seconds is not None:
            seconds = math.floor(1000 * min(seconds, self._unrest - at)) / 1000
        self._accidents.append(Accident(at, kind, tuple(who), seconds, number))

    def _moment(self) -> float:
        """When an accident happens."""
        return self._rng.uniform(1.0, self._unrest - 2.0)

    def _say(self, at: float) -> None:
        self._add(at, "say", [self._rng.choice(self._peers)],
                  number=self._rng.choice([1, 3, 30]))

    def _death(self) -> None:
        """A peer dies or leaves; most come back, some at once."""
        rng = self._rng
        back = rng.choice([None, None, 0.0, rng.uniform(0.0, 3.0), rng.uniform(3.0, 30.0)])
        self._add(self._moment(), rng.choice(["kill", "kill", "leave"]), [rng.choice(self._peers)],
                  back)

    def _power(self) -> None:
        """A machine loses power; a third of them for a while."""
        rng = self._rng
        back = rng.choice([None, None, rng.uniform(1.0, 30.0)])
        self._add(self._moment(), "power", [rng.choice(self._peers + self._seeds)], back)

    def _break(self) -> None:
        """A connection breaks, half of the time at one end only."""
        rng = self._rng
        self._add(self._moment(), rng.choice(["reset", "break"]),
                  [rng.choice(self._peers + self._seeds)], number=rng.randrange(20))

    def _seed(self) -> None:
        """One or all seeds die; most are started again."""
        rng, at = self._rng, self._moment()
        back = rng.choice([None, rng.uniform(0.0, 3.0), rng.uniform(3.0, 40.0)])
        for seed in (self._seeds if rng.random() < 0.4 else [rng.choice(self._seeds)]):
            self._add(at, "kill", [seed], back)

    def _break_together(self) -> None:
        """Several connections break within a moment, so that both ends dial at once."""
        rng, at = self._rng, self._moment()
        for _ in range(rng.randint(2, 6)):
            self._add(at + rng.choice([0.0, rng.uniform(0.0, 0.01)]),
                      rng.choice(["reset", "break"]), [rng.choice(self._peers)],
                      number=rng.randrange(20))

    def _freeze(self) -> None:
        """A peer stands still for a while."""
        rng = self._rng
        self._add(self._moment(), "freeze", [rng.choice(self._peers)], rng.uniform(0.5, 30.0))

    def _seed_freeze(self) -> None:
        """A seed does."""
        rng = self._rng
        self._add(self._moment(), "freeze", [rng.choice(self._seeds)], rng.uniform(0.5, 30.0))

    def _cut(self) -> None:
        """Some nodes are cut off, at most half of them; seeds are among these half of the time at
        most."""
        rng = self._rng
        everyone = self._peers + (self._seeds if rng.random() < 0.5 else [])
        side = rng.sample(everyone, rng.randint(1, max(1, len(everyone) // 2)))
        self._add(self._moment(), "cut", sorted(side), rng.uniform(1.0, 40.0))

    def _slow(self) -> None:
        """A machine is slow for a while."""
        rng = self._rng
        self._add(self._moment(), "slow", [rng.choice(self._peers + self._seeds)],
                  rng.uniform(1.0, 30.0), number=rng.choice([100, 500, 2000]))
