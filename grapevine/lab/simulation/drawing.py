"""The drawing of schedules by chance, each from a number."""

import math
import random

from grapevine.addresses import Address, address_of
from grapevine.lab import FOR_EVER
from grapevine.lab.simulation.accidents import Accident, Conditions, Schedule, seed_addresses

PEER_PORT, PORTS = 5000, 50_000  # of the first peer, and how many peers share an IP
JOINING = 10.0  # seconds of the unrest, in which all peers start; more for many peers:
PACE = 170  # peers that start in a second then
ACTIVE = 50.0  # seconds from then to the end of the unrest
FEW = 20  # peers; generators of more peers are silent, because everyone hears everything

# A watched network never rests, so no judge looks into its tables; the proof tells who was kicked.
PEERS, SEEDS = 40, 5
STARTING = 3.0  # seconds in which peers start, except late joiners
LASTING = 24.0  # seconds of a schedule, and as many periods
BROKEN = 4  # connections of each peer that break, if any do
AWAY = 6.0  # seconds until a seed is started again
FROZEN = 10.0  # seconds for which a peer stands still at most
IN_ALL = 25  # messages a second that all peers say together
CAPACITIES = ["rule", "rule", "rule", "fixed:3", "fixed:6", "powerlaw:2.5", "fixed:39"]


def draw_schedule(number: int, peers: int | None = None, seeds: int | None = None,
                  seedless: bool = False, hard: bool = False, sign: bool = False,
                  spread: str = "flood", monitor: bool = False, gentle: bool = False,
                  malicious: str | None = None, capacity: str | None = None) -> Schedule:
    """Draw the schedule of this number. `seedless`: all seeds die for good; `hard`: machines lose
    power, and all calls are late; `gentle`: no machine does, or is frozen, cut off or slow; `sign`:
    peers sign, and often one seed of three or more lies; `monitor`: they watch each other, too;
    `malicious`: they watch each other, and some attack, in a network of this `capacity`."""
    if malicious:
        return draw_watched(number, malicious, peers, seeds, capacity, spread)
    rng = random.Random(f"schedule {number}")
    some_peers, some_seeds = rng.randint(2, 12), rng.randint(1, 5)
    draw = _Draw(rng, peers or some_peers, seeds or some_seeds)
    conditions = draw.conditions(hard)
    draw.starts()
    hard_ones = [draw.cut, draw.slow, draw.power]
    kinds = [draw.death] * 3 + [draw.broken, draw.seed, draw.frozen] * 2
    kinds += [draw.broken_together, *hard_ones]
    if gentle:
        kinds = [kind for kind in kinds if kind not in (draw.frozen, *hard_ones)]
    for _ in range(rng.randint(1, 14)):
        rng.choice(kinds)()
    for _ in range(rng.randint(1, 4) if hard else 0):
        draw.power()
    if seedless:
        draw.end_of_seeds()
    accidents = sorted(draw.accidents, key=lambda accident: accident.at)
    sign = sign or monitor
    liars = int(sign and number % 3 > 0 and conditions.seeds >= 3)
    conditions = conditions._replace(sign=sign, monitor=monitor, liars=liars, spread=spread)
    return Schedule(number, conditions, tuple(accidents))


def peer_addresses(count: int) -> list[Address]:
    return [address_of(f"127.0.0.{1 + n // PORTS}", PEER_PORT + n % PORTS) for n in range(count)]


