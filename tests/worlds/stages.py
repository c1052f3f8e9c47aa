"""Three stages on which the same small node plays: threads, one loop, and virtual time.

A stage has nodes, lets time pass until something is so, and knows addresses at which nobody
listens, or answers. The node notes what its world tells it, and that no call comes from within
another, or after the end of a link.
"""

import contextlib
import functools
import io
import random
import socket
import time

from grapevine.addresses import Address, Name, Target, address_of
from grapevine.link import Link
from grapevine.output import Output
from grapevine.settings import Settings
from grapevine.worlds import sockets
from grapevine.worlds.loop import Loop, LoopWorld
from grapevine.worlds.threads import ThreadWorld
from grapevine.worlds.virtual import Cables, Network, VirtualWorld
from tests.tools.programs import free_ports, silent_port

SECONDS = 20.0  # for anything
NOWHERE = Name("nowhere.invalid", 7)
HOME = "localhost"  # a name that leads to a node
SMALL = 16 << 10  # bytes of a small buffer


class Failures:
    """The output file of a node, of which only failures are kept."""

    def __init__(self):
        self.lines: list[str] = []
        self.failed = self.lines.append

    def close(self) -> None:
        pass


class Recorder:
    """A node that notes what its world tells it."""

    def __init__(self, world, lock):
        self.world, self.lock, self.output = world, lock, Failures()
        self.stopping = False
        self.told: list[tuple] = []  # (what, link, detail)
        self.links: list[Link] = []  # that have not ended, the oldest first
        self.acts: dict[str, object] = {}  # what -> call(link, detail), made once it is noted
        self._is_called = False

    # What a test has it do.

    def dial(self, target: Target, seconds: float = 2.0) -> Link:
        with self.lock:
            return self.dial_locked(target, seconds)

    def dial_locked(self, target: Target, seconds: float = 2.0) -> Link:
        link = Link("dialled", target, None)
        self.links.append(link)
        link.connection = self.world.dial(link, seconds)
        return link

    def send(self, link: Link, data: bytes) -> None:
        with self.lock:
            link.limit = 1 << 30
            link.send(data)

    def close(self, *links: Link) -> None:
        with self.lock:
            for link in links:
                link.close("closed by the test")

    def resume(self, link: Link) -> None:
        with self.lock:
            link.is_held = False
            link.connection.resume()

    def later(self, seconds: float, what: str, thread: str = "timer") -> None:
        """Note something some seconds later."""
        with self.lock:
            self.world.later(seconds, self.note, what, thread=thread)

    def quit(self) -> None:
        with self.lock:
            self.stop("quit")

    # What a test asks.

    def of(self, link: Link) -> list[str]:
        """Return what was told of a link: bytes that follow one another once."""
        told = [what for what, whose, _ in list(self.told) if whose is link]
        return [what for at, what in enumerate(told) if told[at - 1:at] != [what] or what != "took"]

    def heard(self, link: Link) -> bytes:
        return b"".join(detail for what, whose, detail in list(self.told)
                        if whose is link and what == "took")

    def size(self, link: Link) -> int:
        """Return how many bytes were told of a link."""
        return sum(len(detail) for what, whose, detail in list(self.told)
                   if whose is link and what == "took")

    def error(self, link: Link) -> OSError | None:
        """Return the error with which a link has ended."""
        [error] = [detail for what, whose, detail in self.told if whose is link and what == "ended"]
        return error

    def words(self) -> list[str]:
        """Return all that was told, of any link."""
        return [what for what, _, _ in list(self.told)]

    # What its world calls.

    def start(self) -> None:
        self.world.listen(self.accepted)

    def accepted(self, connection, remote: Address) -> Link:
        self.links.append(Link("accepted", None, remote, connection))
        self.note("accepted", self.links[-1])
        return self.links[-1]

    def up(self, link: Link) -> None:
        assert link.remote is not None
        self.note("up", link)

    def took(self, link: Link, data: bytes) -> None:
        assert link in self.links, "bytes after the end"
        assert not link.is_held, "bytes of a held link"
        self.note("took", link, data)

    def ended(self, link: Link, reason: str, error: OSError | None = None) -> None:
        assert link in self.links, "a second end"
        self.links.remove(link)
        link.closed = link.closed or reason
        self.note("ended", link, error)

    def note(self, what: str, link: Link | None = None, detail=None) -> None:
        assert not self._is_called, f"{what!r} from within another call"
        assert not self.stopping, f"{what!r} after the stop"
        self._is_called = True
        try:
            self.told.append((what, link, detail))
            if what in self.acts:
                self.acts[what](link, detail)
        finally:
            self._is_called = False

    def stop(self, reason: str) -> None:
        if not self.stopping:
            self.stopping = True
            for link in list(self.links):
                link.close(reason)
            self.world.stop()


