"""The world of virtual time, and the network between the nodes in it.

Time jumps from one call to the next; calls of the same moment are made in the order in which they
were asked for, so a run can be repeated call by call. Bytes take a latency, a random part more
(jitter), and their number divided by the bandwidth. What is on its way when a cut comes waits for
the end of the cut, because TCP sends it again. While a node is frozen, its calls and bytes wait,
and its kernel accepts connections; afterwards they come in any order, except that those of a
connection or a thread keep theirs. The kernel of a killed process ends its connections; a machine
without power tells nobody, and answers nothing. Every error of a node is raised as NodeFailed.
"""

import collections
import errno
import itertools
import os
import random
from typing import NamedTuple

from grapevine.addresses import Address, Target, address_of
from grapevine.worlds import Calls

START = 1_700_000_000  # Unix seconds of the moment 0
TOGETHER = 0.001  # seconds on a cable, below which what is sent at one moment arrives as one
RETRY = 3.0  # seconds at most from the end of a cut until TCP has sent again what waited
SLOW_BANDWIDTH = 20_000.0  # bytes a second of a slow machine's connections
STILL_LIMIT = 20_000  # calls while no time passes, after which somebody spins
FIN, RESET = b"", None  # on a cable: the end of the stream; "I do not know this connection"


class NodeFailed(Exception):
    """An error of a node's own code, or a node that spins."""


class Cables(NamedTuple):
    """The properties of all connections of a network."""

    latency: tuple[float, float] = (0.001, 0.002)  # seconds, from which a connection draws one
    jitter: float = 0.0  # seconds at most that bytes take longer
    bandwidth: float = 1e8  # bytes a second, of each connection
    buffer: int = 256 << 10  # bytes that were sent and not read yet
    loss: float = 0.0  # probability that a datagram gets lost


class Network:
    """Virtual time, the machines by address, and the cables between them."""

    def __init__(self, rng: random.Random, cables: Cables = Cables()):
        self.now, self.made, self.rng, self.cables = 0.0, 0, rng, cables
        self.doors: dict[Address, tuple] = {}  # that are open -> world, and what it is to call
        self.names: dict[Target, Address] = {}  # where names of seeds lead
        self.unpowered: set[Address] = set()  # machines, each of which is cut off
        self.slow: dict[Address, float] = {}  # machine -> seconds that all takes longer
        self.held: list["End"] = []  # to which cuts hold something up, once for each item
        self.ports = itertools.cycle(range(32_768, 60_768))  # of ends that dial
        self._calls = Calls()
        self.at = self._calls.at  # at(when, call, *arguments) makes a call at that moment
        self._still = 0  # calls made since time passed
        self._cuts: list[frozenset[Address]] = []  # the machines on one side of each

    def run(self, until: float) -> None:
        """Make all calls up to this moment."""
        while (when := self._calls.next_at()) <= until:
            if when > self.now:
                self.now, self._still = when, 0
            for call, arguments in self._calls.due(self.now):
                self.made += 1
                self._still += 1
                if self._still > STILL_LIMIT:
                    raise NodeFailed(f"spins at {self.now}: {call} {arguments}")
                call(*arguments)
        self.now = max(self.now, until)

    # Cables.

    def cut(self, side: frozenset[Address]) -> None:
        """Let nothing pass between these machines and all others."""
        self._cuts.append(side)

    def mend(self, side: frozenset[Address]) -> None:
        """End a cut; what it has held up comes again, in order for each end."""
        self._cuts.remove(side)
        held, self.held = self.held, []
        for end in held:
            self.at(self.now + self.rng.uniform(0.0, RETRY), end.arrive)

    def parted(self, one: Address, other: Address) -> bool:
        return any((one in side) != (other in side) for side in self._cuts)

    def delay(self, latency: float, one: Address, other: Address) -> float:
        """Return the seconds that a byte takes between two machines now."""
        jitter = self.rng.random() * self.cables.jitter
        return latency + jitter + self.slow.get(one, 0.0) + self.slow.get(other, 0.0)


