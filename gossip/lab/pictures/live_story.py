"""The story in words: one line a step, as events [TIME, "story", NODE, TEXT].

The first of a kind is told at once; more of it within a second are one line, at the end of that
second: `4 more get no answer from 5008: miss 1 of 3`. Starts are only told together: `40 peers
start`. Values in, events out; no clock.
"""

import dataclasses
import math
from typing import NamedTuple

from gossip.lab.pictures.live_states import LOST, UP, Node
from gossip.lab.proof.events import DEAD
from gossip.terminal.words import FORMS, Forms

TOGETHER = 1_000_000  # microseconds
KINDS = 200  # of steps that are told together at a time; what is of more kinds is not told
_WORDS = {kind: forms for kind, forms in FORMS.items() if forms.one}
_SAID_BEFORE = {("removed", "left"), ("stopped", "quit")}  # it said goodbye
# What steps have in common that are told together, beside their kind; most often {other}.
_ABOUT = {"kicked": "node", "reported": "dead"}


class _Told(NamedTuple):
    """One step, before it is known whether it is told alone."""

    node: Node
    words: Forms
    fields: dict[str, str]


@dataclasses.dataclass
class _Together:
    """Steps of a kind that are told together."""

    end: int  # when they are told
    first: _Told | None = None
    many: int = 0


class Story:
    """Puts steps into words."""

    def __init__(self):
        self.due_at = math.inf  # when `due` has something to tell next, at the earliest
        self._open: dict[tuple, _Together] = {}  # by kind
        self._lost: set[int] = set()  # numbers of nodes that are not up, but may come back
        self._back: dict[int, int] = {}  # numbers of seeds that came back -> when

    def take(self, event: list, states) -> list[list]:
        """The lines about an event that are told at once."""
        found = self._step(event, states)
        if found is None:
            return []
        kind, told = found
        at, about = event[0], told.fields[_ABOUT.get(kind, "other")]
        rest = told.fields["rest"] if "{rest}" in told.words.many else ""
        key = (kind, told.node.kind, about, rest)
        steps = self._open.get(key)
        if steps is None:
            if len(self._open) == KINDS:
                return []
            self.due_at = min(self.due_at, at + TOGETHER)
            steps = self._open[key] = _Together(at + TOGETHER)
            if kind != "started":
                return [[at, "story", told.node.number, _sentence(told)]]
        steps.first = steps.first or told
        steps.many += 1
        return []

    def due(self, now: int) -> list[list]:
        """The lines about what came together, and is told by now."""
        if now < self.due_at:
            return []
        events, self.due_at = [], math.inf
        for key, steps in list(self._open.items()):
            if steps.end > now:
                self.due_at = steps.end
                break  # those that are due later follow
            del self._open[key]
            if steps.first is not None:
                text = _sentence(steps.first, steps.many)
                events.append([steps.end, "story", steps.first.node.number, text])
        return events

    def _step(self, event: list, states) -> tuple[str, _Told] | None:
        """The kind of step that an event is, and what is told of it."""
        _, kind, number, *rest = event
        node, other, text = states.numbered[number], None, ""
        if kind == "state":
            kind = self._change(node, rest[0])
            if kind == "seed back":
                self._back[number] = event[0]
        elif kind in _WORDS:
            other = None if rest[0] is None else states.numbered[rest[0]]
            text = str(rest[1])
        if kind == "removed" and text in ("gone", "dead"):
            kind = f"removed {text}"
        is_told_by_state = node.kind == "seed" and (
            kind == "stopped" or kind == "started" and self._back.get(number) == event[0])
        if kind not in _WORDS or (kind, text) in _SAID_BEFORE or is_told_by_state:
            return None
        return kind, _Told(node, _WORDS[kind], {
            "node": _name(node), "other": "" if other is None else _name(other), "rest": text,
            "kind": node.kind, "limit": str(node.limit), "dead": _reported(kind, text)})

    def _change(self, node: Node, state: str) -> str | None:
        """The kind of step that a change of state is."""
        was_away = node.number in self._lost
        (self._lost.discard if state == UP else self._lost.add)(node.number)
        if state == LOST:
            return "lost"
        if node.kind == "seed":
            return "seed gone" if state != UP else "seed back" if was_away else None
        if state == "joining":
            self._lost.discard(node.number)
        return "back" if state == UP and was_away else None


def _reported(kind: str, rest: str) -> str:
    """The name of whose death a report tells."""
    match = DEAD.match(rest) if kind == "reported" else None
    return _short(match[1]) if match else ""


def _name(node: Node) -> str:
    name = _short(node.address)
    return f"seed {name}" if node.kind == "seed" else name


def _short(address: str) -> str:
    """A node on this machine is known by its port."""
    host, _, port = address.rpartition(":")
    return port if host in ("127.0.0.1", "[::1]") else address


def _sentence(told: _Told, many: int = 1) -> str:
    form = told.words.one if many == 1 else told.words.many
    return form.format(count=many, **told.fields)
