"""The world of a node in virtual time.

`World` in gossip/node/world.py says what a node may ask of it. Here nothing waits, because every
call of the node returns before the next event of the network is due. Seeds have no names here.

While a node is frozen its turns and bytes wait. Afterwards they come in any order, except that the
bytes of a connection keep their order. When it has no power, nothing comes any more.
"""

import collections
import contextlib
import errno
import os
import random

from gossip.lab.simulation.virtual_links import Cabling, End, VirtualDuty
from gossip.node.world import Flushing, World
from gossip.settings import LATE_FOR
from gossip.wire import WireError

START = 1_700_000_000  # Unix seconds of the moment 0
DEADLINE_LOOK = 5.0  # seconds after which a world looks whether a link's deadline was changed


class WouldWait(Exception):
    """A wait for another event, which in virtual time lasts for ever."""


class NodeFailed(Exception):
    """An error of a node, of which a live thread would die."""


class VirtualWorld(World):
    """The world of one life of a node. The node makes it by `lambda node: VirtualWorld(cabling,
    node, …)`. What it does not define does nothing, because there are no threads or shortages."""

    def __init__(self, cabling: Cabling, node, rng: random.Random, clock: float = 0.0,
                 lag: float = 0.0):
        self.cabling = cabling
        self.node = node
        self.label = f"the node {node.address}"
        self.turn, self.flusher = VirtualTurn(), VirtualFlusher(self)
        self.duties: list[VirtualDuty] = []
        self._time = cabling.time
        self._rng = rng
        self._clock = clock  # seconds by which the node's own clock is ahead
        self._lag = lag  # seconds at most until a thread runs whose time has come
        self._ends: dict[End, None] = {}  # of all connections and dials that are not over
        self._gone = False  # the node has ended, or its machine lost power
        self.off = False  # its machine lost power
        self._frozen_at: float | None = None  # since when it is frozen, if it is
        self._late = 0.0  # seconds for which it stood still last
        self._late_until = 0.0  # when this no longer counts
        self._worst = 0.0  # seconds for which it stood still longest
        self._waiting: dict = collections.defaultdict(collections.deque)  # whom -> waiting calls

    # What a node asks for.

    def now(self) -> float:
        return self._time.now

    def time(self) -> float:
        return START + self._clock + self._time.now

    def lateness(self) -> float:
        """Return how long the process stood still lately. The `lag` does not count, because a
        process that is always late would judge nobody."""
        return self._late if self.now() < self._late_until else 0.0

    def worst_lateness(self) -> float:
        return self._worst

    def listen(self) -> None:
        self.cabling.listen(self.node.address, self)

    def keep(self, name: str, turn, after: float = 0.0) -> VirtualDuty:
        duty = VirtualDuty(self, name, turn, after)
        self.duties.append(duty)
        return duty

    def dial(self, link, thread: str = "link reader") -> None:
        self.later(self.now(), link, self._connect, link)

    def wake(self) -> None:
        self.cabling.hush(self.node.address, self)

    def close(self) -> None:
        """End with the node, and close its connections."""
        self._gone = True
        ends, self._ends = self._ends, {}
        for end in ends:
            end.close()

    # Accidents.

    def lose_power(self) -> None:
        """Turn the machine off. Nobody is told, and the node is not called again."""
        self._gone = self.off = True
        self.cabling.lose_power(self.node.address, list(self._ends))

    def freeze(self) -> None:
        """Let the process stand still, but not its connections."""
        if not self.is_frozen():
            self._frozen_at = self.now()

    def thaw(self) -> None:
        """Go on with what has waited, in a random order, at once."""
        self._late, self._late_until = self.now() - self._frozen_at, self.now() + LATE_FOR
        self._worst = max(self._worst, self._late)
        self._frozen_at = None
        self.node.output.late(self._late)
        while self._waiting and not self.is_frozen():
            whom = self._rng.choice(list(self._waiting))
            call, arguments = self._waiting[whom].popleft()
            if not self._waiting[whom]:
                del self._waiting[whom]
            self._do(whom, call, *arguments)

    def is_frozen(self) -> bool:
        return self._frozen_at is not None

    def ends(self) -> list[End]:
        """Return the ends of its connections that are not over, without dials."""
        return [end for end in self._ends if end.other is not None]

    # Calls of the node.

    def later(self, when: float, whom, call, *arguments) -> None:
        """Have the node called at this moment, or a little later."""
        self._time.at(when + self._rng.random() * self._lag, self._do, whom, call, *arguments)

    def _do(self, whom, call, *arguments) -> None:
        """Call the node. `whom` is the duty or connection that the call belongs to."""
        if self._gone:
            return
        if self.is_frozen():
            self._waiting[whom].append((call, arguments))
            return
        try:
            call(*arguments)
        except Exception as error:
            label = getattr(whom, "label", type(whom).__name__)
            raise NodeFailed(f"{self.node.address}, {label}: {error!r}") from error

    # Dialling and accepting.

    def _connect(self, link) -> None:
        """Send the first packet of a connection."""
        cabling, target = self.cabling, link.peer
        latency = cabling.rng.uniform(*cabling.cables.latency)
        end = End(cabling, self.node.address, self, latency)
        end.link = link
        self._ends[end] = None
        try:
            link.attach(end)
        except ConnectionAbortedError as error:
            self._dial_failed(end, error)
            return
        there = cabling.delay(latency, self.node.address, target)
        limit = self.now() + link.time_to_connect()
        self._time.at(self.now() + there, self._knock, end, target, limit, there)

    def _knock(self, end: End, target, limit: float, way: float) -> None:
        """Let the kernel answer the first packet, even for a frozen process."""
        cabling, answered = self.cabling, self.now() + way
        world = cabling.listening.get(target)
        if end.is_over():
            return  # the dialler has given up
        error = errno.ECONNREFUSED
        if (cabling.parted(self.node.address, target) or target in cabling.unpowered
                or answered >= limit):
            answered, error = limit, errno.ETIMEDOUT
        elif world is not None:
            world.welcome(end, answered)
            self._time.at(answered, self._do, end, self._connected, end)
            return
        self._time.at(answered, self._do, end, self._dial_failed, end,
                      OSError(error, os.strerror(error)))

    def welcome(self, dialler: End, answered: float) -> None:
        """Accept a dial, of which the other end hears at `answered`."""
        end = End(self.cabling, self.node.address, self, dialler.latency)
        end.join(dialler, answered)
        self._ends[end] = None
        remote = dialler.address.ip, next(self.cabling.ports)
        self._time.at(self.now(), self._do, end, self._accept, end, remote)

    def _accept(self, end: End, remote: tuple[str, int]) -> None:
        """Hand a newcomer to the node, which may not want it."""
        end.link = self.node.accept(end, remote)
        if end.link is None:
            del self._ends[end]
            end.close()
        else:
            self._watch(end)

    def _connected(self, end: End) -> None:
        if end in self._ends:  # else it ended before anybody noticed that it was connected
            end.link.connected(*end.link.peer.dial)
            self.node.up(end.link)
            self._watch(end)

    def _dial_failed(self, end: End, error: OSError) -> None:
        if end in self._ends:
            del self._ends[end]
            self.node.fault(end.link, error)
            self.node.ended(end.link)

    # What connections tell.

    def readable(self, end: End) -> None:
        self._do(end, self._read, end)

    def writable(self, end: End) -> None:
        """Send what waits, as there is room in the buffer again."""
        self._do(end, end.link.flush)

    def over(self, end: End, reason: str) -> None:
        """End a connection that was closed, here or there, or broken."""
        self._time.at(self.now(), self._do, end, self._end, end, reason)

    def _read(self, end: End) -> None:
        link = end.link
        if link.ended or self._fault_if_late(link, arrived=bool(end.arrived)):
            return  # nobody wants to know any more
        if link.rest_until > self.now():
            self.later(link.rest_until, end, self._read, end)
            return
        try:
            lines = link.take(end.read())
            if sifted := self.node.sift(link, lines):
                self.node.lines(link, sifted)
            if lines:
                link.read_on()
        except WireError as error:
            self.node.fault(link, error)
        if not link.ended:
            self._watch(end)

    def _end(self, end: End, reason: str) -> None:
        if end not in self._ends:
            return
        link = end.link
        if end.arrived:  # the link rests, and has to read what came before the end
            if link.rest_until <= self.now():
                self._read(end)
            self.later(link.rest_until, end, self._end, end, reason)
            return
        del self._ends[end]
        if not link.ended:
            self._fault_if_late(link, arrived=True)
        link.end_of_stream(reason)
        self.node.ended(link)

    # Deadlines.

    def _fault_if_late(self, link, arrived: bool) -> bool:
        """Tell the node if a line is overdue, and return whether so. What has arrived may have come
        in time, so the node looks at it first, once."""
        if not link.is_overdue() or arrived and link.last_look():
            return False
        self.node.fault(link, WireError(link.what_is_overdue()))
        return True

    def _watch(self, end: End) -> None:
        """Look at a link when a line is due, or before. Calls of the node may change when."""
        due = end.link.due()
        if due is None:
            return
        due = min(due, self.now() + DEADLINE_LOOK)
        if end.look_at is None or due < end.look_at:
            end.look_at = due
            self._time.at(due, self._do, end, self._look, end, due)

    def _look(self, end: End, at: float) -> None:
        if at != end.look_at:
            return
        end.look_at = None
        if end.arrived:
            self._read(end)
        elif not (end.link.ended or self._fault_if_late(end.link, arrived=False)):
            self._watch(end)


# What threads do live.


class VirtualTurn(contextlib.nullcontext):
    """A turn that is always free, because nothing happens meanwhile."""

    def after(self, call, *arguments) -> None:
        call(*arguments)  # at once, as it cannot wait here

    def share(self) -> None:
        """Do nothing, because nobody waits here."""

    def waited(self) -> float:
        return 0.0


class VirtualFlusher(Flushing):
    """A flusher without links to watch, because connections tell of room."""

    def __init__(self, world: VirtualWorld):
        self._world = world

    def take_over(self, job, after: float = 0.0) -> None:
        self._world.later(self._world.now() + after, self, job)

    def wait_until(self, predicate, seconds: float) -> None:
        """Return if the predicate holds. WouldWait otherwise, because nothing happens meanwhile."""
        if not predicate():
            raise WouldWait("until another thread has sent what was brought before")
