"""Watched networks in virtual time: peers that attack, accidents by chance, and who was found out.

The time of an attacker begins with the first message that an honest peer makes when the attacker
has three honest neighbours, because nobody is judged by fewer. A period is a second.
"""

import concurrent.futures
import functools
import math
import os
import pathlib
import random
import statistics
from typing import NamedTuple

from grapevine.addresses import Address, parse_address
from grapevine.lab.attackers import Attack, Role, attacker_class, deal, parse_attacks
from grapevine.lab.simulation.accidents import Accident, Conditions, Schedule, seed_addresses
from grapevine.lab.simulation.drawing import peer_addresses
from grapevine.lab.simulation.lives import Lives
from grapevine.monitoring.grammar import RATES
from grapevine.monitoring.verdicts import is_bad

PEERS, SEEDS = 40, 5
STARTING = 3.0  # seconds in which peers start, except late joiners
LASTING = 24.0  # seconds of a schedule, and as many periods
CHURN = 5  # percent of all links that break in a period, if any do
AWAY = 6.0  # seconds until a seed is started again
CALM = 6.0  # seconds more without accidents
FROZEN = 10.0  # seconds for which a peer stands still at most
FOR_EVER = 1_000_000_000  # messages of a peer that gossips without end
IN_ALL = 25  # messages a second that all peers say together
CAPACITIES = ["rule", "rule", "rule", "fixed:3", "fixed:6", "powerlaw:2.5", "fixed:39"]
REPORTERS = 3  # honest neighbours without which nobody judges an attacker
SPARED = {"mute", "falsedead"}  # attackers that are not kicked
IN_TIME = 16  # periods until a kick, at most
MAY_MISS = 0.05  # of the attackers
SHUNNED = 12  # periods for which a silent attacker may keep an honest neighbour
WITHOUT_SEED = 6  # periods more if a seed died or stood still meanwhile, for its rows have to move


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
        churn=rng.choice([0, CHURN]) if restless else 0, unrest=LASTING)
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


class Tally(NamedTuple):
    """The findings about one network, or the sum of several."""

    attackers: int
    took: list[float]  # periods until attackers were kicked
    late: list[str]  # attackers of these that were kicked too late
    missed: list[str]  # attackers that were not kicked
    early: int  # attackers that had too little time to be kicked or missed
    falsely: list[str]  # honest peers that were kicked, or had to leave each other alone
    doubted: int  # false reporters that seeds have disbelieved
    shunned: int  # silent attackers that keep no honest neighbour
    outvoted: int  # honest peers that were kicked though half of their reporters attack

    def __str__(self) -> str:
        times = (f" after {statistics.median(self.took):.1f} periods (median), "
                 f"{max(self.took):.1f} (max)" if self.took else "")
        return (f"kicked {len(self.took)} of {self.attackers} attackers{times}, missed "
                f"{len(self.missed)}, late {len(self.late)}, too early to say of {self.early}, "
                f"disbelieved {self.doubted}, shunned {self.shunned}; falsely {len(self.falsely)}, "
                f"by liars {self.outvoted}")

    def plus(self, other: "Tally") -> "Tally":
        return Tally(*(one + two for one, two in zip(self, other)))

    def holds(self) -> bool:
        """Tell whether nobody honest was shut out, and hardly an attacker missed."""
        return not self.falsely and len(self.missed) <= MAY_MISS * self.attackers