class _Draw:
    """A schedule while it is drawn."""

    def __init__(self, rng: random.Random, peers: int, seeds: int):
        self.rng, self.any, self.uniform = rng, rng.choice, rng.uniform
        self._seeds = seed_addresses(seeds)
        self._peers = peer_addresses(peers)
        self._everyone = self._peers + self._seeds
        self._few = peers <= FEW
        self._joining = max(JOINING, peers / PACE)  # seconds in which all peers start
        self._unrest = self._joining + ACTIVE
        self.accidents: list[Accident] = []

    def conditions(self, hard: bool) -> Conditions:
        few, choice = self._few, self.any
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

    # Accidents.

    def _add(self, kind: str, who: list[Address], seconds: float | None = None,
             number: int | None = None, at: float | None = None) -> None:
        """Add an accident, at any moment by default. It ends, if ever, within the unrest."""
        at = round(self._moment() if at is None else at, 3)
        if seconds is not None:
            seconds = math.floor(1000 * min(seconds, self._unrest - at)) / 1000
        self.accidents.append(Accident(at, kind, tuple(who), seconds, number))

    def _moment(self) -> float:
        return self.uniform(1.0, self._unrest - 2.0)

    def starts(self) -> None:
        """Start all nodes, some seeds late, and let a few peers say something."""
        for seed in self._seeds:
            late = self.rng.random() < 0.1 and self._few
            self._add("start", [seed], at=self.uniform(0, JOINING) if late else 0.0)
        for peer in self._peers:
            self._add("start", [peer], at=self.uniform(0, self._joining))
        for _ in range(self.rng.randint(1, 4)):
            self._add("say", [self.any(self._peers)], number=self.any([1, 3, 30]))

    def death(self) -> None:
        """Let a peer die or leave. Most come back, some at once."""
        back = self.any([None, None, 0.0, self.uniform(0.0, 3.0), self.uniform(3.0, 30.0)])
        self._add(self.any(["kill", "kill", "leave"]), [self.any(self._peers)], back)

    def power(self) -> None:
        """Let a machine lose power, for a while or for ever."""
        back = self.any([None, None, self.uniform(1.0, 30.0)])
        self._add("power", [self.any(self._everyone)], back)

    def broken(self, at: float | None = None) -> None:
        """Break a connection of a node, at one end or both."""
        self._add(self.any(["reset", "break"]), [self.any(self._everyone)],
                  number=self.rng.randrange(20), at=at)

    def broken_together(self) -> None:
        """Break several connections at once, so that both ends dial together."""
        at = self._moment()
        for _ in range(self.rng.randint(2, 6)):
            self.broken(at + self.any([0.0, self.uniform(0.0, 0.01)]))

    def seed(self) -> None:
        """Let a seed die, or all seeds. Most are started again."""
        at, back = self._moment(), self.any([None, self.uniform(0.0, 3.0), self.uniform(3.0, 40.0)])
        for seed in (self._seeds if self.rng.random() < 0.4 else [self.any(self._seeds)]):
            self._add("kill", [seed], back, at=at)

    def end_of_seeds(self) -> None:
        """Let all seeds die for good, at one moment or at several."""
        self.accidents = [accident for accident in self.accidents
                          if accident.kind not in ("kill", "power")
                          or accident.who[0] not in self._seeds]
        together = self.uniform(self._joining + 2.0, self._unrest - 2.0)
        for seed in self._seeds:
            alone = self.uniform(together, self._unrest)
            self._add("kill", [seed], at=self.any([together, together, alone]))

    def frozen(self) -> None:
        self._add("freeze", [self.any(self.any([self._peers, self._seeds]))],
                  self.uniform(0.5, 30.0))

    def cut(self) -> None:
        """Cut off up to half of the peers, or of all nodes."""
        nodes = self.any([self._everyone, self._peers])
        side = self.rng.sample(nodes, self.rng.randint(1, max(1, len(nodes) // 2)))
        self._add("cut", sorted(side), self.uniform(1.0, 40.0))

    def slow(self) -> None:
        self._add("slow", [self.any(self._everyone)], self.uniform(1.0, 30.0),
                  self.any([100, 500, 2000]))


# Watched networks.

def draw_watched(number: int, attacks: str, peers: int | None = None, seeds: int | None = None,
                 capacity: str | None = None, spread: str = "flood") -> Schedule:
    """Draw a schedule with attacks; half of these schedules have accidents, too."""
    rng = random.Random(f"watched {number}")
    everybody, all_seeds = peer_addresses(peers or PEERS), seed_addresses(seeds or SEEDS)
    restless = rng.random() < 0.5
    late = rng.sample(everybody, rng.randint(0, len(everybody) // 4)) if restless else []
    accidents = [Accident(0.0, "start", (seed,)) for seed in all_seeds]
    accidents += [Accident(round(rng.uniform(5.0, LASTING / 2) if peer in late
                                 else rng.uniform(0.0, STARTING), 3), "start", (peer,))
                  for peer in everybody]
    accidents += _unrest(rng, everybody, all_seeds) if restless else []
    drawn = rng.choice(CAPACITIES)
    conditions = Conditions(
        seeds=len(all_seeds), spread=spread, sign=True, monitor=True, malicious=attacks,
        capacity=capacity or drawn, gossip_count=FOR_EVER,
        gossip_interval=len(everybody) / IN_ALL, liveness_interval=5.0,
        latency=rng.choice([0.0002, 0.001, 0.01]), lag=rng.choice([0.0, 0.001, 0.02]),
        unrest=LASTING)
    if restless and rng.random() < 0.5:
        accidents += [Accident(round(rng.uniform(STARTING, LASTING), 3), "reset", (peer,),
                               number=rng.randrange(1000)) for peer in everybody * BROKEN]
    return Schedule(number, conditions, tuple(sorted(accidents, key=lambda each: each.at)))


def _unrest(rng: random.Random, peers: list[Address], seeds: list[Address]) -> list[Accident]:
    """Draw peers that die or stand still, and a seed that dies or stands still."""
    def moment() -> float:
        return round(rng.uniform(STARTING + 2.0, LASTING - FROZEN), 3)

    accidents = [Accident(moment(), "kill", (peer,)) for peer in
                 rng.sample(peers, rng.choice([0, 0, rng.randint(1, 1 + len(peers) // 5)]))]
    accidents += [Accident(moment(), "freeze", (peer,), round(rng.uniform(1.0, FROZEN), 3))
                  for peer in rng.sample(peers, min(len(peers), rng.choice([0, 0, 3])))]
    if rng.random() < 0.5:
        kind = rng.choice(["kill", "kill", "freeze"])
        back = AWAY if kind == "freeze" else rng.choice([None, AWAY])
        accidents.append(Accident(moment(), kind, (rng.choice(seeds),), back))
    return accidents
