"""The drawing of schedules by chance, each from a number.

`draw_schedule` draws all kinds of accidents. `draw_watched` draws for a network whose seeds look
for malicious peers. Some of its peers attack, and in half of the schedules nothing else happens.
"""

import math
import random

from gossip.addresses import Address, address_of
from gossip.capacity import Capacity, parse_capacity
from gossip.lab.experiments.accidents import (
    LIES, UNREST, Accident, Conditions, Malice, Schedule, seed_addresses)

PEER_PORT, PORTS = 5000, 50_000  # of the first peer, and how many peers share an IP
LIED_TO = 3  # seeds of a schedule with a liar, and how often there is such a schedule
JOINING = 10.0  # seconds of the unrest, in which all peers start; more for many peers:
PACE = 170  # peers that start in a second then
FEW = 20  # peers; generators of more peers are silent, because everyone hears everything

WATCHED_PEERS, WATCHED_SEEDS = 40, 5  # unless the command line has other numbers
STARTING = 3.0  # seconds in which peers start, except late joiners
WATCHED = 24.0  # seconds of a schedule, and as many periods
CHURN = 5  # percent of all links that break in a period, if any do
AWAY = 6.0  # seconds until a seed is started again
FROZEN = 10.0  # seconds for which a peer stands still at most
FOR_EVER = 1_000_000_000  # messages of a peer that gossips without end
GOSSIP_INTERVAL = 2.0  # seconds between two messages of a peer at most, also in a live network
IN_ALL = 20  # messages a second that all peers of a schedule say together, at least
CAPACITIES = ["rule", "rule", "rule", "fixed:3", "fixed:6", "powerlaw:2.5", "fixed:39"]


def _peer_addresses(count: int) -> list[Address]:
    return [address_of(f"127.0.0.{1 + n // PORTS}", PEER_PORT + n % PORTS) for n in range(count)]


def _in_order(accidents: list[Accident]) -> tuple[Accident, ...]:
    return tuple(sorted(accidents, key=lambda accident: accident.at))


def draw_schedule(number: int, peers: int | None = None, seeds: int | None = None,
                  gentle: bool = False, sign: bool = False) -> Schedule:
    """Draw a schedule of this number. With `sign`, every third number has three seeds by default,
    and a liar if it has three or more."""
    rng = random.Random(f"schedule {number}")
    some_peers, some_seeds = rng.randint(2, 12), rng.randint(1, 5)
    lied_to = sign and number % LIED_TO == 0
    seeds = seeds or (LIED_TO if lied_to else some_seeds)
    lie = random.Random(f"lie {number}").choice(LIES) if lied_to and seeds >= LIED_TO else ""
    draw = _Draw(rng, peers or some_peers, seeds, gentle)
    conditions = draw.conditions()._replace(sign=int(sign), liar=lie)
    return Schedule(number, conditions, _in_order(draw.accidents()))


