"""The node that seed and peer share: an address, links with roles, the output file, start and stop.

The world of a node (gossip/node/world.py) tells it what happens to its links, and the node tells
its parts (part.py), which a subclass names by `made_of`. A line is answered by the part that lists
its kind for the role of the link; a line that no part lists breaks a rule. The node itself handles
probes: each is a link that asks one question.

The world calls a node, and all that it is made of, from one thread at a time: such a call is a
turn. Any other caller, such as the console, takes a turn first: `with node.turn`.

A link ends by its `close(reason)`, or by `disconnect`, which also writes the reason down. The world
notices, and calls `ended` once. `ended` closes the connection, and removes the link from the
tables. Then all parts get `on_end`, unless the node stops.
"""

from collections.abc import Iterable

from gossip import wire
from gossip.addresses import Address, Target
from gossip.node import lateness
from gossip.node.link import Link
from gossip.node.output_file import OutputFile
from gossip.node.part import Part
from gossip.node.probe import Probe
from gossip.node.waiting_room import WaitingRoom
from gossip.node.whereabouts import Whereabouts
from gossip.node.world import Duty
from gossip.settings import Settings
from gossip.tools import Budget, Counters

WAITING_LIMIT = 256  # connections that may be waiting to introduce themselves
REFUSALS_WRITTEN = 70  # lines a second in the output file that strangers cause, such as `refused:`;
# more are only counted
SHORT = 150  # bytes of an event; a longer event counts as several, so that is 12.5 kB a second
SHARE_OF_PROBE = 0.25  # of the time for a probe: after a longer wait of a thread for its turn, no
# verdict is passed, because the answer may have come meanwhile
WITHHELD = "verdicts withheld, being late"  # the name of a counter

# Roles of a link that every node knows; seed.py and peer.py have more.
WAITING = "waiting"  # accepted; the other end has not introduced itself
PROBING = "probing"  # dialled for one Liveness Request