class LiveStage:
    """Nodes that speak over TCP."""

    def __init__(self):
        self._stack = contextlib.ExitStack()
        self._nodes: dict[Recorder, Address] = {}
        self._others: list = []  # nodes of other kinds

    def node(self) -> Recorder:
        address = self.refusing()
        world = self.world(address)
        node = Recorder(world, world.lock)
        self._nodes[node] = address
        world.begin(node)
        return node

    def with_doors(self, kind):
        """Return a node of a kind, with doors for connections at 0 and 1, for datagrams at 2."""
        doors = [*map(sockets.listener_at, [self.refusing(), self.refusing()]),
                 socket.socket(type=socket.SOCK_DGRAM)]
        doors[2].bind(("127.0.0.1", 0))
        addresses = [address_of(*door.getsockname()) for door in doors]
        world = self.world(addresses[0], doors)
        node = kind(addresses[0], Settings(), Output(io.BytesIO()), world)
        node.doors = addresses
        self._others.append(node)
        world.begin(node)
        return node

    def address(self, node: Recorder) -> Address:
        """Return where a node listens."""
        return self._nodes[node]

    def name(self, node: Recorder) -> Name:
        return Name(HOME, self.address(node).port)

    def refusing(self) -> Address:
        """Return an address at which nobody listens."""
        return address_of("127.0.0.1", free_ports(1)[0])

    def silent(self) -> Address:
        """Return an address that answers no dial."""
        return address_of("127.0.0.1", self._stack.enter_context(silent_port()))

    def shrink(self, *links: Link) -> None:
        """Give links small buffers."""
        for link in links:
            for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
                link.connection.sock.setsockopt(socket.SOL_SOCKET, option, SMALL)

    def passes(self, is_so, seconds: float = SECONDS) -> bool:
        """Let time pass until something is so; return whether it is in time."""
        until = time.monotonic() + seconds
        while not is_so():
            if time.monotonic() > until:
                return False
            self.wait(0.002)
        return True

    def close(self) -> None:
        self._stack.close()
        failures = [line for node in self._nodes for line in node.output.lines]
        assert not failures


class ThreadStage(LiveStage):
    """Nodes in the world of threads."""

    wait, world = staticmethod(time.sleep), ThreadWorld

    def passes(self, is_so, seconds: float = SECONDS) -> bool:
        is_in_time = super().passes(is_so, seconds)
        for node in [*self._nodes, *self._others] if is_in_time else []:
            with node.world.lock:
                pass  # the call that made it so has ended
        return is_in_time

    def keep_busy(self, node: Recorder, seconds: float) -> None:
        """Have a node do something that takes so long."""
        with node.lock:
            time.sleep(seconds)

    def close(self) -> None:
        assert all([node.world.end("over", SECONDS) for node in [*self._nodes, *self._others]])
        super().close()


class LoopStage(LiveStage):
    """Nodes in one loop, in the thread of the test."""

    def __init__(self):
        super().__init__()
        self.loop = Loop()
        self.wait, self.world = self.loop.round, functools.partial(LoopWorld, self.loop)

    def keep_busy(self, node: Recorder, seconds: float) -> None:
        time.sleep(seconds)

    def close(self) -> None:
        for node in [*self._nodes, *self._others]:
            node.world.end("over")
        self.loop.close()
        super().close()


class VirtualStage:
    """Nodes in virtual time, where an error of a node is raised at once."""

    def __init__(self):
        self._net = Network(random.Random(1), Cables(buffer=SMALL))
        self._ports = iter(range(5_000, 6_000))

    def node(self) -> Recorder:
        return VirtualWorld(self._net, self.refusing(),
                            lambda world: Recorder(world, contextlib.nullcontext()),
                            random.Random(2)).node

    def with_doors(self, kind):
        doors = tuple(self.refusing() for _ in range(3))
        node = VirtualWorld(
            self._net, doors[0],
            lambda world: kind(doors[0], Settings(), Output(io.BytesIO()), world),
            random.Random(3), doors=doors).node
        node.doors = doors
        return node

    def address(self, node: Recorder) -> Address:
        return node.world.address

    def name(self, node: Recorder) -> Name:
        name = Name(HOME, self.address(node).port)
        self._net.names[name] = self.address(node)
        return name

    def refusing(self) -> Address:
        return address_of("127.0.0.1", next(self._ports))

    def silent(self) -> Address:
        address = self.refusing()
        self._net.cut(frozenset([address]))
        return address

    def shrink(self, *links: Link) -> None:
        pass  # all are small

    def keep_busy(self, node: Recorder, seconds: float) -> None:
        node.world.freeze()
        self._net.run(self._net.now + seconds)
        node.world.thaw()

    def passes(self, is_so, seconds: float = SECONDS) -> bool:
        until = self._net.now + seconds
        while not is_so():
            if self._net.now >= until:
                return False
            self._net.run(self._net.now + 0.001)
        return True

    def close(self) -> None:
        pass


class Pair:
    """Two nodes of a stage, and a link between them that `a` has dialled."""

    def __init__(self, stage):
        self.a, self.b = stage.node(), stage.node()
        self.here = self.a.dial(stage.address(self.b))
        assert stage.passes(lambda: self.a.told and self.b.told)
        self.there = self.b.links[0]
