"""A network as its files tell it: lines come in, the events of the stream go into the log.

`Follow.turn(now)` reads a bounded amount and never waits. A network that starts after all nodes of
another one have ended is shown alone.

The log is bounded: when it is full, the deliveries of the oldest messages go first, whole messages
at a time; then the oldest of what is only told in words, and misses. Starts, links, states and
deaths stay. When these alone fill it, pages begin anew with the links that are there: whoever lets
them come and go without an end takes the past from the page, and no memory. One thread at a time
calls all this. Times are microseconds since 1970.
"""

import bisect
import collections
import itertools
import json
import operator
import pathlib

from gossip.lab.pictures.live_lines import Line, LiveLines
from gossip.lab.pictures.live_sample import LATENCIES, Messages
from gossip.lab.pictures.live_states import ENDED, LOST, States
from gossip.lab.pictures.live_story import Story
from gossip.lab.proof.evidence import quantile

LIMIT = 32 * 1024 * 1024  # bytes, with what the log itself needs
FULL = 48 * 1024 * 1024  # bytes of the log with which it begins anew: it leaves out no link
PART = 150  # bytes that a part takes beside its text
LEAST = {"story", "liveness missed", "liveness reply", "reported", "rejected", "stopped",
         "registered", "unregistered"}  # kinds that go when no message is left
OLDEST_LATENCY = (LATENCIES + 1) * 1_000_000
_KEPT, _LEAST = 0, -1  # in the place of a message's number: what is no delivery
_encode = json.JSONEncoder(separators=(",", ":")).encode
_number = operator.itemgetter(0)


class Log:
    """All events that pages are shown, so that a late page sees what was: a row of parts, each of
    events of one message, or of none, as the bytes of their JSON. By the numbers of parts, pages
    remember how far they have come. Messages up to the number `dropped` have been left out."""

    def __init__(self, dropped: int = 0):
        self.dropped = dropped
        self.size = 0
        self.end = 0  # the number of the part that comes next
        self._try_at = 0  # the size with which it is tried again to leave something out
        self._parts: list[tuple[int, int, bytes]] = []  # (number, message, text), by number
        self._messages: collections.Counter[int] = collections.Counter()  # bytes of each; by age

    def add(self, events: list[list], begin: int) -> None:
        """Put in events; their times become times since `begin`."""
        for owner, group in itertools.groupby(events, key=_owner):
            text = ",".join([_text(event, begin) for event in group]).encode()
            self._parts.append((self.end, owner, text))
            self.end += 1
            self.size += PART + len(text)
            if owner > 0:
                self._messages[owner] += PART + len(text)
        if self.size > max(LIMIT, self._try_at):
            self._shrink(LIMIT * 9 // 10)
            self._try_at = self.size + LIMIT // 32  # it may have nothing more to leave out

    def read(self, number: int, most: int) -> tuple[list[bytes], int]:
        """(events from this part on, the number of the part after them): of as many parts as make
        about `most` bytes, one at least."""
        found: list[bytes] = []
        for at in range(bisect.bisect_left(self._parts, number, key=_number), len(self._parts)):
            number, _, text = self._parts[at]
            found.append(text)
            most -= len(text)
            if most <= 0:
                return found, number + 1
        return found, self.end

    def _shrink(self, goal: int) -> None:
        for message in list(self._messages):
            if self.size <= goal:
                break
            self.size -= self._messages.pop(message)
            self.dropped = message
        kept = []
        for part in self._parts:
            if part[1] == _LEAST and self.size > goal:
                self.size -= PART + len(part[2])
            elif not 0 < part[1] <= self.dropped:
                kept.append(part)
        self._parts = kept


def _text(event: list, begin: int) -> str:
    at, kind, *rest = event
    if kind == "received":  # most are: the same as below, but faster
        return f'[{at - begin},"received",{rest[0]},{rest[1]},{rest[2]}]'
    return _encode([at - begin, kind, *rest])


def _owner(event: list) -> int:
    """The number of the message that an event is of; else which events go with it."""
    kind = event[1]
    if kind == "received":
        return event[4]
    if kind == "generated":
        return event[3]
    return _LEAST if kind in LEAST else _KEPT


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
        """The time of the first event; this moment, if there is none yet."""
        if self._begin is None:
            self._begin = now
        return self._begin

    def path_of(self, number: int) -> pathlib.Path | None:
        """The file of the node with this number."""
        nodes = self.states.numbered
        return self._lines.path_of(nodes[number].address) if number < len(nodes) else None

    @property
    def is_behind(self) -> bool:
        """Whether there is more to read at once."""
        return self._lines.to_read() > 0

    def turn(self, now: int) -> None:
        """Read on; OSError when the folder cannot be read."""
        lines = self._lines.turn(now)
        self._messages.latencies_from = now - OLDEST_LATENCY
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
            if self.log.size > self._full:  # begin anew, with what is there now
                self.log = Log(self._messages.messages)  # no more deliveries of those so far
                self.log.add(self.states.present(events[-1][0]), self._begin)
                self._full = max(FULL, 2 * self.log.size)

    def _is_another(self, start: Line) -> bool:
        """Whether with this line a network begins that is another one than is shown."""
        if not self.states.numbered:
            return self._begin is not None and start.at < self._begin  # a page was there before
        return all(node.state is None or node.state in ENDED for node in self.states.numbered)

    def _add_changes(self, events: list[list]) -> None:
        """Add what has changed since, and the story of it."""
        for event in self.states.events():
            events.append(event)
            events += self._story.take(event, self.states)
        while self.states.ended:
            self._messages.ended(self.states.ended.pop())

    def _take_gossip(self, line: Line, events: list[list]) -> None:
        at, name, kind, rest = line
        node = self.states.nodes.get(name)
        if node is None:
            return
        node.last = at
        if node.state == LOST:
            self.states.heard(node, at)
            self._add_changes(events)
        if kind == "generated":
            event = self._messages.generated(line, node, self.states.expected)
        else:
            address, _, text = rest.partition(":gmessage:")
            sender = self.states.nodes.get(address)
            if sender is None:
                sender = self.states.node(address, at)
                self._add_changes(events)
            event = self._messages.received(at, node, sender, text, self.log.dropped)
        if event is not None:
            events.append(event)

    def figures(self, now: int) -> dict:
        """The figures of the stream."""
        told = max(self._lines.told_at, self._begin or 0)
        degrees = self.states.degrees() or [0]
        return {
            "peers": len(self.states.up("peer")), "seeds": len(self.states.up("seed")),
            "links": sum(degrees) // 2, "pieces": len(self.states.pieces),
            "least": degrees[0], "median": quantile(degrees, 0.5), "most": degrees[-1],
            **self._messages.figures(told),
            "behind": round(max(0, now - told) / 1e6, 2), "toread": self._lines.to_read(),
            "now": told, "last": told if self._newest is None else self._newest}
