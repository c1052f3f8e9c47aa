"""The effects of lateness: how patient a late node is with others, when it judges, when it sends.

Lateness is the number of seconds by which a process runs its threads late; a node asks its world
for it. A process that has more to do than it can do reads answers late that came in time. So it
gives others more time, passes no verdict on them, and sends together what it would have sent bit
by bit: what is late is less work. All of it is bounded, and ends with the lateness. Rules only.
"""

from gossip.settings import LATE_FROM

JUDGE_LIMIT = 0.1  # seconds of lateness above which no verdict is passed
FACTOR = 20  # seconds of patience for each second of lateness: an answer takes about as many turns
MOST_PATIENCE = 60.0  # seconds by which patience grows at most
MOST_GATHERING = 4.0  # seconds for which a late node gathers at most


def more_patience(lateness: float) -> float:
    """How many seconds longer a node waits for others than it does when it is on time."""
    return 0.0 if lateness < LATE_FROM else min(MOST_PATIENCE, FACTOR * lateness)


def is_late(lateness: float) -> bool:
    """Whether a node is too late to know who has not answered: it passes no verdict."""
    return lateness > JUDGE_LIMIT


def gathering(lateness: float) -> float:
    """For how many seconds a node gathers what it then sends together."""
    return 0.0 if lateness < LATE_FROM else min(MOST_GATHERING, FACTOR * lateness)
