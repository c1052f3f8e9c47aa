"""A network as its files tell it: lines come in, the events of the stream go into the log.

`Follow.turn(now)` reads a bounded amount and never waits. A long past is read twice: a first
follower leaves the deliveries out, so that states and numbers are known soon; a second one reads
everything, from the start, and takes the first one's place when it has caught up.

A network that starts after all nodes of another one have ended is shown alone. When links alone
fill the log, pages begin anew with those that are there: whoever lets them come and go without an
end takes the past from the page, and no memory. One thread calls all
this. Times are microseconds since 1970.
"""

import pathlib

from gossip.pictures.live_file import Line
from gossip.pictures.live_lines import LiveLines
from gossip.pictures.live_log import Log
from gossip.pictures.live_nodes import ENDED, LOST, Node, as_events
from gossip.pictures.live_order import HELD_BACK, Order
from gossip.pictures.live_sample import LATENCIES, Messages
from gossip.pictures.live_states import States
from gossip.pictures.live_story import Story
from gossip.proof.evidence import quantile

MOST = 5_000  # lines that are told in a turn
OLDEST_LATENCY = (LATENCIES + 1) * 1_000_000
FULL = 48 * 1024 * 1024  # bytes of the log with which it begins anew: it leaves out no link
LONG = 8 * 1024 * 1024  # bytes of the past that are read twice


class _Follower:
    """One reading of a folder, and the network that it tells."""

    def __init__(self, folder: pathlib.Path, without_deliveries: bool):
        self._counts_only = without_deliveries
        self.lines = LiveLines(folder, without_deliveries)
        self._order = Order()
        self._told_at = 0  # up to when events were told
        self._newest: int | None = None  # the time of the newest line
        self._begin_anew()

    def _begin_anew(self) -> None:
        self.begin: int | None = None  # the time of the first event
        self.states, self.messages, self.story = States(), Messages(), Story()
        self.log = Log(self.messages.forget)
        self._full = FULL

    def turn(self, now: int) -> None:
        if not self._order.has_more:
            self._order.add(self.lines.turn(now))
        horizon = self.lines.horizon
        self._told_at = now - HELD_BACK if horizon is None else horizon
        self.messages.latencies_from = now - OLDEST_LATENCY
        lines = self._order.take(self._told_at, MOST)
        if self._order.has_more:
            self._told_at = lines[-1].at
        self._take(lines)

    @property
    def is_behind(self) -> bool:
        """Whether there is more to read, or to tell, at once."""
        return self.lines.horizon is not None or self._order.has_more

    def _take(self, lines: list[Line]) -> None:
        events: list[list] = []
        for line in lines:
            at, _, kind, _ = line  # faster than by name: most lines are deliveries
            if at >= self.story.due_at:
                events += self.story.due(at)
            if kind == "started" and self._is_another(line):
                self._begin_anew()
                events = []
            if self.begin is None:
                self.begin = at
            if kind == "received" or kind == "generated":
                self._take_gossip(line, events)
            else:
                self.states.take(line, self.lines.is_seed)
                self._add(events, self.states.events())
        if lines:
            self._newest = lines[-1].at
        events += self.story.due(self._told_at)
        if events:
            self.log.add(events, self.begin)
            if self.log.size > self._full:
                self._leave_the_past_out(events[-1][0])

    def _leave_the_past_out(self, at: int) -> None:
        self.log = Log(self.messages.forget)
        self.log.add(as_events(self.states.numbered, at), self.begin)
        self._full = max(FULL, 2 * self.log.size)

    def _is_another(self, start: Line) -> bool:
        """Whether with this line a network begins that is another one than is shown."""
        if not self.states.numbered:
            return self.begin is not None and start.at < self.begin  # a page was there before
        return all(node.state is None or node.state in ENDED for node in self.states.numbered)

    def _add(self, events: list[list], new: list[list]) -> None:
        for event in new:
            events.append(event)
            events += self.story.take(event, self.states)
        while self.states.ended:
            self.messages.ended(self.states.ended.pop())

    def _take_gossip(self, line: Line, events: list[list]) -> None:
        at, name, kind, rest = line
        node = self.states.nodes.get(name)
        if node is None:
            return
        node.last = at
        if node.state == LOST:
            self.states.heard(node, at)
            self._add(events, self.states.events())
        if self._counts_only:
            self.messages.messages += 1
            return
        if kind == "generated":
            event = self.messages.generated(line, node, self.states.expected)
        else:
            address, _, text = rest.partition(":gmessage:")
            sender = self.states.nodes.get(address) or self._introduced(address, at, events)
            event = self.messages.received(at, node, sender, text)
        if event is not None:
            events.append(event)

    def _introduced(self, address: str, at: int, events: list[list]) -> Node | None:
        node = self.states.node(address, at)
        self._add(events, self.states.events())
        return node

    def figures(self, now: int) -> dict:
        """The figures of the stream."""
        told = max(self._told_at, self.begin or 0)
        degrees = self.states.degrees()
        figures = {
            "peers": len(self.states.up("peer")), "seeds": len(self.states.up("seed")),
            "links": self.states.links(), "pieces": len(self.states.pieces),
            "least": degrees[0] if degrees else 0,
            "median": quantile(degrees, 0.5) if degrees else 0,
            "most": degrees[-1] if degrees else 0,
            **self.messages.figures(told),
            "behind": round(max(0, now - told) / 1e6, 2), "toread": self.lines.to_read(),
            "now": told, "last": told if self._newest is None else self._newest}
        figures["deliveries"] += self.lines.deliveries_left_out
        return figures


class Follow:
    """The network of a folder, as pages are shown it."""

    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        self._shown = _Follower(folder, without_deliveries=False)
        self._all: _Follower | None = None  # reads a long past, deliveries and all
        self._has_begun = False

    @property
    def log(self) -> Log:
        """What pages are shown; another object when pages have to begin anew."""
        return self._shown.log

    def begin(self, now: int) -> int:
        """The time of the first event; this moment, if there is none yet."""
        if self._shown.begin is None:
            self._shown.begin = now
        return self._shown.begin

    def figures(self, now: int) -> dict:
        """The figures of the stream."""
        figures = self._shown.figures(now)
        if self._all is not None:
            figures["toread"] += self._all.lines.to_read()
        return figures

    def path_of(self, number: int) -> pathlib.Path | None:
        """The file of the node with this number."""
        nodes = self._shown.states.numbered
        return self._shown.lines.path_of(nodes[number].address) if number < len(nodes) else None

    @property
    def is_behind(self) -> bool:
        """Whether there is more to read at once."""
        return self._all is not None or self._shown.is_behind

    def turn(self, now: int) -> None:
        """Read on; OSError when the folder cannot be read."""
        self._shown.turn(now)
        if not self._has_begun:
            self._has_begun = True
            if self._shown.lines.to_read() > LONG:
                self._all = self._shown
                self._shown = _Follower(self.folder, without_deliveries=True)
        if self._all is not None and not self._shown.is_behind:
            self._all.turn(now)
            if not self._all.is_behind:
                self._shown.lines.close()
                self._shown, self._all = self._all, None

    def close(self) -> None:
        """Close all files."""
        for follower in filter(None, (self._shown, self._all)):
            follower.lines.close()
