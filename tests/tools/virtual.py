"""Conversations in virtual time: one real node, everybody else in the hand of a test.

    scene = Scene(Peer, seeds=["127.0.0.1:8001"])       the node, and the network around it
    machine = scene.machine("127.0.0.1:6001")           listens, and answers Liveness Requests
    end = machine.dial()                                its end of a connection to the node
    end.say("Connection with Peer:127.0.0.1:6001")
    assert end.hear() == "connection accepted:127.0.0.1:5001"
    assert scene.event("connected:") == "connected:127.0.0.1:6001"

`hear`, `accept`, `event` and `run` let time pass. An error of the node is raised as NodeFailed.
"""

import math
import random

from grapevine.addresses import Address, Target, parse_address, parse_target
from grapevine.link import Link
from grapevine.output import Output
from grapevine.peer import Peer
from grapevine.settings import Settings
from grapevine.worlds.virtual import Cables, Network, VirtualWorld

STEP = 0.001  # seconds that pass between two looks of a test
STAMP = len("2000-01-01 00:00:00.000000:")  # of a line in an output file
NODE = "127.0.0.1:5001"  # the address of the real node
TIME = "1700000000.000000"
A, B, C, D = [f"127.0.0.1:{port}" for port in range(6001, 6005)]  # peers


class EventFile:
    """An output file that keeps events, without their times."""

    def __init__(self):
        self.events: list[str] = []

    def write(self, data: bytes) -> int:
        self.events += [line[STAMP:] for line in data.decode().splitlines()]
        return len(data)

    def close(self) -> None:
        pass


class End(Link):
    """The other end of a connection of the node. `closed` is the reason of its end, or None."""

    def __init__(self, machine: "Machine", connection=None, remote: Address | None = None):
        super().__init__("", machine.scene.node.address, remote, connection)
        self.limit = math.inf
        self.scene, self.machine = machine.scene, machine
        self.is_up = connection is not None
        self.lines: list[str] = []  # what the node has said, and the test has not heard yet

    def say(self, *lines: str) -> None:
        """Say lines that arrive together."""
        self.send("".join(f"{line}\n" for line in lines).encode())

    def hear(self, seconds: float = 1.0) -> str | None:
        """Return the next line; None if none comes in time, or the connection ends."""
        self.scene.pass_until(lambda: self.lines or self.closed, seconds)
        return self.lines.pop(0) if self.lines else None

    def hear_until(self, start: str, seconds: float = 1.0) -> str:
        """Return the next line that begins so; those before it are skipped."""
        return self.hear_what(lambda line: line.startswith(start), start, seconds)

    def hear_what(self, is_it, name: str, seconds: float):
        """Return the next word that is the one, called `name` in the error if none is."""
        until = self.scene.now + seconds
        heard = []
        while (said := self.hear(until - self.scene.now)) is not None:
            if is_it(said):
                return said
            heard.append(said)
        raise AssertionError(f"{name!r} was not said, but {heard[-20:]}; closed: {self.closed}")

    def answer(self, request: str = "") -> None:
        """Answer a Liveness Request; without it, the one that the node says next."""
        self.say(self.machine.reply_to(request or self.hear()))

    def hear_all(self, seconds: float = 1.0) -> list[str]:
        """Return all lines that come within some seconds."""
        self.scene.run(seconds)
        heard, self.lines = self.lines, []
        return heard

    def ends_within(self, seconds: float = 1.0) -> bool:
        """Let time pass until the connection ends; return whether it does in time."""
        return self.scene.pass_until(lambda: self.closed, seconds)

    def stop_reading(self) -> None:
        self.is_held = True

    def read_on(self) -> None:
        """Read what has come meanwhile, and what comes."""
        self.is_held = False
        self.connection.read()

    def hang_up(self) -> None:
        self.close("hung up")

    def break_off(self) -> None:
        """Break the connection: the node's end is reset."""
        self.connection.other.reset()
        self.connection.reset()


class Machine:
    """A machine in the hand of a test, which speaks for nobody else.

    It answers Liveness Requests while `is_alive`, and the lines in `replies`, by itself; ends do
    not hear these. An empty reply is none."""

    END = End

    def __init__(self, scene: "Scene", address: Address, listens: bool = True,
                 is_alive: bool = True):
        self.scene, self.address, self._listens = scene, address, listens
        self.is_alive = is_alive
        self.replies: dict[str, str] = {}  # line of the node -> answer
        self.ends: list[End] = []  # of connections that the node has made, the oldest first
        self.said: list[str] = []  # every line of the node, on any connection
        self._shown: set[End] = set()  # those that the test knows
        self.stopping = False
        self.world = VirtualWorld(scene.net, address, self._begin, random.Random(0))

    def dial(self, door: Address | None = None) -> End:
        """Connect to the node, perhaps at another address than its first."""
        return self.dial_often(1, door)[0]

    def dial_often(self, times: int, door: Address | None = None) -> list[End]:
        """Connect to the node some times at once."""
        ends = [self.END(self) for _ in range(times)]
        for end in ends:
            end.peer = door or end.peer
            end.connection = self.world.dial(end, 5.0)
        self.scene.pass_until(lambda: all(end.is_up or end.closed for end in ends), 5.0)
        return ends

    def ask_to_link(self) -> End:
        """Connect to the node, a peer, and ask to become its neighbour."""
        end = self.dial()
        end.say(f"Connection with Peer:{self.address}")
        return end

    def accept(self, seconds: float = 1.0) -> End:
        """Return the next connection on which the node has said what is not answered by itself."""
        def fresh() -> list[End]:
            return [end for end in self.ends if end.lines and end not in self._shown]

        assert self.scene.pass_until(fresh, seconds), f"nobody dials {self.address}"
        end = fresh()[0]
        self._shown.add(end)
        return end

    def reply_to(self, request: str) -> str:
        return f"{request.replace('Request', 'Reply', 1)}:{self.address}"

    # The seam (grapevine/worlds/__init__.py): what the world calls.

    def _begin(self, world: VirtualWorld) -> "Machine":
        self.world = world
        return self

    def start(self) -> None:
        if self._listens:
            self.world.listen(self.accepted)

    def accepted(self, connection, remote: Address) -> End:
        end = self.END(self, connection, remote)
        self.ends.append(end)
        return end

    def up(self, end: End) -> None:
        end.is_up = True

    def took(self, end: End, data: bytes) -> None:
        *lines, end.rest = (end.rest + data).split(b"\n")
        for line in map(bytes.decode, lines):
            self.said.append(line)
            reply = self._reply(line)
            if reply is None:
                end.lines.append(line)
            elif reply:
                end.say(reply)

    def _reply(self, line: str) -> str | None:
        if self.is_alive and line.startswith("Liveness Request:"):
            return self.reply_to(line)
        return self.replies.get(line)

    def ended(self, end: End, reason: str, error: OSError | None = None) -> None:
        end.closed = end.closed or reason