class Node(Part):
    """An address, links and an output file, from `start` to `stop`."""

    kind = "node"
    link_class = Link

    def __init__(self, address: Address, settings: Settings, output: OutputFile, world,
                 seeds: Iterable[Target] = ()):
        self.address = address
        self.whereabouts = Whereabouts(seeds, address, output.write)
        self.settings = settings
        self.output = output
        self.counters = Counters()
        self.stopping = False  # set once, read by everyone
        self.all_begun = lambda: True  # returns whether all nodes of this process have begun
        self.world = world(self)
        self.turn, self.flusher = self.world.turn, self.world.flusher
        self.now, self.time = self.world.now, self.world.time
        self.lateness = self.world.lateness
        self.waiting_room = WaitingRoom(WAITING_LIMIT)
        self._refusals = Budget(REFUSALS_WRITTEN)
        self._stopped = False  # somebody has called `stop`
        self._links: dict[Link, None] = {}  # all that have not ended, the oldest first
        self.parts: tuple[Part, ...] = (self,)
        self._answers: dict[tuple[str, str], Part] = {}  # (role of a link, kind of a line) -> part

    def made_of(self, *parts: Part) -> None:
        """Name the parts of this node, in the order in which they get events. The node is last."""
        self.parts = (*parts, self)
        self._answers = {(role, kind): part for part in self.parts
                         for role, kinds in part.ANSWERS.items() for kind in kinds}

    # Start and stop.

    def start(self) -> None:
        """Listen, then begin to work. Call `stop` after an OSError (no address, or no thread)."""
        self.prepare()
        self.go()

    def prepare(self) -> None:
        """Listen, and start threads that wait for `go`: the first half of `start`. A process of
        many nodes prepares all of them before the first begins to work."""
        self.listen()
        self.output.begin(f"{self.kind}:{self.address}", self.settings_shown())
        self.output.late(0.0)  # shows that this file tells of lateness
        self.start_threads()

    def go(self) -> None:
        """Let the threads do their work: the second half of `start`."""
        self.world.go()

    def listen(self) -> None:
        """Listen on the address; OSError if it is not available."""
        self.world.listen()

    def settings_shown(self) -> str:
        """Return the settings in the words of the output file."""
        return self.settings.words()

    def start_threads(self) -> None:
        """Let the world begin, and `keep` every duty of this node."""
        raise NotImplementedError

    def keep(self, name: str, turn, after: float = 0.0) -> Duty:
        """Have `turn(now)` called after `after` seconds, then whenever it is due. See Duty."""
        return self.world.keep(name, turn, after)

    def hang_up(self) -> None:
        """Close every connection and wake every thread: the first half of `stop`. It waits for
        none. If the output file was finished without a last line, this is a sudden death."""
        with self.turn:
            self.stopping = True
            self.world.wake()
            for link in self.links():
                link.close("stopped")
            self.wake()

    def wake(self) -> None:
        """Wake threads that wait for something of a subclass; called by `hang_up`."""

    def stop(self, reason: str = "interrupted") -> None:
        """End all threads and connections abruptly. May be called twice, also within a turn:
        waiting for threads then follows the turn."""
        with self.turn:
            if not self._stopped:
                self._stopped = True
                self.output.finish(f"stopped:{reason}")
                self.hang_up()
            self.turn.after(self.free)

    def free(self) -> None:
        """Wait for threads, and close what they used: the last of `stop`."""
        self.world.close()
        self.output.close()

    # How late this process is; gossip/node/lateness.py has the effects.

    def more_patience(self) -> float:
        """Return how many seconds longer to wait for others; 0 on time."""
        return lateness.more_patience(max(self.lateness(), self.turn.waited()))

    def gathering(self) -> float:
        """Return for how many seconds to gather before sending; 0 on time. Waits for turns do not
        count, because gathering would slow the node down in every burst."""
        late = self.lateness()
        return lateness.gathering(late) if late else 0.0

    def is_late(self) -> bool:
        """Return whether this node is too late to judge others."""
        return (lateness.is_late(self.lateness())
                or self.turn.waited() > self.settings.probe_limit * SHARE_OF_PROBE)

    def withhold(self, verdicts: int = 1) -> None:
        """Count verdicts that are not passed, because this node is late."""
        self.counters.add(WITHHELD, verdicts)

    def counts(self) -> dict[str, object]:
        """Return the lateness of this process, and all counters, for `status`."""
        worst = self.world.worst_lateness()
        waited = self.turn.waited()
        return {"late": f"{self.lateness():.3f} s, at worst {worst:.3f} s",
                **({"longest wait for a turn": f"{waited:.3f} s"} if waited else {}),
                **self.counters.all(), **self.output.dropped()}

    # What the world tells of links.

    def accept(self, connection, remote: tuple[str, int]) -> Link | None:
        """Return a link to read for an accepted connection; None refuses it."""
        link = self.new_link(WAITING, connection=connection)
        link.connected(*remote)
        self.await_introduction(link)
        return link

    def make_room(self, reason: str) -> None:
        """End a link of a stranger, because descriptors or memory are short."""
        self.counters.add("times that descriptors were short")
        link = self.waiting_room.give_way()
        if link is not None:
            self.disconnect(link, f"gave way: {reason}")

    def found(self, link: Link, addresses: list[Address]) -> None:
        """Choose among the addresses to which the name of a dialled link leads. OSError if none
        can be dialled."""
        link.peer = self.whereabouts.choose(link.target, addresses)

    def up(self, link: Link) -> None:
        """Begin to use a dialled link, which is connected now."""
        if link.probe is not None:
            link.send(link.probe.request)
            return
        for part in self.parts:
            part.on_up(link)

    def sift(self, link: Link, lines: list[bytes]) -> list[bytes]:
        """Return a link's lines without those that change nothing. The reader calls this outside of
        a turn, while tables may change, so this only looks, and counts at the link."""
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
        """Handle a broken rule (WireError), or a failed dial (OSError), of a link."""
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
        self.forget(link)
        if self.stopping:
            return
        if link.probe is None:
            for part in self.parts:
                part.on_end(link)
        else:
            self._probed(link.probe)

    def _probed(self, probe: Probe) -> None:
        """Report a probe that is over."""
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
        """Return all links that have not ended, the oldest first."""
        return list(self._links)

    def link_count(self) -> int:
        """Return how many links have not ended."""
        return len(self._links)

    def dial(self, link: Link, thread: str = "link reader") -> None:
        """Have a new link connected and read."""
        self.world.dial(link, thread)

    def probe(self, address: Address, verdict, thread: str = "prober",
              limit: float | None = None) -> None:
        """Ask for a Liveness Reply over a new connection.

        `verdict(alive)` is called once, unless the node stops: True if the reply came within
        `limit` seconds (else `probe_limit`), None if descriptors or ports were short here or this
        node was late, else False.
        """
        link = self.new_link(PROBING, address)
        link.probe = Probe(self.address, address, wire.format_time(self.time()), verdict)
        link.await_line(self.now() + (limit or self.settings.probe_limit))
        self.dial(link, thread)

    def await_introduction(self, link: Link) -> None:
        """Give a connection some seconds to introduce itself. Too many end one of those waiting."""
        link.await_line(self.now() + self.settings.introduction_limit)
        oldest = self.waiting_room.enter(link)
        if oldest is not None:
            self.disconnect(oldest, "gave way: too many are waiting")

    def introduced(self, link: Link, role: str, address: Address) -> None:
        """Note that the other end has introduced itself, and stays."""
        link.role = role
        link.peer = address
        link.trust()
        self.waiting_room.leave(link)

    def forget(self, link: Link) -> None:
        """Close a link's connection, and remove the link from the tables."""
        link.finish()
        self.waiting_room.leave(link)
        self._links.pop(link, None)

    def disconnect(self, link: Link, reason: str, who: Address | None = None) -> None:
        """End a link, and write the reason down."""
        self.write_refusal(who or link.peer or link.remote, reason)
        link.close(reason)

    def write_refusal(self, who, reason: str) -> None:
        """Write a `refused:` line, or only count it above the limit of this second."""
        self.write_sparingly(f"refused:{who}:{reason[:200]}", "refusals not written")

    def write_sparingly(self, event: str, otherwise: str) -> None:
        """Write what a stranger can cause, or count it as `otherwise` above the limit per
        second."""
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
        if link.role == WAITING:
            link.prolong(self.now() + self.settings.introduction_limit)
        getattr(part, "on_" + message.kind)(link, message)


def die_together(nodes: list[Node]) -> None:
    """End nodes at once and without a last word. No node's file tells that another one ended,
    because all files are finished before the first node hangs up, which may take long."""
    for node in nodes:
        node.stopping = True
        node.output.finish()
    for node in nodes:
        node.hang_up()
    for node in nodes:
        node.stop()
