"""The effects of lateness: a late node waits longer, passes no verdict, and sends less often.

Lateness is the number of seconds by which a process runs its threads late; a node asks its world
for it. Because an overloaded process reads late what came in time, it gives others more time,
judges nobody, and sends in batches, which is less work. All of this is bounded, and ends with the
lateness.
"""

from gossip.settings import LATE_FROM

JUDGE_LIMIT = 0.1  # seconds of lateness above which no verdict is passed
FACTOR = 20  # seconds of patience per second of lateness: about as many turns as an answer takes
MOST_PATIENCE = 60.0  # seconds at most by which patience grows
MOST_GATHERING = 4.0  # seconds at most for which a late node gathers


def more_patience(lateness: float) -> float:
    """Return how many seconds longer than usual a node waits for others."""
    return 0.0 if lateness < LATE_FROM else min(MOST_PATIENCE, FACTOR * lateness)


def is_late(lateness: float) -> bool:
    """Return whether a node is too late to judge which others have not answered."""
    return lateness > JUDGE_LIMIT


def gathering(lateness: float) -> float:
    """Return for how many seconds a node gathers before it sends."""
    return 0.0 if lateness < LATE_FROM else min(MOST_GATHERING, FACTOR * lateness)
