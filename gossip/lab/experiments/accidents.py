"""Attacks on a network, accidents in a virtual one, and their text.

Attacks are `KIND:COUNT` or `KIND:COUNT:SHARE`, several with commas between, or `none`. Chance deals
them out to peers. attackers.py says what an attacker does.

A schedule, which drawing.py draws by chance, is written like this:

    schedule 220 seeds=1 capacity=fixed:2 spread=flood ...
    0.000 start 127.0.0.1:4000
    48.300 freeze 127.0.0.1:5000 for 8.509

The first line has the number and the conditions. Every other line is an accident: its second, a
word of KINDS, and the nodes concerned; then, where they matter, `for SECONDS` until it is over, and
`xN`, a number. README.md of the simulation tells what each does. An accident that ends does so
within the unrest (`unrest=60`, in seconds), the time in which accidents happen.
"""

import argparse
import contextlib
import functools
import itertools
import math
import pathlib
import random
from collections.abc import Callable
from typing import NamedTuple

from gossip.addresses import Address, address_of, parse_address
from gossip.capacity import Capacity, fixed, parse_capacity
from gossip.lab.experiments.virtual_network import VirtualNetwork
from gossip.lab.simulation.virtual_links import Cables
from gossip.lab.simulation.virtual_world import NodeFailed
from gossip.settings import WAYS, Filter, Settings
from gossip.terminal.command_line import word_filter

KINDS: dict[str, tuple[Callable, Callable | None]] = {  # word -> what begins it, called with the
    # network, a node (`cut`: the machines of one side) and, if NUMBERED, a number; what ends it
    "start": (VirtualNetwork.start, None),
    "say": (VirtualNetwork.say_all, None),
    "kill": (VirtualNetwork.kill, VirtualNetwork.start_again),
    "power": (VirtualNetwork.lose_power, VirtualNetwork.start_again),
    "leave": (VirtualNetwork.leave, VirtualNetwork.start_again),
    "freeze": (VirtualNetwork.freeze, VirtualNetwork.thaw),
    "cut": (VirtualNetwork.cut, VirtualNetwork.mend),
    "slow": (VirtualNetwork.slow, VirtualNetwork.fast),
    "reset": (VirtualNetwork.reset, None),
    "break": (functools.partial(VirtualNetwork.reset, both=False), None),
}
NUMBERED = ("say", "slow", "reset", "break")
UNREST = 60.0  # seconds at least, from the first start to the end of all accidents
PERIOD = 1.0  # seconds between two reports of a peer, where the network is watched
SEEDS_LIMIT = 1_000  # seeds, so that no port of a seed is a peer's
SEED_PORT = 4000  # of the first seed
LIES = ("false", "late", "never", "none")  # how a seed lies; what each does is in attackers.py
ATTACKS = ("drop", "drophalf", "tamper", "forge", "forbidden", "falsedead", "slander", "collude",
           "onoff", "twotexts", "mute")  # how a peer attacks its network
SHARE = 0.3  # of messages that an attack changes, when none is given
NONE = "none"
FORBIDDEN = pathlib.Path(__file__).with_name("filter.txt")  # the words that are forbidden here


class Attack(NamedTuple):
    """Peers that attack in the same way."""

    kind: str
    count: int
    share: float = SHARE

    def __str__(self) -> str:
        return f"{self.kind}:{self.count}" + (f":{self.share:g}" if self.share != SHARE else "")


class Role(NamedTuple):
    """The attack of a peer, and its accomplices."""

    kind: str
    share: float
    accomplices: tuple[Address, ...] = ()

    def __str__(self) -> str:
        return " ".join([self.kind, f"{self.share:g}", *map(str, self.accomplices)])

    @classmethod
    def parse(cls, kind: str, share: str, *accomplices: str) -> "Role":
        return cls(kind, float(share), tuple(map(parse_address, accomplices)))


class Malice(tuple):
    """The attacks on a network, none if it is only watched."""

    def __str__(self) -> str:
        return ",".join(map(str, self)) or NONE

    def words(self) -> Filter:
        """Return the forbidden words, if an attacker says them."""
        says = any(attack.kind == "forbidden" for attack in self)
        return word_filter(str(FORBIDDEN)) if says else Filter()

    def count(self) -> int:
        return sum(attack.count for attack in self)

    def deal(self, peers: list[Address], rng: random.Random) -> dict[Address, Role]:
        """Return the roles of the attackers, drawn from these peers (all if these are fewer)."""
        chosen = iter(rng.sample(peers, min(self.count(), len(peers))))
        roles = {}
        for attack in self:
            kin = list(itertools.islice(chosen, attack.count))
            roles |= {peer: Role(attack.kind, attack.share,
                                 tuple(other for other in kin if other != peer)) for peer in kin}
        return roles


def parse_malice(text: str) -> Malice:
    """Parse attacks. ValueError names the bad word."""
    attacks = []
    for word in text.split(",") if text != NONE else ():
        try:
            kind, count, *share = word.split(":")
            attack = Attack(kind, int(count), *map(float, share[:1]))
        except ValueError:
            raise ValueError(f"{word!r} is not KIND:COUNT or KIND:COUNT:SHARE") from None
        if kind not in ATTACKS:
            raise ValueError(f"{kind!r} is none of {', '.join(ATTACKS)}")
        if attack.count < 1 or len(share) > 1 or not 0 < attack.share <= 1:
            raise ValueError(f"{word!r} has a COUNT below 1, or a SHARE that is not above 0, up "
                             "to 1")
        attacks.append(attack)
    if len({attack.kind for attack in attacks}) < len(attacks):
        raise ValueError(f"{text!r} names a kind twice")
    return Malice(attacks)


