"""The node that seed and peer share: an address, links with roles, the output file, start and stop.

The world of a node (gossip/node/world.py) tells it what happens to its links, and it tells its
parts (part.py), which a subclass names by `made_of`. A line is answered by the part that names its
kind for the role of the link; a line that no part names breaks a rule. Probes are handled here:
each is a link that asks one question.

The world calls a node, and everything that it is made of, by one thread at a time: such a call is
a turn. Who calls it otherwise, as the console does, takes a turn first: `with node.turn`.

How a link ends: its `close(reason)` is called; `disconnect` does so, and also writes the
reason down. The world notices and calls `ended`, once. `ended` closes the connection,
takes the link out of the tables, and unless the node stops, all parts hear `on_end`.
"""

from gossip import wire
from gossip.addresses import Address
from gossip.node import lateness
from gossip.node.link import Link
from gossip.node.output_file import OutputFile
from gossip.node.part import Part
from gossip.node.probe import Probe
from gossip.node.waiting_room import WaitingRoom
from gossip.node.world import Duty
from gossip.settings import Settings
from gossip.tools import Budget, Counters

WAITING_LIMIT = 256  # connections that have not introduced themselves
REFUSALS_WRITTEN = 70  # `refused:` lines, and others that strangers cause, per second in the
# output file; more are only counted
SHORT = 150  # bytes of an event; a longer one counts as several: so these are 12.5 kB a second
SHARE_OF_PROBE = 0.25  # of the time for a probe: if a thread waited longer for its turn, no verdict
# is passed, because the answer may have come meanwhile
WITHHELD = "verdicts withheld, being late"  # the name of a counter

# Roles of a link that every node knows; seed.py and peer.py have more.
WAITING = "waiting"  # accepted; the other end has not introduced itself
PROBING = "probing"  # dialled for one Liveness Request


