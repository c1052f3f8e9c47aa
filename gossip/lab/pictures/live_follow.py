"""The events of a network, by its files, in a log.

`Follow.turn(now)` reads a bounded amount and never waits. A network that starts after all nodes of
another have ended is shown alone. When the log is full, the deliveries of the oldest messages are
evicted, whole messages at a time, then the oldest misses and sentences. When starts, links, states
and deaths alone fill it, pages begin anew with the present links, so that links that come and go
for ever take no memory. One thread at a time calls all this. Times are microseconds since 1970.
"""

import bisect
import collections
import itertools
import json
import math
import operator
import pathlib
from typing import NamedTuple

from gossip.lab.pictures.live_lines import Line, LiveLines
from gossip.lab.pictures.live_sample import Messages
from gossip.lab.pictures.live_states import ENDED, LOST, UP, Node, States
from gossip.lab.proof.events import DEAD
from gossip.lab.proof.evidence import quantile
from gossip.terminal.words import FORMS

LIMIT = 32 * 1024 * 1024  # bytes of the log, with its own overhead
FULL = 48 * 1024 * 1024  # bytes with which it begins anew, because it evicts no link
PART = 150  # bytes that a part takes beside its text
LEAST = {"story", "liveness missed", "liveness reply", "reported", "rejected", "stopped",
         "registered", "unregistered"}  # kinds that are evicted when no message is left
_KEPT, _LEAST = 0, -1  # in the place of a message's number, for other events
TOGETHER = 1_000_000  # microseconds in which steps of a kind become a single line of the story
KINDS = 200  # of steps that are told together at a time; further kinds are not told
_WORDS = {kind: forms for kind, forms in FORMS.items() if forms.one}
_SAID_BEFORE = {("removed", "left"), ("stopped", "quit")}  # it said goodbye
_encode = json.JSONEncoder(separators=(",", ":")).encode
_number = operator.itemgetter(0)


