"""The story of a network: what happens, in words.

The first step of a kind is told at once, more within a second in a single line at its end, such as
`4 more get no answer from 5008: miss 1 of 3`. Starts are only told together (`40 peers start`).
Values come in, events [TIME, "story", NODE, TEXT] go out; no clock.
"""

from grapevine.lab.pictures.live_states import ENDED, LOST, UP, Node, States
from grapevine.lab.proof.events import DEAD

TOGETHER = 1_000_000  # microseconds in which steps of a kind become a single line
KINDS = 200  # of steps that are told together at a time; further kinds are not told
# Kind of a step -> the sentence, and that of further nodes with the same step in the same second.
# {node} wrote the event, {other} is its subject, {rest} what follows, {count} how many nodes.
WORDS = {
    "started": ("{node} starts", "{count} {kind}s start"),
    "stopped": ("{node} is stopped: {rest}", "{count} more peers are stopped: {rest}"),
    "leaving": ("{node} says goodbye", "{count} more peers say goodbye"),
    "failed": ("a thread of {node} failed: {rest}", "threads of {count} more nodes failed"),
    "lost": ("{node}: every connection to it has broken",
             "{count} more peers: every connection to them has broken"),
    "back": ("{node} is connected again", "{count} more peers are connected again"),
    "liveness missed": ("{node} gets no answer from {other}: miss {rest} of {limit}",
                        "{count} more get no answer from {other}: miss {rest} of {limit}"),
    "liveness reply": ("{other} answers again: {node} has heard from it",
                       "{other} answers again: {count} more have heard from it"),
    "dead": ("{node} probes once more, and calls {other} dead", "{count} more call {other} dead"),
    "reported": ("{node} reports {dead} to {other}", "{count} more reports: {dead} is dead"),
    "kicked": ("{other} shuts {node} out", "{count} more seeds shut {node} out"),
    "seed gone": ("{node} is gone", "{count} more seeds are gone"),
    "seed back": ("{node} is up again", "{count} more seeds are up again"),
    "removed": ("{node} removed {other}: {rest}", "{count} more seeds removed {other}"),
    "removed gone": ("{node} has lost {other}, and removed it",
                     "{count} more seeds removed {other}"),
    "removed dead": ("{node} probed {other}, and removed it as dead",
                     "{count} more seeds removed {other}"),
}
_SAID_BEFORE = {("removed", "left"), ("stopped", "quit")}  # it said goodbye


class Story:
    """The steps that wait to be told together."""

    def __init__(self):
        # Kind and sentence for many -> when it is told, the first (node, sentence), how many; what
        # is told first comes first
        self._open: dict[tuple[str, str], tuple[int, tuple[int, str] | None, int]] = {}

    def follow(self, event: list, states: States) -> list[list]:
        """Return the lines about an event that come at once."""
        if (step := _step(event, states)) is None:
            return []
        key, number, one = step
        if key not in self._open:
            if len(self._open) == KINDS:
                return []
            self._open[key] = event[0] + TOGETHER, None, 0
            if key[0] != "started":
                return [[event[0], "story", number, one]]
        end, first, count = self._open[key]
        self._open[key] = end, first or (number, one), count + 1
        return []

    def due(self, now: int) -> list[list]:
        """Return the lines that tell several steps, and are due."""
        events = []
        while self._open and now >= next(iter(self._open.values()))[0]:
            key = next(iter(self._open))
            end, first, count = self._open.pop(key)
            if first is not None:
                many = key[1].replace("{count}", str(count))
                events.append([end, "story", first[0], first[1] if count == 1 else many])
        return events


def _step(event: list, states: States) -> tuple[tuple[str, str], int, str] | None:
    """Return (kind, sentence for many), node, and sentence of what to tell about an event."""
    _, kind, number, *rest = event
    node, other, text = states.numbered[number], "", ""
    if kind == "state":
        seed = "seed " if node.kind == "seed" else ""
        if rest[0] == LOST:
            kind = "lost"
        elif rest[0] == UP and node.before in (LOST, *ENDED):
            kind = f"{seed}back"
        elif rest[0] != UP and seed:
            kind = "seed gone"
    elif kind in WORDS:
        other = "" if rest[0] is None else _name(states.numbered[rest[0]])
        text = str(rest[1])
    if kind == "removed" and (reason := text.partition(":")[0]) in ("gone", "dead"):
        kind = f"removed {reason}"
    is_told_by_state = node.kind == "seed" and (
        kind == "stopped" or kind == "started" and node.before in ENDED)
    if kind not in WORDS or (kind, text) in _SAID_BEFORE or is_told_by_state:
        return None
    death = DEAD.match(text) if kind == "reported" else None
    one, many = (words.format(
        node=_name(node), other=other, rest=text, kind=node.kind, limit=node.limit,
        dead=_short(death[1]) if death else "", count="{count}") for words in WORDS[kind])
    return (kind, many), number, one


def _name(node: Node) -> str:
    return f"seed {_short(node.address)}" if node.kind == "seed" else _short(node.address)


def _short(address: str) -> str:
    """Return the port alone for a node on this machine."""
    host, _, port = address.rpartition(":")
    return port if host in ("127.0.0.1", "[::1]") else address
