"""The node that seed and peer share: an address, links with roles, the output file, start and stop.

The world of a node (gossip/node/world.py) tells it what happens to its links, and the node tells
its parts (part.py). A line is answered by the part that lists its kind for the role of the link; a
line that no part lists breaks a rule. A probe is a link that asks one question.

One thread at a time calls a node, and all that it is made of: such a call is a turn. Any caller but
the world, such as the console, takes a turn first: `with node.turn`.

A link ends by its `close(reason)`, or by `disconnect`, which also writes the reason down. The world
notices, and calls `ended` once. Then all parts get `on_end`, or `on_probed` for a probe, unless the
node stops.

Lateness is the number of seconds by which a process runs its threads late. Because an overloaded
process reads late what came in time, it gives others more time, and judges nobody.
"""

import collections
import math
from collections.abc import Iterable

from gossip import wire
from gossip.addresses import Address, Target
from gossip.node.link import Link
from gossip.node.output_file import OutputFile
from gossip.node.part import Part
from gossip.node.probe import Probe
from gossip.node.whereabouts import Whereabouts
from gossip.settings import LATE_FROM, Settings
from gossip.tools import Counters, Rate

WAITING_LIMIT = 256  # connections that may be waiting to introduce themselves
REFUSALS_WRITTEN = 70  # lines a second in the output file that strangers cause; more are counted
SHORT = 150  # bytes of an event; a longer event counts as several, so that is 12.5 kB a second
JUDGE_LIMIT = 0.1  # seconds of lateness above which no verdict is passed
SHARE_OF_PROBE = 0.25  # of the time for a probe: after a longer wait of a thread for its turn, no
# verdict is passed, because the answer may have come meanwhile
FACTOR = 20  # seconds of patience per second of lateness: about as many turns as an answer takes
MOST_PATIENCE = 60.0  # seconds at most by which patience grows
MOST_GATHERING = 4.0  # seconds at most for which a late node gathers
WITHHELD = "verdicts withheld, being late"  # the name of a counter

# Roles of a link that every node knows; seed.py and peer.py have more.
WAITING = "waiting"  # accepted; the other end has not introduced itself
PROBING = "probing"  # dialled for one Liveness Request


class WaitingRoom:
    """Links that have not introduced themselves, oldest first. Of more than `limit`, the IP with
    most links loses its oldest, so that a host that opens many keeps out only itself."""

    def __init__(self, limit: int):
        self._limit = limit
        self._links: dict = {}  # in the order of arrival

    def enter(self, link):
        """Let a link in. Return the link that has to go instead, or None."""
        self._links[link] = None
        return self.give_way() if len(self._links) > self._limit else None

    def give_way(self):
        """Remove the oldest link of the IP with most links. None if the room is empty."""
        links = list(self._links)  # because others may leave meanwhile
        ips = collections.Counter(link.remote_ip for link in links)
        crowd = max(ips, key=ips.__getitem__, default=None)
        oldest = next((link for link in links if link.remote_ip == crowd), None)
        self.leave(oldest)
        return oldest

    def leave(self, link) -> None:
        """Remove a link that has introduced itself, or has ended."""
        self._links.pop(link, None)

    def count(self) -> int:
        return len(self._links)