class Node(Part):
    """An address, links and an output file, from `start` to `stop`."""

    kind = "node"
    link_class = Link

    def __init__(self, address: Address, settings: Settings, output: OutputFile, world):
        self.address = address
        self.settings = settings
        self.output = output
        self.counters = Counters()
        self.stopping = False  # set once, read by everyone
        self.all_begun = lambda: True  # answers whether all nodes of this process have begun
        self.world = world(self)
        self.turn, self.flusher = self.world.turn, self.world.flusher
        self.now, self.time = self.world.now, self.world.time
        self.lateness = self.world.lateness
        self.waiting_room = WaitingRoom(WAITING_LIMIT)
        self._refusals = Budget(REFUSALS_WRITTEN)
        self._stopped = False  # somebody has called `stop`
        self._links: dict[Link, None] = {}  # all that have not ended, the oldest first
        self.parts: tuple[Part, ...] = (self,)
        self._answers: dict[tuple[str, str], Part] = {}  # role of a link, kind of a line -> who

    def made_of(self, *parts: Part) -> None:
        """Name the parts of this node, in the order in which they hear what happens. The node is
        the last."""
        self.parts = (*parts, self)
        self._answers = {(role, kind): part for part in self.parts
                         for role, kinds in part.ANSWERS.items() for kind in kinds}

    # Start and stop.

    def start(self) -> None:
        """Listen, then begin to work; OSError when the address or a thread is not available (call
        `stop` then)."""
        self.prepare()
        self.go()

    def prepare(self) -> None:
        """The first half of `start`: listen, and start threads that do nothing yet. A process of
        many nodes prepares all of them before the first begins to work."""
        self.listen()
        self.output.write(f"started:{self.kind}:{self.address}",
                          f"settings:{self.settings_shown()}")
        self.output.late(0.0)  # so the file says that it tells
        self.start_threads()

    def go(self) -> None:
        """The second half of `start`: let the threads do their work."""
        self.world.go()

    def listen(self) -> None:
        """Listen on the address; OSError when it is not available."""
        self.world.listen()

    def settings_shown(self) -> str:
        """The settings in the words of the output file."""
        return self.settings.words()

    def start_threads(self) -> None:
        """Let the world begin, and `keep` every duty of this node."""
        raise NotImplementedError

    def keep(self, name: str, turn, after: float = 0.0) -> Duty:
        """Have `turn(now)` called after `after` seconds, then at each time it answers; see Duty."""
        return self.world.keep(name, turn, after)

    def hang_up(self) -> None:
        """The first half of `stop`: shut every connection, wake every thread, wait for none. When
        the output file was finished before without a last line, this is a sudden death."""
        with self.turn:
            self.stopping = True
            self.world.wake()
            for link in self.links():
                link.close("stopped")
            self.wake()

    def wake(self) -> None:
        """Wake threads that wait for something of a subclass; called by `hang_up`."""

    def stop(self, reason: str = "interrupted") -> None:
        """End all threads and connections abruptly; may be called twice, also by a turn: what has
        to wait for threads is then done after it."""
        with self.turn:
            if not self._stopped:
                self._stopped = True
                self.output.finish(f"stopped:{reason}")
                self.hang_up()
            self.turn.after(self.free)

    def free(self) -> None:
        """The last of `stop`: wait for threads, and close what they used."""
        self.world.close()
        self.output.close()

    # How late this process is; what follows from that is in gossip/node/lateness.py.

    def more_patience(self) -> float:
        """How many seconds longer to wait for others; 0 unless this node is late."""
        return lateness.more_patience(max(self.lateness(), self.turn.waited()))

    def gathering(self) -> float:
        """For how many seconds to gather what is then sent together; 0 unless this node is late.
        Waits for turns do not count, because a node that gathers for them would be slower in every
        burst."""
        late = self.lateness()
        return lateness.gathering(late) if late else 0.0

    def is_late(self) -> bool:
        """Whether this node is too late to judge others."""
        return (lateness.is_late(self.lateness())
                or self.turn.waited() > self.settings.probe_limit * SHARE_OF_PROBE)

    def withhold(self, verdicts: int = 1) -> None:
        """Count verdicts that are not passed, because this node is late."""
        self.counters.add(WITHHELD, verdicts)

    def counts(self) -> dict[str, object]:
        """How late this process runs, and everything that was counted, for `status`."""
        worst = self.world.worst_lateness()
        waited = self.turn.waited()
        return {"late": f"{self.lateness():.3f} s, at worst {worst:.3f} s",
                **({"longest wait for a turn": f"{waited:.3f} s"} if waited else {}),
                **self.counters.all(), **self.output.dropped()}

    # What the world tells of links.

    def accept(self, connection, remote: tuple[str, int]) -> Link | None:
        """Somebody has connected: return the link that is to be read, or None to refuse it."""
        link = self.new_link(WAITING, connection=connection)
        link.connected(*remote)
        self.await_introduction(link)
        return link

    def make_room(self, reason: str) -> None:
        """Descriptors or memory are short: end one link that nobody knows yet."""
        self.counters.add("times that descriptors were short")
        link = self.waiting_room.give_way()
        if link is not None:
            self.disconnect(link, f"gave way: {reason}")

    def up(self, link: Link) -> None:
        """A link that was dialled is connected."""
        if link.probe is not None:
            link.send(link.probe.request)
            return
        for part in self.parts:
            part.on_up(link)

    def sift(self, link: Link, lines: list[bytes]) -> list[bytes]:
        """Leave out lines of a link that change nothing. Its reader calls this outside of a turn,
        while others may change any table: it only looks, and counts at the link."""
        return lines

    def lines(self, link: Link, lines: list[bytes]) -> None:
        """These lines of a link have come together: handle them in order; WireError ends it."""
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
        """The other end broke a rule (WireError), or a dial has failed (OSError)."""
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
        """A link has ended: the last call about it, made once."""
        self.forget(link)
        if self.stopping:
            return
        if link.probe is None:
            for part in self.parts:
                part.on_end(link)
        else:
            self._probed(link.probe)

    def _probed(self, probe: Probe) -> None:
        """A probe is over."""
        if probe.alive is False and self.is_late():
            probe.alive = None
            self.withhold()
        for part in self.parts:
            part.on_probed(probe)
        probe.verdict(probe.alive)

    # Links.

    def new_link(self, role: str, address: Address | None = None, connection=None) -> Link:
        """Make a link, which `stop` will close; without a connection it is to be dialled."""
        link = self.link_class(role, self.settings, self.flusher, self.now, connection)
        link.peer, link.more_patience = address, self.more_patience
        self._links[link] = None
        if self.stopping:
            link.close("stopped")
        return link

    def links(self) -> list[Link]:
        """All links that have not ended, the oldest first."""
        return list(self._links)

    def link_count(self) -> int:
        """How many connections there are."""
        return len(self._links)

    def dial(self, link: Link, thread: str = "link reader") -> None:
        """Have a new link connected and read."""
        self.world.dial(link, thread)

    def probe(self, address: Address, verdict, thread: str = "prober",
              limit: float | None = None) -> None:
        """Ask for a Liveness Reply over a fresh connection. `verdict(alive)` is called once: True
        when it came within `limit` seconds (usually `probe_limit`), False when not, None when this
        machine had no descriptor or port left to ask, or this node was too late to find it out.
        When the node stops meanwhile, it is not called."""
        link = self.new_link(PROBING, address)
        link.probe = Probe(self.address, address, wire.format_time(self.time()), verdict)
        link.await_line(self.now() + (limit or self.settings.probe_limit))
        self.dial(link, thread)

    def await_introduction(self, link: Link) -> None:
        """Give a connection some seconds to say who it is; if too many wait, one of them goes."""
        link.await_line(self.now() + self.settings.introduction_limit)
        oldest = self.waiting_room.enter(link)
        if oldest is not None:
            self.disconnect(oldest, "gave way: too many are waiting")

    def introduced(self, link: Link, role: str, address: Address) -> None:
        """The other end has said who it is, and stays."""
        link.role = role
        link.peer = address
        link.trust()
        self.waiting_room.leave(link)

    def forget(self, link: Link) -> None:
        """Close a link's connection and take the link out of the tables."""
        link.finish()
        self.waiting_room.leave(link)
        self._links.pop(link, None)

    def disconnect(self, link: Link, reason: str, who: Address | None = None) -> None:
        """End a link for what its other end did, and write the reason down."""
        self.write_refusal(who or link.peer or link.remote, reason)
        link.close(reason)

    def write_refusal(self, who, reason: str) -> None:
        """Write a `refused:` line, or only count it when this second has had too many."""
        self.write_sparingly(f"refused:{who}:{reason[:200]}", "refusals not written")

    def write_sparingly(self, event: str, otherwise: str) -> None:
        """Write what any stranger can cause, or only count it, under the name `otherwise`, when
        this second has had too much of that."""
        if self._refusals.spend(self.now(), 1 + len(ascii(event)) // SHORT):
            self.output.write(event)
        else:
            self.counters.add(otherwise)

    # What lines mean.

    def on_line(self, link: Link, line: bytes) -> None:
        """Hand one line to the part that answers it."""
        message = wire.parse(line)
        part = self._answers.get((link.role, message.kind))
        if part is None:
            what = line.partition(b":")[0].decode()
            raise wire.WireError(f"{what!r} is not expected from one who is {link.role}")
        if link.role == WAITING:
            link.prolong(self.now() + self.settings.introduction_limit)
        getattr(part, "on_" + message.kind)(link, message)


def die_together(nodes: list[Node]) -> None:
    """End nodes at once and without a word: no node's file tells that another ended, and none has
    time to notice it, however long it takes to hang up for all."""
    for node in nodes:
        node.stopping = True
        node.output.finish()
    for node in nodes:
        node.hang_up()
    for node in nodes:
        node.stop()
