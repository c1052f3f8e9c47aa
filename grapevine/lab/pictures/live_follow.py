"""The events of a network, by its files, in a log.

`Follow.turn(now)` reads a bounded amount and never waits. A network that starts after all nodes of
another have ended is shown alone. When the log is full, pages begin anew with the present nodes and
links, so that a network that runs for ever takes no memory. One thread at a time calls all this.
Times are microseconds since 1970.
"""

import json
import pathlib

from grapevine.lab.pictures.live_lines import Line, LiveLines
from grapevine.lab.pictures.live_sample import Messages
from grapevine.lab.pictures.live_states import ENDED, GONE, States
from grapevine.lab.pictures.live_story import Story
from grapevine.lab.proof.evidence import quantile

LIMIT = 32 * 1024 * 1024  # bytes of the log
PART = 64  # bytes that a part takes beside its text
_encode = json.JSONEncoder(separators=(",", ":")).encode


class Log(list):
    """All events for pages, so that a late page sees the past: the bytes of their JSON, in parts.
    Pages remember the number of the part that they read next."""

    size = 0  # bytes

    def add(self, events: list[list], begin: int) -> None:
        """Add events, with times since `begin`."""
        self.append(_encode([[at - begin, *rest] for at, *rest in events])[1:-1].encode())
        self.size += PART + len(self[-1])

    def read(self, number: int, most: int) -> tuple[list[bytes], int]:
        """Return about `most` bytes from a part on, and the next number."""
        begin = number
        while number < len(self) and most > 0:
            most -= len(self[number])
            number += 1
        return self[begin:number], number


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
        self._limit = LIMIT

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
            events += self._story.due(at)
            if kind == "started" and self._is_another(line):
                self._begin_anew()
                events = []
            if self._begin is None:
                self._begin = at
            if kind == "received" or kind == "generated":
                self._take_gossip(line, events)
            else:
                self.states.apply(line)
                self._add_changes(events)
        if lines:
            self._newest = lines[-1].at
        events += self._story.due(self._lines.told_at)
        if events:
            self.log.add(events, self._begin)
            if self.log.size > self._limit:  # begin anew with the present
                self.log = Log()
                self.log.add(self.states.present(events[-1][0]), self._begin)
                self._limit = max(LIMIT, 2 * self.log.size)

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
            events += self._story.follow(event, self.states)
            if event[1] == "started" or event[1] == "state" and event[3] in ENDED:
                self._messages.ended(self.states.numbered[event[2]])

    def _take_gossip(self, line: Line, events: list[list]) -> None:
        at, name, kind, rest = line
        node = self.states.nodes.get(name)
        if node is None or node.state == GONE:  # kicked: it says, and hears, outside of the network
            return
        self.states.heard(node, at)
        if kind == "generated":
            event = self._messages.generated(line, node, self.states.expected)
        else:
            address, _, text = rest.partition(":gmessage:")
            sender = self.states.node(address, at)
            event = self._messages.received(at, node, sender, text)
        if self.states.changes:
            self._add_changes(events)  # the sender may be named first
        if event is not None:
            events.append(event)

    def figures(self, now: int) -> dict:
        """Return the figures of the stream."""
        told = max(self._lines.told_at, self._begin or 0)
        degrees = self.states.degrees() or [0]
        return {
            "peers": len(self.states.up("peer")), "seeds": len(self.states.up("seed")),
            "links": sum(degrees) // 2, "pieces": self.states.pieces(),
            "least": degrees[0], "median": quantile(degrees, 0.5), "most": degrees[-1],
            **self._messages.figures(told),
            "behind": round(max(0, now - told) / 1e6, 2), "toread": self._lines.to_read(),
            "now": told, "last": told if self._newest is None else self._newest}
