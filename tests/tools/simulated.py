"""The real seeds and peers in virtual time, for tests."""

from gossip.experiments.accidents import Schedule, draw_schedule
from gossip.experiments.schedules import Outcome, play
from peer import Peer
from seed import Seed

CLASSES = {"seed": Seed, "peer": Peer}


def outcome_of(schedule: Schedule | int) -> Outcome:
    """Play a schedule, or the one of a number."""
    return play(draw_schedule(schedule) if isinstance(schedule, int) else schedule, CLASSES)


def faults_of(schedule: Schedule | int, sign: bool = False) -> list[str]:
    """What went wrong in a schedule, or in the one of a number, in a network that signs or not."""
    if isinstance(schedule, int):
        schedule = draw_schedule(schedule, sign=sign)
    return [str(fault) for fault in outcome_of(schedule).faults]