class End:
    """An end of a connection, as its link has it."""

    def __init__(self, world: "VirtualWorld", latency: float, link=None, other=None):
        self.world, self.latency, self.link = world, latency, link
        world.ends[self] = None
        self.address = world.address  # of its machine
        self.other: End | None = other  # a dial has none until it has reached somebody
        self.is_broken = False  # it was closed by its own process, or broke
        self.arrived: list[bytes] = []  # bytes, and FIN, that were not read yet
        self.coming: collections.deque = collections.deque()  # bytes, FIN or RESET
        self.arrives = 0.0  # when the last of them arrives
        self._sent_at = -1.0  # when it was sent
        self._free_at = 0.0  # when the cable to here is free again
        self.unread = 0  # bytes on the way to here, or not read yet

    # What its link and its world call.

    def send(self, data: bytes) -> int:
        if self.is_broken or self.other is None:
            return len(data)
        taken = bytes(data[:max(0, self.world.net.cables.buffer - self.other.unread)])
        if taken:
            self.other.expect(taken)
        return len(taken)

    def close(self, reason: str = "closed", error: OSError | None = None) -> None:
        """It is over at this end; the other end hears of it, unless this is an error."""
        if not self.is_broken:
            self.is_broken = True
            self.arrived.clear()
            if self.other is not None and error is None:
                self.other.expect(FIN)
            self.world.soon(self, self.world.over, self, reason, error)

    def resume(self) -> None:
        self.world.soon(self, self.read)

    def reset(self, number: int = errno.ECONNRESET) -> None:
        """Break it at this end by an error, without telling the other end."""
        self.close(os.strerror(number), OSError(number, os.strerror(number)))

    def read(self) -> None:
        """Hand what has arrived to the node, unless the link is held."""
        net = self.world.net
        if self.is_broken or not self.arrived or self.link.is_held:
            return
        data, is_last = b"".join(self.arrived), self.arrived[-1] == FIN
        self.arrived.clear()
        if self.unread >= net.cables.buffer:  # so the other end may have more to send
            net.at(net.now + self.latency, self.other.world.do, self.other, self.other.flush)
        self.unread -= len(data)
        if data:
            self.world.node.took(self.link, data)
        if is_last:
            self.close("closed by the other end")

    def flush(self) -> None:
        """Send what waits, until the buffer is full again."""
        net = self.world.net
        while self.link.waiting and not self.is_broken and self.other.unread < net.cables.buffer:
            self.link.flush(net.now)

    def leads_to(self, end: "End") -> bool:
        """Tell whether a connection that is not over joins two ends."""
        return self.other is end and not self.is_broken and not end.is_broken

    # On the cable.

    def expect(self, item: bytes | None) -> None:
        """Take onto the cable what the other end has sent."""
        net, size, sender = self.world.net, len(item or b""), self.other.address
        is_slow = sender in net.slow or self.address in net.slow
        bandwidth = SLOW_BANDWIDTH if is_slow else net.cables.bandwidth
        self.unread += size
        self._free_at = max(self._free_at, net.now) + size / bandwidth
        if (item and self._sent_at == net.now and self._free_at - net.now < TOGETHER
                and self.coming and self.coming[-1]):
            self.coming[-1] += item
            return
        self._sent_at = net.now
        self.coming.append(item)
        self.arrives = max(self.arrives,
                           self._free_at + net.delay(self.latency, sender, self.address))
        net.at(self.arrives, self.arrive)

    def arrive(self) -> None:
        """The next item is here, unless there is a cut."""
        net = self.world.net
        if net.parted(self.address, self.other.address):
            net.held.append(self)
            return
        if not self.coming:
            return  # its sender has lost power
        item = self.coming.popleft()
        if self.is_broken:
            if item:
                self.other.expect(RESET)  # nobody knows this connection here any more
        elif item is RESET:
            self.reset()
        else:
            self.arrived.append(item)
            if len(self.arrived) == 1:
                self.world.do(self, self.read)