class Watcher:
    """Hears what all nodes write, and counts who was found out."""

    def __init__(self, lives: Lives, roles: dict[Address, Role], limit: float):
        """`limit`: periods within which an attacker has to be kicked."""
        lives.hear, self.lives = self.heard, lives
        self._roles, self._limit = roles, limit
        self._began: dict[Address, float] = {}  # attacker -> when its time began
        self._kicked: dict[Address, float] = {}  # peer -> when
        self._rates: dict[Address, list[Address]] = {}  # convicted -> those who found it bad
        self._apart: set[tuple[Address, Address]] = set()  # pairs that seeds have parted
        self._doubted: set[Address] = set()

    def heard(self, address: Address, event: str) -> None:
        kind, _, rest = event.partition(":")
        if method := getattr(self, f"on_{kind}", None):
            method(address, rest)

    def on_generated(self, address: Address, rest: str) -> None:
        if len(self._began) < len(self._roles) and address not in self._roles:
            for attacker in self._roles.keys() - self._began.keys():
                node = self.lives.nodes.get(attacker)
                if node and len(set(node.neighbours.linked()) - self._roles.keys()) >= REPORTERS:
                    self._began[attacker] = self.lives.net.now

    def on_removed(self, address: Address, rest: str) -> None:
        peer, found, _ = rest.partition(":malicious:")
        if found:
            self._kicked.setdefault(parse_address(peer), self.lives.net.now)

    def on_verdict(self, address: Address, rest: str) -> None:
        peer, _, rates = rest.rpartition(":")
        self._rates[parse_address(peer.rpartition(":")[0])] = [
            reporter for reporter, rate in RATES.read(rates.encode()) if is_bad(rate)]

    def on_unconfirmed(self, address: Address, rest: str) -> None:
        if rest.count(":") == 1:  # of a run, signing writes this
            self._apart.add((address, parse_address(rest)))

    def on_disbelieved(self, address: Address, rest: str) -> None:
        self._doubted.add(parse_address(rest))

    def tally(self) -> Tally:
        now, attackers = self.lives.net.now, self._roles.keys()
        to_find = [peer for peer in attackers if self._roles[peer].kind not in SPARED]
        took, late, missed, early = [], [], [], 0
        for peer in to_find:
            began = self._began.get(peer, math.inf)
            if peer in self._kicked:
                took.append(max(0.0, self._kicked[peer] - began))
                late += [str(peer)] if took[-1] > self._limit else []
            elif now - began < self._limit or peer not in self.lives.nodes:
                early += 1
            else:
                missed.append(f"{peer} ({self._roles[peer].kind}) in {now - began:.0f} periods")
        falsely, outvoted = [], 0
        for peer in sorted(self._kicked.keys() - attackers):
            bad = self._rates.get(peer, [])
            if bad and 2 * sum(one in attackers for one in bad) >= len(bad):
                outvoted += 1
            else:
                falsely.append(f"{peer} was kicked, and is honest")
        falsely += [f"{one} had to leave {other} alone, which is honest, too"
                    for one, other in sorted(self._apart) if not attackers & {one, other}]
        return Tally(len(to_find), took, late, missed, early, falsely,
                     len(self._doubted & attackers), self._shunned(), outvoted)

    def _shunned(self) -> int:
        """Return how many silent attackers have no honest neighbour for long."""
        before, peers = self.lives.net.now - SHUNNED, self.lives.peers()
        return sum(self._roles[peer].kind == "mute" and not any(
            row.link is not None and row.since < before and other not in self._roles
            for other, row in peers[peer].neighbours.rows.items())
            for peer in self._roles.keys() & peers.keys())


def play_watched(schedule: Schedule) -> tuple[Tally, Lives]:
    """Play a schedule to its end; return who was found out, and the lives."""
    conditions, seeds = schedule.conditions, seed_addresses(schedule.conditions.seeds)
    attacks: tuple[Attack, ...] = parse_attacks(conditions.malicious)
    peers = sorted({who for accident in schedule.accidents if accident.kind == "start"
                    for who in accident.who if who not in seeds})
    roles = deal(attacks, peers, random.Random(f"{schedule.number}:attackers"))
    lives = Lives(schedule.number, seeds, conditions.settings(), conditions.cables(),
                  conditions.lag, conditions.clocks,
                  {peer: attacker_class(role) for peer, role in roles.items()})
    unrest = [accident for accident in schedule.accidents if accident.kind in ("kill", "freeze")
              and accident.who[0] in seeds]
    stood = sum(accident.seconds for accident in unrest if accident.kind == "freeze")
    watcher = Watcher(lives, roles, IN_TIME + stood + WITHOUT_SEED * bool(unrest))
    for accident in schedule.accidents:
        lives.net.at(accident.at, accident.befall, lives)
    if conditions.churn:
        lives.net.at(STARTING, lives.churn, conditions.churn / 100, 1.0, conditions.unrest,
                     random.Random(f"{schedule.number}:churn"))
    lives.net.run(conditions.unrest + CALM)
    return watcher.tally(), lives


def watched_main(args) -> int:
    """Play schedules with attacks, show who was found out, and return the exit code."""
    numbers = range(vars(args)["from"], vars(args)["from"] + args.schedules
                    ) if args.schedules else [args.schedule]
    total = None
    with concurrent.futures.ProcessPoolExecutor(os.cpu_count()) as pool:
        for number, tally in zip(numbers, pool.map(functools.partial(_play_number, args), numbers)):
            total = tally if total is None else total.plus(tally)
            for words in tally.missed + tally.falsely:
                print(f"schedule {number}: {words}", flush=True)
    print(f"{len(numbers)} schedules: {total}")
    return 0 if total.holds() else 1


def _play_number(args, number: int) -> Tally:
    schedule = draw_watched(number, args.malicious, args.peers, args.seeds, args.capacity,
                            args.spread)
    tally, lives = play_watched(schedule)
    if args.outputs is not None:
        folder: pathlib.Path = args.outputs
        folder.mkdir(parents=True, exist_ok=True)
        for name, file in lives.files.items():
            (folder / name).write_bytes(file.getvalue())
    return tally
