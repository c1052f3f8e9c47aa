"""Watched networks in virtual time: peers that attack, accidents by chance, and who was found out.

Such a network never rests, so no judge looks into its tables; the proof tells who was kicked. A
period is a second.
"""

import random

from grapevine.addresses import Address
from grapevine.lab import FOR_EVER
from grapevine.lab.attackers import attacker_class, deal, parse_attacks
from grapevine.lab.simulation.accidents import Accident, Conditions, Schedule, seed_addresses
from grapevine.lab.simulation.drawing import peer_addresses

PEERS, SEEDS = 40, 5
STARTING = 3.0  # seconds in which peers start, except late joiners
LASTING = 24.0  # seconds of a schedule, and as many periods
CHURN = 5  # percent of all links that break in a period, if any do
AWAY = 6.0  # seconds until a seed is started again
FROZEN = 10.0  # seconds for which a peer stands still at most
IN_ALL = 25  # messages a second that all peers say together
CAPACITIES = ["rule", "rule", "rule", "fixed:3", "fixed:6", "powerlaw:2.5", "fixed:39"]


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


def attacker_classes(schedule: Schedule) -> dict[Address, type]:
    """Return the classes of all attackers, by address."""
    seeds = seed_addresses(schedule.conditions.seeds)
    peers = sorted({who for accident in schedule.accidents if accident.kind == "start"
                    for who in accident.who if who not in seeds})
    roles = deal(parse_attacks(schedule.conditions.malicious), peers,
                 random.Random(f"{schedule.number}:attackers"))
    return {peer: attacker_class(role) for peer, role in roles.items()}
