"""The drawing of schedules by chance, each from a number."""

import math
import random

from grapevine.addresses import Address, address_of
from grapevine.lab.simulation.accidents import Accident, Conditions, Schedule, seed_addresses

PEER_PORT, PORTS = 5000, 50_000  # of the first peer, and how many peers share an IP
JOINING = 10.0  # seconds of the unrest, in which all peers start; more for many peers:
PACE = 170  # peers that start in a second then
ACTIVE = 50.0  # seconds from then to the end of the unrest
FEW = 20  # peers; generators of more peers are silent, because everyone hears everything


def draw_schedule(number: int, peers: int | None = None, seeds: int | None = None,
                  seedless: bool = False, hard: bool = False) -> Schedule:
    """Draw the schedule of this number. `seedless`: all seeds die for good; `hard`: machines lose
    power, and all calls are late."""
    rng = random.Random(f"schedule {number}")
    some_peers, some_seeds = rng.randint(2, 12), rng.randint(1, 5)
    draw = _Draw(rng, peers or some_peers, seeds or some_seeds)
    conditions = draw.conditions(hard)
    draw.all_accidents()
    if hard:
        for _ in range(rng.randint(1, 4)):
            draw.power()
    if seedless:
        draw.end_of_seeds()
    accidents = sorted(draw.accidents, key=lambda accident: accident.at)
    return Schedule(number, conditions, tuple(accidents))


class _Draw:
    """A schedule while it is drawn."""

    def __init__(self, rng: random.Random, peers: int, seeds: int):
        self.rng = rng
        self._seeds = seed_addresses(seeds)
        self._peers = [address_of(f"127.0.0.{1 + n // PORTS}", PEER_PORT + n % PORTS)
                       for n in range(peers)]
        self._everyone = self._peers + self._seeds
        self._few = peers <= FEW
        self._joining = max(JOINING, peers / PACE)  # seconds in which all peers start
        self._unrest = self._joining + ACTIVE
        self.accidents: list[Accident] = []

    def conditions(self, hard: bool) -> Conditions:
        few, choice = self._few, self.rng.choice
        latency = choice([0.0002, 0.001, 0.01, 0.05, 0.1])
        lag = choice([0.1, 0.2, 0.3] if hard else [0.0, 0.001, 0.02, 0.3])
        slow = latency > 0.01 or lag > 0.02  # an answer may take longer than a second
        return Conditions(
            seeds=len(self._seeds),
            capacity=choice(["fixed:2", "fixed:3", "fixed:4", "rule", "powerlaw:2.5"]
                            if few else ["fixed:6"]),
            gossip_count=self.rng.randint(0, 6) if few else 0,
            gossip_interval=choice([1.0, 3.0, 5.0]),
            liveness_interval=choice([2.0, 3.0] if slow else [1.0, 2.0]) if few else 13.0,
            antientropy_interval=choice([2.0, 5.0, 10.0]),
            latency=latency, jitter=choice([0.0, latency / 4, latency / 2]),
            bandwidth=choice([1e5, 1e6, 1e8]), buffer=choice([16_384, 262_144, 4_194_304]),
            lag=lag, clocks=choice([0.0, 1.0, 1000.0]), unrest=self._unrest)

    def all_accidents(self) -> None:
        """Draw starts, messages, and 1 to 14 accidents."""
        for seed in self._seeds:
            late = self.rng.random() < 0.1 and self._few
            self._add(self.rng.uniform(0, JOINING) if late else 0.0, "start", [seed])
        for peer in self._peers:
            self._add(self.rng.uniform(0, self._joining), "start", [peer])
        for _ in range(self.rng.randint(1, 4)):
            self._say(self._moment())
        if not self._few:
            self._say(self._joining + 5.0)
        kinds = [self._death] * 3 + [lambda: self._break(self._moment(), self._everyone)] * 2
        kinds += [self._seed] * 2 + [self._break_together, lambda: self._freeze(self._peers),
                                     lambda: self._freeze(self._seeds), self._cut, self._slow,
                                     self.power]
        for _ in range(self.rng.randint(1, 14)):
            self.rng.choice(kinds)()

    def end_of_seeds(self) -> None:
        """Let all seeds die for good, at one moment or at several."""
        self.accidents = [accident for accident in self.accidents
                          if accident.kind not in ("kill", "power", "leave")
                          or accident.who[0] not in self._seeds]
        together = self.rng.uniform(self._joining + 2.0, self._unrest - 2.0)
        for seed in self._seeds:
            at = together if self.rng.random() < 0.7 else self.rng.uniform(together, self._unrest)
            self._add(at, "kill", [seed])

    # Accidents.

    def _add(self, at: float, kind: str, who: list[Address], seconds: float | None = None,
             number: int | None = None) -> None:
        """Add an accident. It ends, if ever, within the unrest."""
        at = round(at, 3)
        if seconds is not None:
            seconds = math.floor(1000 * min(seconds, self._unrest - at)) / 1000
        self.accidents.append(Accident(at, kind, tuple(who), seconds, number))

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

    def power(self) -> None:
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