class Node(Part):
    """An address, links and an output file, from `start` to `stop`."""

    kind = "node"
    link_class = Link

    def __init__(self, address: Address, settings: Settings, output: OutputFile, world,
                 seeds: Iterable[Target] = ()):
        self.address, self.settings, self.output = address, settings, output
        self.whereabouts = Whereabouts(seeds, address, output.write)
        self.counters = Counters()
        self.stopping = False  # set once, read by everyone
        self.all_begun = lambda: True  # returns whether all nodes of this process have begun
        self.world = world(self)
        self.turn, self.flusher, self.go = self.world.turn, self.world.flusher, self.world.go
        self.now, self.time = self.world.now, self.world.time
        self.lateness, self.keep = self.world.lateness, self.world.keep  # see world.py
        self.waiting_room = WaitingRoom(WAITING_LIMIT)
        self._refusals = Rate(REFUSALS_WRITTEN)
        self._stopped = False  # by a call of `stop`
        self._links: dict[Link, None] = {}  # until the call of `ended`, the oldest first
        self.parts: tuple[Part, ...] = (self,)
        self._answers: dict[tuple[str, str], Part] = {}  # (role of a link, kind of a line) -> part

    def made_of(self, *parts: Part) -> None:
        """Set the parts of this node, in the order of their events. The node is last."""
        self.parts = (*parts, self)
        self._answers = {(role, kind): part for part in self.parts
                         for role, kinds in part.ANSWERS.items() for kind in kinds}

    # Start and stop.

    def start(self) -> None:
        """Listen, then begin to work. Call `stop` after an OSError (no address, or no thread)."""
        self.prepare()
        self.go()

    def prepare(self) -> None:
        """Listen, and start threads that wait for `go`. A process of many nodes prepares all of
        them before the first begins to work."""
        self.listen()
        self.output.begin(f"{self.kind}:{self.address}", self.settings_shown())
        self.output.late(0.0)  # shows that this file tells of lateness
        self.start_threads()

    def listen(self) -> None:
        """Listen on the address; OSError if it is not available."""
        self.world.listen()

    def settings_shown(self) -> str:
        """Return the text of the line `settings:…`."""
        return self.settings.words()

    def start_threads(self) -> None:
        """Let the world begin, and `keep` every duty of this node."""
        raise NotImplementedError

    def hang_up(self) -> None:
        """Close every connection and wake every thread, without waiting. If the output file was
        finished without a last line, this is a sudden death."""
        with self.turn:
            self.stopping = True
            self.world.wake()
            for link in self.links():
                link.close("stopped")
            self.wake()

    def wake(self) -> None:
        """Wake threads that wait for something of a subclass; called by `hang_up`."""

    def stop(self, reason: str = "interrupted") -> None:
        """End all threads and connections abruptly. May be called twice, also within a turn."""
        with self.turn:
            if not self._stopped:
                self._stopped = True
                self.output.finish(f"stopped:{reason}")
                self.hang_up()
            self.turn.after(self.free)

    def free(self) -> None:
        """Wait for threads, and close what they used."""
        self.world.close()
        self.output.close()

    def more_patience(self) -> float:
        """Return how many seconds longer to wait for others; 0 on time."""
        late = max(self.lateness(), self.turn.waited())
        return 0.0 if late < LATE_FROM else min(MOST_PATIENCE, FACTOR * late)

    def gathering(self) -> float:
        """Return for how many seconds to gather before sending; 0 on time. They grow with the
        square of the lateness, because a single short delay is no overload. Waits for turns do not
        count, because otherwise a node would slow down in every burst."""
        late = self.lateness()
        return 0.0 if late < LATE_FROM else min(MOST_GATHERING, FACTOR * late**2)

    def is_late(self) -> bool:
        """Return whether this node is too late to judge others."""
        return (self.lateness() > JUDGE_LIMIT
                or self.turn.waited() > self.settings.probe_limit * SHARE_OF_PROBE)

    def withhold(self, verdicts: int = 1) -> None:
        """Count verdicts that this node is too late to pass."""
        self.counters.add(WITHHELD, verdicts)

    def counts(self) -> dict[str, object]:
        """Return the lateness of this process, and all counters, for `status`."""
        worst, waited = self.world.worst_lateness(), self.turn.waited()
        return {"late": f"{self.lateness():.3f} s, at worst {worst:.3f} s",
                **({"longest wait for a turn": f"{waited:.3f} s"} if waited else {}),
                **self.counters, **self.output.dropped()}

    # What the world tells of links.

    def accept(self, connection, remote: tuple[str, int]) -> Link | None:
        """Return a link to read for an accepted connection; None refuses it. This is no turn,
        because a probe of a node that is busy for long would be answered too late."""
        link = self.new_link(WAITING, connection=connection)
        link.connected(*remote)
        self.await_introduction(link)
        return link

    def make_room(self, reason: str) -> None:
        """End a link of a stranger, because descriptors or memory are short."""
        self.counters.add("times that descriptors were short")
        if link := self.waiting_room.give_way():
            self.disconnect(link, f"gave way: {reason}")

    def found(self, link: Link, addresses: list[Address]) -> None:
        """Choose among the addresses of a dialled name. OSError if none can be dialled."""
        link.peer = self.whereabouts.choose(link.target, addresses)

    def up(self, link: Link) -> None:
        """Begin to use a dialled link, which is connected now."""
        if link.probe is not None:
            link.send(link.probe.request)
        else:
            for part in self.parts:
                part.on_up(link)

    def sift(self, link: Link, lines: list[bytes]) -> list[bytes]:
        """Return a link's lines without those that need no turn. The reader calls this outside of a
        turn, while tables may change, so it changes nothing for which the order matters."""
        return lines

    def lines(self, link: Link, lines: list[bytes]) -> None:
        """Handle lines of a link that came together, in order. A WireError ends the link."""
        if link.probe is not None:
            if link.probe.heard(lines):
                link.close("answered")
            return
        for line in lines:
            self.on_line(link, line)
            self.turn.share()
            if link.ended:
                return

    def fault(self, link: Link, error: Exception) -> None:
        """Handle a link's broken rule (WireError) or failed dial (OSError)."""
        if isinstance(error, OSError):
            link.lacked = self.world.lacks(error)
            if link.probe is not None and link.lacked:
                link.probe.alive = None
            link.close(error.strerror or str(error))
        elif link.probe is not None:
            link.close(str(error))
        else:
            self.disconnect(link, str(error))

    def ended(self, link: Link) -> None:
        """Forget a link that has ended: the last call about it, made once."""
        link.finish()
        self.waiting_room.leave(link)
        self._links.pop(link, None)
        if self.stopping:
            return
        probe = link.probe
        if probe is None:
            for part in self.parts:
                part.on_end(link)
            return
        if probe.alive is False and self.is_late():
            probe.alive = None
            self.withhold()
        for part in self.parts:
            part.on_probed(probe)
        probe.verdict(probe.alive)

    # Links.

    def new_link(self, role: str, target: Target | None = None, connection=None) -> Link:
        """Make a link, which `stop` will close. Without a connection, it will be dialled."""
        link = self.link_class(role, self.settings, self.flusher, self.now, connection)
        link.peer = link.target = target
        link.more_patience = self.more_patience
        self._links[link] = None
        if self.stopping:
            link.close("stopped")
        return link

    def links(self) -> list[Link]:
        """Return all links but those for which `ended` was called, the oldest first."""
        return list(self._links)

    def dial(self, link: Link, thread: str = "link reader") -> None:
        """Have a new link connected and read."""
        self.world.dial(link, thread)

    def probe(self, address: Address, verdict, thread: str = "prober",
              limit: float | None = None) -> None:
        """Ask for a Liveness Reply over a new connection. `verdict(alive)` is called once, unless
        the node stops: True if the reply came within `limit` seconds (else `probe_limit`), None if
        this machine was short of descriptors, ports or the like, or this node late, else False."""
        link = self.new_link(PROBING, address)
        link.probe = Probe(self.address, address, wire.format_time(self.time()), verdict)
        link.deadline = self.now() + (limit or self.settings.probe_limit)
        self.dial(link, thread)

    def await_introduction(self, link: Link) -> None:
        """Give a connection some seconds to introduce itself. Of too many, one ends."""
        link.deadline = self.now() + self.settings.introduction_limit
        if oldest := self.waiting_room.enter(link):
            with self.turn:
                if oldest.deadline not in (None, math.inf):  # else it has said who it is
                    self.disconnect(oldest, "gave way: too many are waiting")

    def introduced(self, link: Link, role: str, address: Address) -> None:
        """Note that the other end has introduced itself, and stays."""
        link.role, link.peer = role, address
        link.trust()
        self.waiting_room.leave(link)

    def disconnect(self, link: Link, reason: str, who: Address | None = None) -> None:
        """End a link, and write the reason down."""
        self.write_refusal(who or link.peer or link.remote, reason)
        link.close(reason)

    def write_refusal(self, who, reason: str) -> None:
        self.write_sparingly(f"refused:{who}:{reason[:200]}", "refusals not written")

    def write_sparingly(self, event: str, otherwise: str) -> None:
        """Write what a stranger can cause; above a limit, only count it as `otherwise`."""
        if self._refusals.spend(self.now(), 1 + len(ascii(event)) // SHORT):
            self.output.write(event)
        else:
            self.counters.add(otherwise)

    # What lines mean.

    def on_line(self, link: Link, line: bytes) -> None:
        """Pass a line to the part that answers it."""
        message = wire.parse(line)
        part = self._answers.get((link.role, message.kind))
        if part is None:
            what = line.partition(b":")[0].decode()
            raise wire.WireError(f"{what!r} is not expected from one who is {link.role}")
        if link.role == WAITING and link.deadline not in (None, math.inf):
            link.deadline = self.now() + self.settings.introduction_limit
        getattr(part, "on_" + message.kind)(link, message)


def die_together(nodes: list[Node]) -> None:
    """End nodes at once and without a last word. All files are finished before the first node
    hangs up, so that none tells that another node ended."""
    for node in nodes:
        node.stopping = True
        node.output.finish()
    for node in nodes:
        node.hang_up()
    for node in nodes:
        node.stop()
