"""The story in words: one line a step, as events [TIME, "story", NODE, TEXT].

The first of a kind is told at once; more of it within a second are one line, at the end of that
second: `4 more get no answer from 5008: miss 1 of 3`. Starts are only told together: `40 peers
start`. Values in, events out; no clock.
"""

import math
from typing import NamedTuple

from gossip.lab.pictures.live_states import JOINING, LOST, UP, Node
from gossip.lab.proof.events import DEAD
from gossip.terminal.words import FORMS

TOGETHER = 1_000_000  # microseconds
KINDS = 200  # of steps that are told together at a time; what is of more kinds is not told
_WORDS = {kind: forms for kind, forms in FORMS.items() if forms.one}
_SAID_BEFORE = {("removed", "left"), ("stopped", "quit")}  # it said goodbye
# What steps have in common that are told together, beside their kind; most often {other}.
_ABOUT = {"kicked": "node", "reported": "dead"}


class _Step(NamedTuple):
    """One step, before it is known whether it is told alone."""

    kind: str
    node: Node
    fields: dict[str, str]

    def sentence(self, many: int = 1) -> str:
        words = _WORDS[self.kind]
        return (words.one if many == 1 else words.many).format(count=many, **self.fields)


class Story:
    """Puts steps into words."""

    def __init__(self):
        self.due_at = math.inf  # when `due` has something to tell next, at the earliest
        # What steps have in common -> when they are told together, the first of them, how many
        self._open: dict[tuple, tuple[int, _Step | None, int]] = {}
        self._away: set[Node] = set()  # who is not up, but may come back
        self._back: dict[Node, int] = {}  # seeds that came back -> when

    def take(self, event: list, states) -> list[list]:
        """The lines about an event that are told at once."""
        step = self._step(event, states)
        if step is None:
            return []
        about = step.fields[_ABOUT.get(step.kind, "other")]
        rest = step.fields["rest"] if "{rest}" in _WORDS[step.kind].many else ""
        key = (step.kind, step.node.kind, about, rest)
        if key in self._open:
            end, first, many = self._open[key]
            self._open[key] = end, first or step, many + 1
            return []
        if len(self._open) == KINDS:
            return []
        end, is_alone = event[0] + TOGETHER, step.kind != "started"
        self.due_at = min(self.due_at, end)
        self._open[key] = (end, None, 0) if is_alone else (end, step, 1)
        return [[event[0], "story", step.node.number, step.sentence()]] if is_alone else []

    def due(self, now: int) -> list[list]:
        """The lines about what came together, and is told by now."""
        if now < self.due_at:
            return []
        events, self.due_at = [], math.inf
        for key, (end, first, many) in list(self._open.items()):
            if end > now:
                self.due_at = end
                break  # those that are due later follow
            del self._open[key]
            if first is not None:
                events.append([end, "story", first.node.number, first.sentence(many)])
        return events

    def _step(self, event: list, states) -> _Step | None:
        """The step that an event is; None of one that is not told."""
        at, kind, number, *rest = event
        node, other, text = states.numbered[number], "", ""
        if kind == "state":
            kind = self._change(node, rest[0])
            if kind == "seed back":
                self._back[node] = at
        elif kind in _WORDS:
            other = "" if rest[0] is None else _name(states.numbered[rest[0]])
            text = str(rest[1])
        if kind == "removed" and text in ("gone", "dead"):
            kind = f"removed {text}"
        is_told_by_state = node.kind == "seed" and (
            kind == "stopped" or kind == "started" and self._back.get(node) == at)
        if kind not in _WORDS or (kind, text) in _SAID_BEFORE or is_told_by_state:
            return None
        death = DEAD.match(text) if kind == "reported" else None
        return _Step(kind, node, {
            "node": _name(node), "other": other, "rest": text, "kind": node.kind,
            "limit": str(node.limit), "dead": _short(death[1]) if death else ""})

    def _change(self, node: Node, state: str) -> str | None:
        """The kind of step that a change of state is."""
        was_away = node in self._away
        if state in (UP, JOINING):
            self._away.discard(node)
        else:
            self._away.add(node)
        if state == LOST:
            return "lost"
        if node.kind == "seed" and state != UP:
            return "seed gone"
        if state != UP or not was_away:
            return None
        return "seed back" if node.kind == "seed" else "back"


def _name(node: Node) -> str:
    name = _short(node.address)
    return f"seed {name}" if node.kind == "seed" else name


def _short(address: str) -> str:
    """A node on this machine is known by its port."""
    host, _, port = address.rpartition(":")
    return port if host in ("127.0.0.1", "[::1]") else address
