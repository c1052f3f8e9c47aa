"""The real seeds and peers in virtual time, for tests."""

from gossip.experiments.accidents import Schedule, draw_schedule
from gossip.experiments.schedules import Outcome, play
from peer import Peer
from seed import Seed

CLASSES = {"seed": Seed, "peer": Peer}


def outcome_of(schedule: Schedule | int) -> Outcome:
    """Play a schedule, or the one of a number."""
    return play(draw_schedule(schedule) if isinstance(schedule, int) else schedule, CLASSES)


def faults_of(schedule: Schedule | int) -> list[str]:
    return [str(fault) for fault in outcome_of(schedule).faults]