class VirtualWorld:
    """The world of one life of a node, which `make(world)` makes. Its clock is ahead by `clock`."""

    def __init__(self, net: Network, address: Address, make, rng: random.Random,
                 clock: float = 0.0, lag: float = 0.0, doors: tuple[Address, ...] = ()):
        self.doors = doors or (address,)
        self.net, self.address, self.rng = net, address, rng
        self.now, self.time = lambda: net.now, lambda: START + clock + net.now
        self.is_frozen = False
        self._chance = random.Random(rng.random())  # of the world, apart from the node's
        self._lag = lag  # seconds at most until a call that is due is made
        self.ends: dict[End, None] = {}  # those whose links have not ended
        self._waiting: list[tuple] = []  # while frozen: calls, as `do` is told them
        self.asked = collections.Counter()  # thread -> calls that the node has put off
        self.node = make(self)
        self.node.start()

    # What a node asks for.

    def listen(self, accepted, door: int = 0) -> None:
        self.hear(accepted, door)
        if self.address in self.net.unpowered:
            self.net.unpowered.remove(self.address)
            self.net.mend(frozenset([self.address]))  # what is sent again comes to nobody

    def hear(self, heard, door: int) -> None:
        if self.doors[door] in self.net.doors:
            raise OSError(errno.EADDRINUSE, f"{self.doors[door]} is in use")
        self.net.doors[self.doors[door]] = self, heard

    def post(self, data: bytes, to: Address, door: int) -> None:
        """Send a datagram, which may get lost."""
        net, own = self.net, self.doors[door]
        if net.rng.random() >= net.cables.loss and not net.parted(own, to):
            latency = net.rng.uniform(*net.cables.latency)
            net.at(net.now + net.delay(latency, own, to), self._posted, data, own, to)

    def _posted(self, data: bytes, own: Address, to: Address) -> None:
        there, heard = self.net.doors.get(to, (None, None))
        if there is not None:
            there.do(to, heard, data, own)

    def later(self, seconds: float, call, *arguments, thread: str = "timer") -> None:
        self.asked[thread] += 1
        lag = self._chance.random() * self._lag
        self.net.at(self.net.now + seconds + lag, self.do, thread, call, *arguments)

    def soon(self, whose, call, *arguments) -> None:
        """Make a call of the node, but not from within the present one."""
        self.net.at(self.net.now, self.do, whose, call, *arguments)

    def dial(self, link, seconds: float) -> End:
        net = self.net
        end = End(self, net.rng.uniform(*net.cables.latency), link)
        target = net.names.get(link.peer, link.peer)
        if isinstance(target, Address):
            way = net.delay(end.latency, self.address, target)
            net.at(net.now + way, self._reach, end, target, way, net.now + seconds)
        else:
            end.close(f"{target.host} is unknown", OSError(f"{target.host} is unknown"))
        return end

    def stop(self) -> None:
        """The process is over, for example killed; its kernel ends its connections."""
        for end in self._be_gone():
            end.other.expect(RESET if end.arrived else FIN)

    def _be_gone(self) -> list[End]:
        """Close all doors and ends, and call the node no more; return its connections."""
        connections, self.node.stopping = self.connections(), True
        for end in self.ends:
            end.is_broken = True
        for door in self.doors:
            if self.net.doors.get(door, (None,))[0] is self:
                del self.net.doors[door]
        return connections

    # Accidents.

    kill = stop

    def lose_power(self) -> None:
        """Nobody is told, and nothing passes until another life of the node listens."""
        self.net.unpowered.add(self.address)
        self.net.cut(frozenset([self.address]))
        for end in self._be_gone():
            end.other.coming.clear()  # nobody will send it again

    def freeze(self) -> None:
        self.is_frozen = True

    def thaw(self) -> None:
        """Go on with what has waited, in a random order, at once."""
        self.is_frozen, waiting, self._waiting = False, self._waiting, []
        while waiting:
            whose = self._chance.choice(waiting)[0]
            self.do(*waiting.pop([entry[0] for entry in waiting].index(whose)))

    def connections(self) -> list[End]:
        return [end for end in self.ends if end.other is not None and not end.is_broken]

    # Calls of the node.

    def do(self, whose, call, *arguments) -> None:
        """Call the node for a connection, or in a thread of this name."""
        if self.node.stopping:
            return
        if self.is_frozen:
            self._waiting.append((whose, call, *arguments))
            return
        try:
            call(*arguments)
        except Exception as error:
            raise NodeFailed(f"{self.address}: {error!r} in {call.__name__}") from error

    def _reach(self, end: End, target: Address, way: float, limit: float) -> None:
        """A dial comes to its machine, whose kernel answers, even for a frozen process."""
        net, answered = self.net, self.net.now + way
        (there, accepted), error = net.doors.get(target, (None, None)), errno.ECONNREFUSED
        if end.is_broken:
            return
        if net.parted(self.address, target) or answered > limit:
            there, answered, error = None, limit, errno.ETIMEDOUT
        if there is None:
            net.at(answered, self.do, end, end.reset, error)
            return
        end.arrives, end.other = answered, End(there, end.latency, other=end)
        there.soon(end.other, there._accept, end.other, accepted, next(net.ports))
        net.at(answered, self.do, end, self._connected, end, target)

    def _accept(self, end: End, accepted, port: int) -> None:
        end.link = accepted(end, address_of(end.other.address.ip, port))

    def _connected(self, end: End, remote: Address) -> None:
        if not end.is_broken:
            end.link.remote = remote
            self.node.up(end.link)

    def over(self, end: End, reason: str, error: OSError | None) -> None:
        """Tell the node the end of a link."""
        del self.ends[end]
        self.node.ended(end.link, reason, error)
