"""The lines of output files: what the proof keeps of those that it only collects, as patterns.

A run keeps `(when, *groups)` of each line that matches the pattern of its event; the first group is
often the node of which the line tells. Other lines change what a run is (runs.py).
"""

import re

from grapevine import events

ADDRESS = f"({events.ADDRESS})"
GOSSIP = re.compile(rf"gmessage:([0-9.]+):({events.ADDRESS}:[0-9]+:[0-9]+):(.*)", re.DOTALL)
BY_GENERATOR = re.compile("message [0-9]+")
COUNT = re.compile("[0-9]{1,6}")
SECONDS = re.compile(r"[0-9]{1,10}(?:\.[0-9]{1,6})?")
ALIVE = re.compile(rf"({SECONDS.pattern})(?::[0-9]+)?")
RUN = re.compile(rf"{ADDRESS}:[0-9]+")
DEAD = re.compile(rf"Dead Node:{ADDRESS}:[0-9.]+:{ADDRESS}")  # who died, and who says so
_BADNESS = r"([01]\.[0-9]{3})"
KICKED_FOR = re.compile(rf"{ADDRESS}:{_BADNESS}")
JUDGED = re.compile(rf"((?:[0-9.]+|\[[^\]]*\])#[0-9]+)={_BADNESS}")
REFUSED = "registration refused"
_FIGURE = r"([0-9]{1,10}(?:\.[0-9]{1,6})?)"
_RANGE = "[0-9]{1,9}(?:-[0-9]{1,9})?"
_ANY = "(.*)"


def _compiled(patterns: dict[str, str]) -> dict[str, re.Pattern]:
    return {event: re.compile(pattern, re.DOTALL) for event, pattern in patterns.items()}


OF_PEERS = _compiled({
    "dead": f"{ADDRESS}:{_FIGURE}",  # seconds for which it was silent
    "deaths": ".*",
    "degree": f"[^=]*=>({COUNT.pattern})",
    "gone": f"{ADDRESS}:({events.ADDRESS}:[0-9]+)=({_RANGE}(?:,{_RANGE})*)",
    "liveness missed": f"{ADDRESS}:({COUNT.pattern})",  # in a row
    "liveness reply": f"{ADDRESS}.*",
    "liveness request": ".*",
    "refused": f"{ADDRESS}:{REFUSED}.*",
    "registered": _ANY,
    "reported": f"{ADDRESS}:{DEAD.pattern}.*",  # to which seed
    "tried": _ANY,
    "unconfirmed": _ANY,  # a run, IP:PORT:START, or a neighbour, IP:PORT
    "unregistered": _ANY,
})
OF_SEEDS = _compiled({
    "behind": _ANY,
    "dead report": f"{DEAD.pattern}.*",
    "disbelieved": _ANY,
    "judged": _ANY,
    "load": f"([0-9]{{1,10}}):{_FIGURE}/{_FIGURE}:([0-9]{{1,10}}):{_FIGURE}",
    "not told": f"{ADDRESS}:.*",
    "passed on": f"{DEAD.pattern}.*",
    "registered": _ANY,
    "rejected": f"{DEAD.pattern}:(.*)",
    "removed": f"{ADDRESS}:([a-z]+)(?::{_FIGURE})?(?::[^:]*)?",
    "settings": "(?:.*?:)?seeds=([0-9]{1,4})(?::.*)?",
    "verdict": f"{KICKED_FOR.pattern}{_ANY}",
})