class Log:
    """All events for pages, so that a late page sees the past. A part has events of one message, or
    of none, as the bytes of their JSON. Pages remember the number of the part that they read next.
    Messages up to the number `dropped` have been evicted."""

    def __init__(self, dropped: int = 0):
        self.dropped = dropped
        self.size = 0
        self.end = 0  # the number of the part that comes next
        self._try_at = 0  # the size with which eviction is tried again
        self._parts: list[tuple[int, int, bytes]] = []  # (number, message, text), by number

    def add(self, events: list[list], begin: int) -> None:
        """Add events, with times since `begin`."""
        for owner, group in itertools.groupby(events, key=_owner):
            text = _encode([[at - begin, *rest] for at, *rest in group])[1:-1].encode()
            self._parts.append((self.end, owner, text))
            self.end += 1
            self.size += PART + len(text)
        if self.size > max(LIMIT, self._try_at):
            self._shrink(LIMIT * 9 // 10)
            self._try_at = self.size + LIMIT // 32  # nothing more may be left to evict

    def read(self, number: int, most: int) -> tuple[list[bytes], int]:
        """Return about `most` bytes from a part on, and the next number."""
        found: list[bytes] = []
        for at in range(bisect.bisect_left(self._parts, number, key=_number), len(self._parts)):
            number, _, text = self._parts[at]
            found.append(text)
            most -= len(text)
            if most <= 0:
                return found, number + 1
        return found, self.end

    def _shrink(self, goal: int) -> None:
        sizes: collections.Counter[int] = collections.Counter()
        for _, owner, text in self._parts:
            sizes[owner] += PART + len(text)
        for message in sorted(owner for owner in sizes if owner > 0):
            if self.size <= goal:
                break
            self.size -= sizes[message]
            self.dropped = message
        kept = []
        for part in self._parts:
            if part[1] == _LEAST and self.size > goal:
                self.size -= PART + len(part[2])
            elif not 0 < part[1] <= self.dropped:
                kept.append(part)
        self._parts = kept


def _owner(event: list) -> int:
    """Return the message that an event belongs to, else _LEAST or _KEPT."""
    kind = event[1]
    if kind in ("received", "generated"):
        return event[4 if kind == "received" else 3]
    return _LEAST if kind in LEAST else _KEPT


class _Step(NamedTuple):  # a step of the story, before it is told
    kind: str
    node: Node
    fields: dict[str, str]

    def told(self, many: int = 1) -> str:
        """Return the sentence that tells this step, or `many` with the same words."""
        words = _WORDS[self.kind].one if many == 1 else _WORDS[self.kind].many
        return words.format(count=many, **self.fields)


class Story:
    """The steps in words, as events [TIME, "story", NODE, TEXT]. The first step of a kind is told
    at once, more within a second in a single line at its end, such as `4 more get no answer from
    5008: miss 1 of 3`. Starts are only told together (`40 peers start`)."""

    def __init__(self):
        self.due_at = math.inf  # when `due` has something to tell next, at the earliest
        # Their kinds and words for many -> (when they are told, the first of them, how many)
        self._open: dict[tuple, tuple[int, _Step | None, int]] = {}

    def take(self, event: list, states: States) -> list[list]:
        """Return the lines about an event that come at once."""
        if (step := _step(event, states)) is None:
            return []
        key = step.kind, step.node.kind, step.told(0)
        if key not in self._open:
            if len(self._open) == KINDS:
                return []
            self._open[key] = event[0] + TOGETHER, None, 0
            self.due_at = min(self.due_at, event[0] + TOGETHER)
            if step.kind != "started":
                return [[event[0], "story", step.node.number, step.told()]]
        end, first, many = self._open[key]
        self._open[key] = end, first or step, many + 1
        return []

    def due(self, now: int) -> list[list]:
        """Return the lines that tell several steps, and are due."""
        events = []
        while now >= self.due_at:
            end, first, many = self._open.pop(next(iter(self._open)))  # the key that is due first
            if first is not None:
                events.append([end, "story", first.node.number, first.told(many)])
            self.due_at = next((end for end, *_ in self._open.values()), math.inf)
        return events


def _step(event: list, states: States) -> _Step | None:
    """Return the step to tell about an event, if any."""
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
    elif kind in _WORDS:
        other = "" if rest[0] is None else _name(states.numbered[rest[0]])
        text = str(rest[1])
    if kind == "removed" and text in ("gone", "dead"):
        kind = f"removed {text}"
    is_told_by_state = node.kind == "seed" and (
        kind == "stopped" or kind == "started" and node.before in ENDED)
    if kind not in _WORDS or (kind, text) in _SAID_BEFORE or is_told_by_state:
        return None
    death = DEAD.match(text) if kind == "reported" else None
    return _Step(kind, node, {
        "node": _name(node), "other": other, "rest": text, "kind": node.kind,
        "limit": str(node.limit), "dead": _short(death[1]) if death else ""})


def _name(node: Node) -> str:
    return f"seed {_short(node.address)}" if node.kind == "seed" else _short(node.address)


def _short(address: str) -> str:
    """Return the port alone for a node on this machine."""
    host, _, port = address.rpartition(":")
    return port if host in ("127.0.0.1", "[::1]") else address


class Follow:
    """The network of a folder, as pages are shown it."""

    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        self._lines = LiveLines(folder)
        self._newest: int | None = None  # the time of the newest line
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._begin: int | None = None  # the time of the first event
        self.states, self._messages, self._story = States(), Messages(), Story()
        self.log = Log()  # another object when pages have to begin anew
        self._full = FULL

    def begin(self, now: int) -> int:
        """Return the time of the first event, at the latest now."""
        if self._begin is None:
            self._begin = now
        return self._begin

    def path_of(self, number: int) -> pathlib.Path | None:
        nodes = self.states.numbered
        return self._lines.path_of(nodes[number].address) if number < len(nodes) else None

    @property
    def is_behind(self) -> bool:
        return self._lines.to_read() > 0

    def turn(self, now: int) -> None:
        """Read on. OSError when the folder cannot be read."""
        lines = self._lines.turn(now)
        events: list[list] = []
        for line in lines:
            at, _, kind, _ = line  # faster than by name: most lines are deliveries
            if at >= self._story.due_at:
                events += self._story.due(at)
            if kind == "started" and self._is_another(line):
                self._begin_anew()
                events = []
            if self._begin is None:
                self._begin = at
            if kind == "received" or kind == "generated":
                self._take_gossip(line, events)
            else:
                self.states.take(line, line.node in self._lines.seeds)
                self._add_changes(events)
        if lines:
            self._newest = lines[-1].at
        events += self._story.due(self._lines.told_at)
        if events:
            self.log.add(events, self._begin)
            if self.log.size > self._full:  # begin anew with the present
                self.log = Log(self._messages.messages)  # no more deliveries of earlier messages
                self.log.add(self.states.present(events[-1][0]), self._begin)
                self._full = max(FULL, 2 * self.log.size)

    def _is_another(self, start: Line) -> bool:
        """Tell whether another network begins with this line."""
        if not self.states.numbered:
            return self._begin is not None and start.at < self._begin  # a page was there before
        return all(node.state is None or node.state in ENDED for node in self.states.numbered)

    def _add_changes(self, events: list[list]) -> None:
        """Add what has changed, and the story of it."""
        changes, self.states.changes = self.states.changes, []
        for event in changes:
            events.append(event)
            events += self._story.take(event, self.states)
            if event[1] == "started" or event[1] == "state" and event[3] in ENDED:
                self._messages.ended(self.states.numbered[event[2]])

    def _take_gossip(self, line: Line, events: list[list]) -> None:
        at, name, kind, rest = line
        node = self.states.nodes.get(name)
        if node is None:
            return
        self.states.heard(node, at)
        if kind == "generated":
            event = self._messages.generated(line, node, self.states.expected)
        else:
            address, _, text = rest.partition(":gmessage:")
            sender = self.states.node(address, at)
            event = self._messages.received(at, node, sender, text, self.log.dropped)
        if self.states.changes:
            self._add_changes(events)  # the sender may be named first
        if event is not None:
            events.append(event)

    def figures(self, now: int) -> dict:
        told = max(self._lines.told_at, self._begin or 0)
        degrees = self.states.degrees() or [0]
        return {
            "peers": len(self.states.up("peer")), "seeds": len(self.states.up("seed")),
            "links": sum(degrees) // 2, "pieces": len(self.states.pieces),
            "least": degrees[0], "median": quantile(degrees, 0.5), "most": degrees[-1],
            **self._messages.figures(told),
            "behind": round(max(0, now - told) / 1e6, 2), "toread": self._lines.to_read(),
            "now": told, "last": told if self._newest is None else self._newest}