class _Draw:
    """A schedule while it is drawn."""

    def __init__(self, rng: random.Random, peers: int, seeds: int, gentle: bool):
        self.rng = rng
        self._gentle = gentle
        self._seeds = seed_addresses(seeds)
        self._peers = _peer_addresses(peers)
        self._everyone = self._peers + self._seeds
        self._few = peers <= FEW
        self._joining = max(JOINING, peers / PACE)  # seconds in which all peers start
        self._unrest = self._joining + UNREST - JOINING  # seconds until all is over
        self._accidents: list[Accident] = []

    def accidents(self) -> list[Accident]:
        """Draw starts, messages, and 1 to 14 accidents."""
        for seed in self._seeds:
            late = self.rng.random() < 0.1 and self._few
            self._add(self.rng.uniform(0, 10) if late else 0.0, "start", [seed])
        for peer in self._peers:
            self._add(self.rng.uniform(0, self._joining), "start", [peer])
        for _ in range(self.rng.randint(1, 4)):
            self._say(self._moment())
        if not self._few:
            self._say(self._joining + 5.0)
        kinds = [self._death] * 3 + [lambda: self._break(self._moment(), self._everyone)] * 2
        kinds += [self._seed] * 2 + [self._break_together]
        if not self._gentle:
            kinds += [lambda: self._freeze(self._peers), self._cut, self._slow, self._power,
                      lambda: self._freeze(self._seeds)]
        for _ in range(self.rng.randint(1, 14)):
            self.rng.choice(kinds)()
        return self._accidents

    def conditions(self) -> Conditions:
        few = self._few
        latency = self.rng.choice([0.0002, 0.001, 0.01] if self._gentle else
                                  [0.0002, 0.001, 0.01, 0.05, 0.1])
        lag = self.rng.choice([0.0, 0.001, 0.02] if self._gentle else [0.0, 0.001, 0.02, 0.3])
        slow = latency > 0.01 or lag > 0.02  # an answer may take longer than a second
        return Conditions(
            seeds=len(self._seeds),
            capacity=parse_capacity(self.rng.choice(["fixed:2", "fixed:3", "fixed:4", "rule",
                                                     "powerlaw:2.5"]) if few else "fixed:6"),
            spread=self.rng.choice(["flood", "flood", "rumor"]),
            gossip_count=self.rng.randint(0, 6) if few else 0,
            gossip_interval=self.rng.choice([1.0, 3.0, 5.0]),
            liveness_interval=self.rng.choice([2.0, 3.0] if slow else [1.0, 2.0]) if few else 13.0,
            antientropy_interval=self.rng.choice([2.0, 5.0, 10.0]),
            latency=latency, jitter=self.rng.choice([0.0, latency / 4, latency / 2]),
            bandwidth=1e8 if self._gentle else self.rng.choice([1e5, 1e6, 1e8]),
            buffer=self.rng.choice([16_384, 262_144, 4_194_304]),
            lag=lag, clocks=self.rng.choice([0.0, 1.0, 1000.0]), unrest=self._unrest)

    # Accidents.

    def _add(self, at: float, kind: str, who: list[Address], seconds: float | None = None,
             number: int | None = None) -> None:
        """Add an accident. It ends, if ever, within the unrest."""
        at = round(at, 3)
        if seconds is not None:
            seconds = math.floor(1000 * min(seconds, self._unrest - at)) / 1000
        self._accidents.append(Accident(at, kind, tuple(who), seconds, number))

    def _moment(self) -> float:
        return self.rng.uniform(1.0, self._unrest - 2.0)

    def _say(self, at: float) -> None:
        self._add(at, "say", [self.rng.choice(self._peers)], number=self.rng.choice([1, 3, 30]))

    def _death(self) -> None:
        """Let a peer die or leave. Most come back, some at once."""
        back = self.rng.choice([None, None, 0.0, self.rng.uniform(0.0, 3.0),
                                self.rng.uniform(3.0, 30.0)])
        self._add(self._moment(), self.rng.choice(["kill", "kill", "leave"]),
                  [self.rng.choice(self._peers)], back)

    def _power(self) -> None:
        """Let a machine lose power, for a while or for ever."""
        back = self.rng.choice([None, None, self.rng.uniform(1.0, 30.0)])
        self._add(self._moment(), "power", [self.rng.choice(self._everyone)], back)

    def _break(self, at: float, nodes: list[Address]) -> None:
        """Break a connection of a node, at one end or both."""
        self._add(at, self.rng.choice(["reset", "break"]), [self.rng.choice(nodes)],
                  number=self.rng.randrange(20))

    def _break_together(self) -> None:
        """Break several connections at once, so that both ends dial together."""
        at = self._moment()
        for _ in range(self.rng.randint(2, 6)):
            self._break(at + self.rng.choice([0.0, self.rng.uniform(0.0, 0.01)]), self._peers)

    def _seed(self) -> None:
        """Let a seed die, or all seeds. Most are started again."""
        at = self._moment()
        back = self.rng.choice([None, self.rng.uniform(0.0, 3.0), self.rng.uniform(3.0, 40.0)])
        for seed in (self._seeds if self.rng.random() < 0.4 else [self.rng.choice(self._seeds)]):
            self._add(at, "kill", [seed], back)

    def _freeze(self, nodes: list[Address]) -> None:
        self._add(self._moment(), "freeze", [self.rng.choice(nodes)], self.rng.uniform(0.5, 30.0))

    def _cut(self) -> None:
        """Cut off up to half of the peers, or of all nodes."""
        nodes = self._everyone if self.rng.random() < 0.5 else self._peers
        side = self.rng.sample(nodes, self.rng.randint(1, max(1, len(nodes) // 2)))
        self._add(self._moment(), "cut", sorted(side), self.rng.uniform(1.0, 40.0))

    def _slow(self) -> None:
        self._add(self._moment(), "slow", [self.rng.choice(self._everyone)],
                  self.rng.uniform(1.0, 30.0), number=self.rng.choice([100, 500, 2000]))


def draw_watched(number: int, malice: Malice, peers: int | None = None, seeds: int | None = None,
                 capacity: Capacity | None = None) -> Schedule:
    """Draw a schedule with attacks, by default of WATCHED_PEERS and WATCHED_SEEDS."""
    rng = random.Random(f"watched {number}")
    peers = _peer_addresses(peers or WATCHED_PEERS)
    seeds = seed_addresses(seeds or WATCHED_SEEDS)
    restless = rng.random() < 0.5
    accidents = [Accident(0.0, "start", (seed,)) for seed in seeds]
    late = rng.sample(peers, rng.randint(0, len(peers) // 4)) if restless else []  # they join later
    accidents += [Accident(round(rng.uniform(5.0, WATCHED / 2) if peer in late
                                 else rng.uniform(0.0, STARTING), 3), "start", (peer,))
                  for peer in peers]
    accidents += _unrest(rng, peers, seeds) if restless else []
    drawn = parse_capacity(rng.choice(CAPACITIES))
    conditions = Conditions(
        seeds=len(seeds), capacity=capacity or drawn, gossip_count=FOR_EVER,
        gossip_interval=min(GOSSIP_INTERVAL, len(peers) / IN_ALL), liveness_interval=5.0,
        latency=rng.choice([0.0002, 0.001, 0.01]), lag=rng.choice([0.0, 0.001, 0.02]), sign=1,
        malicious=str(malice), churn=rng.choice([0, CHURN]) if restless else 0, unrest=WATCHED)
    return Schedule(number, conditions, _in_order(accidents))


def _unrest(rng: random.Random, peers: list[Address], seeds: list[Address]) -> list[Accident]:
    """Draw peers that die or stand still, and a seed that dies."""
    def moment() -> float:
        return round(rng.uniform(STARTING + 2.0, WATCHED - FROZEN), 3)

    accidents = [Accident(moment(), "kill", (peer,)) for peer in
                 rng.sample(peers, rng.choice([0, 0, rng.randint(1, 1 + len(peers) // 5)]))]
    accidents += [Accident(moment(), "freeze", (peer,), round(rng.uniform(1.0, FROZEN), 3))
                  for peer in rng.sample(peers, min(len(peers), rng.choice([0, 0, 3])))]
    if len(seeds) > 1 and rng.random() < 0.5:
        accidents.append(Accident(moment(), "kill", (rng.choice(seeds),),
                                  rng.choice([AWAY, AWAY, None])))
    return accidents