class Scene:
    """One real node, a Peer or a Seed, in virtual time; `settings` are those of Settings. A peer
    says nothing on its own account but liveness, unless they tell it to."""

    def __init__(self, kind, address: str = NODE, seeds: list[str] = (),
                 cables: Cables = Cables(latency=(STEP, STEP)), **settings):
        quiet = {"gossip_count": 0, "antientropy_interval": 0.0}
        targets: list[Target] = list(map(parse_target, seeds))

        self.begin(Network(random.Random(1), cables), parse_address(address),
                   lambda output, world: kind(self.address, Settings(**quiet | settings), output,
                                              world, targets))
        self._read = len(self._file.events)

    def begin(self, net: Network, address: Address, make, chance: int = 2,
              doors: tuple[Address, ...] = ()) -> None:
        """Begin the node that `make(output, world)` returns."""
        self.net, self.address, self._file = net, address, EventFile()
        self._read = 0  # of the events: those that `event` has passed
        self.world = VirtualWorld(
            net, address, lambda world: make(
                Output(self._file, clock=lambda: int(world.time() * 1e9)), world),
            random.Random(chance), doors=doors)
        self.node = self.world.node

    @property
    def now(self) -> float:
        return self.net.now

    def run(self, seconds: float) -> None:
        self.net.run(self.now + seconds)

    def pass_until(self, is_so, seconds: float) -> bool:
        """Let time pass until something is so; return whether it is in time."""
        until = self.now + seconds
        while not is_so():
            if self.now >= until:
                return False
            self.net.run(min(until, self.now + STEP))
        return True

    def freeze(self, seconds: float) -> None:
        """Have the process of the node stand still for some seconds."""
        self.world.freeze()
        self.run(seconds)
        self.world.thaw()

    def name(self, name: str, address: str) -> None:
        """Have a name lead to an address."""
        self.net.names[parse_target(name)] = parse_address(address)

    def machine(self, address: str, listens: bool = True, is_alive: bool = True) -> Machine:
        return Machine(self, parse_address(address), listens, is_alive)

    def events(self, start: str = "") -> list[str]:
        """Return all events so far that begin so."""
        return [event for event in self._file.events if event.startswith(start)]

    def event(self, start: str, seconds: float = 1.0) -> str:
        """Wait for the next event that begins so, behind the one found last, and return it."""
        events = self._file.events

        def found() -> list[int]:
            return [at for at in range(self._read, len(events)) if events[at].startswith(start)]

        if not self.pass_until(found, seconds):
            raise AssertionError(f"no event {start!r}, but {events[self._read:][-30:]}")
        self._read = found()[0] + 1
        return events[self._read - 1]


def neighbour(scene: Scene, address: str = "127.0.0.1:6001") -> End:
    """Return the end of a neighbour of the node, which it has accepted. `known peers` is answered
    by itself."""
    machine = scene.machine(address)
    machine.replies["known peers"] = "known peers:"
    end = machine.ask_to_link()
    assert end.hear() == f"connection accepted:{scene.address}"
    return end


def neighbours(*peers: str, **settings) -> list[End]:
    """Return the ends of neighbours of one node, a peer."""
    scene = Scene(Peer, **settings)
    return [neighbour(scene, peer) for peer in peers]


def registered(scene: Scene, address: str) -> End:
    """Return the end of a peer that is registered with the node, a seed."""
    end = scene.machine(address).dial()
    end.say(f"register:{address}")
    assert end.hear() == "registered successfully"
    return end


def gossip(origin: str, number: int, text: str = "hello", start: int = 7) -> str:
    return f"gmessage:{TIME}:{origin}:{start}:{number}:{text}"


def seed_of(scene: Scene, address: str = "127.0.0.1:8001", listed: str = "") -> Machine:
    """Return a machine that registers the node, a peer, and answers it `peer list:` and `listed`,
    by itself; `ends[0]` is its connection."""
    machine = scene.machine(address)
    machine.replies = {f"register:{scene.address}": "registered successfully",
                       "peer list": f"peer list:{listed}"}
    return machine


def listed(*peers: str) -> str:
    """Return addresses as they stand in a list of peers."""
    return ":".join(peer.replace(":", "#") for peer in peers)


def with_seed(kind, *peers: str, **settings) -> tuple[Scene, Machine]:
    """Return the scene of a peer, and its only seed, which registers it, and lists these peers."""
    scene = Scene(kind, seeds=["127.0.0.1:8001"], **settings)
    return scene, seed_of(scene, listed=listed(*peers))
