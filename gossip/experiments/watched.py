"""Watched: schedules of networks whose seeds look for malicious peers, drawn by number.

Peers gossip until the end, and some of them attack (malice.py). In one half of the schedules
nothing else happens. In the other half a share of all links breaks in every period, peers join
late, die or stand still, and a seed is killed, most of the time to come back.
"""

import random

from gossip.addresses import Address, address_of
from gossip.capacity import Capacity, parse_capacity
from gossip.experiments.accidents import (
    PEER_PORT, PORTS, Accident, Conditions, Schedule, seed_addresses)
from gossip.experiments.malice import Malice

PEERS, SEEDS = 40, 5  # when the command line does not say how many
STARTING = 3.0  # seconds in which peers start that do not join later
WATCHED = 24.0  # seconds of a schedule, and as many periods
CHURN = 5  # percent of all links that break in a period, if any do
AWAY = 6.0  # seconds until a seed is started again
FROZEN = 10.0  # seconds for which a peer stands still at most
GOSSIP_INTERVAL = 2.0  # seconds between two messages of a peer, also live; but fewer where all
IN_ALL = 20  # peers together would say less than so many a second
CAPACITIES = ["rule", "rule", "rule", "fixed:3", "fixed:6", "powerlaw:2.5", "fixed:39"]


def draw_watched(number: int, malice: Malice, peers: int | None = None, seeds: int | None = None,
                 capacity: Capacity | None = None) -> Schedule:
    """The schedule of this number with these attacks: of 40 peers and 5 seeds by default."""
    rng = random.Random(f"watched {number}")
    peers = [address_of(f"127.0.0.{1 + n // PORTS}", PEER_PORT + n % PORTS)
             for n in range(PEERS if peers is None else peers)]
    seeds = seed_addresses(SEEDS if seeds is None else seeds)
    restless = rng.random() < 0.5
    accidents = [Accident(0.0, "start", (seed,)) for seed in seeds]
    accidents += _starts(rng, peers, restless)
    if restless:
        accidents += _unrest(rng, peers, seeds)
    drawn = parse_capacity(rng.choice(CAPACITIES))
    conditions = Conditions(
        seeds=len(seeds), capacity=capacity or drawn,
        gossip_count=1_000_000_000, gossip_interval=min(GOSSIP_INTERVAL, len(peers) / IN_ALL),
        liveness_interval=5.0, latency=rng.choice([0.0002, 0.001, 0.01]),
        lag=rng.choice([0.0, 0.001, 0.02]), sign=1,
        malicious=str(malice), churn=rng.choice([0, CHURN]) if restless else 0, unrest=WATCHED)
    return Schedule(number, conditions,
                    tuple(sorted(accidents, key=lambda accident: accident.at)))


def _starts(rng: random.Random, peers: list[Address], restless: bool) -> list[Accident]:
    """When each peer starts; up to a quarter of them join in the middle."""
    late = rng.sample(peers, rng.randint(0, len(peers) // 4)) if restless else []
    return [Accident(round(rng.uniform(5.0, WATCHED / 2) if peer in late
                           else rng.uniform(0.0, STARTING), 3), "start", (peer,))
            for peer in peers]


def _unrest(rng: random.Random, peers: list[Address], seeds: list[Address]) -> list[Accident]:
    """Peers that die or stand still, and a seed that dies."""
    def moment() -> float:
        return round(rng.uniform(STARTING + 2.0, WATCHED - FROZEN), 3)

    accidents = [Accident(moment(), "kill", (peer,)) for peer in
                 rng.sample(peers, rng.choice([0, 0, rng.randint(1, 1 + len(peers) // 5)]))]
    accidents += [Accident(moment(), "freeze", (peer,), round(rng.uniform(1.0, FROZEN), 3))
                  for peer in rng.sample(peers, rng.choice([0, 0, 3]))]
    if len(seeds) > 1 and rng.random() < 0.5:
        accidents.append(Accident(moment(), "kill", (rng.choice(seeds),),
                                  rng.choice([AWAY, AWAY, None])))
    return accidents