def add_malicious(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--malicious", type=parse_malice, metavar="KIND:COUNT[:SHARE],...",
                        help=f"peers that attack the network, or {NONE}, and monitoring to find "
                             f"them out; a KIND is one of {', '.join(ATTACKS)}; SHARE is that of "
                             f"the messages that are attacked ({SHARE})")


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
    lag: float = 0.0  # at most, until a due thread runs
    clocks: float = 0.0  # by which clocks are ahead, at most
    sign: int = 0  # 1: gossip is signed
    liar: str = ""  # a word of LIES, which says how the last seed lies; empty: no seed lies
    unrest: float = UNREST
    malicious: str = ""  # the attacks on a watched network; empty: it is not watched
    churn: int = 0  # percent of all links that break in every period of a watched network

    def settings(self) -> Settings:
        named = {name: value for name, value in self._asdict().items() if name in Settings._fields}
        settings = Settings(**named)._replace(sign=bool(self.sign))
        return settings if not self.malicious else settings._replace(
            sign=True, monitor=True, report_interval=PERIOD, filter=self.malice().words())

    def malice(self) -> Malice:
        return parse_malice(self.malicious or NONE)

    def cables(self) -> Cables:
        return Cables((self.latency, 2 * self.latency), self.jitter, self.bandwidth, self.buffer)

    def __str__(self) -> str:
        return " ".join(
            f"{name.replace('_', '-')}={f'{value:g}' if isinstance(value, float) else value}"
            for name, value in self._asdict().items()
            if value != "" and (name, value) != ("churn", 0))


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

    def befall(self, network: VirtualNetwork) -> None:
        """Begin now, and end later. Skip nodes that are not up."""
        concerned = [frozenset(self.who)] if self.kind == "cut" else self.who
        begin, end = KINDS[self.kind]
        for whom in concerned:
            if self.kind not in ("cut", "start") and whom not in network.nodes:
                continue
            try:
                begin(network, whom, *(() if self.number is None else (self.number,)))
            except Exception as error:
                raise NodeFailed(f"{self}: {error!r}") from error
            if self.seconds is not None:
                network.time.at(network.time.now + self.seconds, end, network, whom)


class Schedule(NamedTuple):
    """Accidents in the order of their times. Chance within nodes follows from `number`."""

    number: int
    conditions: Conditions
    accidents: tuple[Accident, ...]

    def seeds(self) -> list[Address]:
        return seed_addresses(self.conditions.seeds)

    def __str__(self) -> str:
        return "\n".join([f"schedule {self.number} {self.conditions}", *map(str, self.accidents)])


def seed_addresses(count: int) -> list[Address]:
    return [address_of("127.0.0.1", SEED_PORT + n) for n in range(count)]


def parse_schedule(text: str) -> Schedule:
    """Parse the text of a schedule. Behind an empty line only accidents count, because a command
    has shown the proof there. ValueError names the bad line."""
    line, *lines = text.removeprefix("\ufeff").strip().splitlines() or [""]
    accidents = []
    try:
        number, conditions = _parse_head(line.split())
        for line in itertools.takewhile(str.strip, lines):
            accidents.append(_parse_accident(line.split()))
    except ValueError as error:
        raise ValueError(f"{line!r}: {error}") from None
    for line in itertools.dropwhile(str.strip, lines):
        with contextlib.suppress(ValueError):
            accidents.append(_parse_accident(line.split()))
    return Schedule(number, conditions, tuple(accidents))


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
    if not 1 <= values.get("seeds", 1) <= SEEDS_LIMIT:
        raise ValueError(f"seeds is a number from 1 to {SEEDS_LIMIT}")
    if values.get("spread", WAYS[0]) not in WAYS:
        raise ValueError(f"{values['spread']!r} is none of {', '.join(WAYS)}")
    if values.get("liar", "") not in ("", *LIES):
        raise ValueError(f"{values['liar']!r} is none of {', '.join(LIES)}")
    return number, Conditions(**values)


def _parse_accident(words: list[str]) -> Accident:
    if len(words) < 3:
        raise ValueError("a line is: SECOND ACCIDENT IP:PORT …")
    at, kind, *words = words
    if kind not in KINDS:
        raise ValueError(f"{kind!r} is none of {', '.join(KINDS)}")
    number = int(words.pop()[1:]) if words[-1].startswith("x") else None
    if (number is not None) != (kind in NUMBERED):
        raise ValueError(f"a number xN goes with each of {', '.join(NUMBERED)}, and with no other")
    seconds = None
    if words[-2:-1] == ["for"]:
        if KINDS[kind][1] is None:
            raise ValueError(f"a {kind} does not end, so no `for` goes with it")
        seconds = float(words.pop())
        words.pop()
    numbers = float(at), seconds or 0, number or 0
    if not words or not all(0 <= value < math.inf for value in numbers):
        raise ValueError("an accident names a node, and its numbers are finite, and not below 0")
    return Accident(float(at), kind, tuple(map(parse_address, words)), seconds, number)
