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
    """What the connections of a network are like."""

    latency: tuple[float, float] = (0.001, 0.002)  # seconds, from which a connection draws one
    jitter: float = 0.0  # seconds at most that bytes take longer
    bandwidth: float = 1e8  # bytes a second, of each connection
    buffer: int = 256 << 10  # bytes that were sent and not read yet


class Network:
    """Virtual time, the machines by address, and the cables between them."""

    def __init__(self, rng: random.Random, cables: Cables = Cables()):
        self.now, self.made, self.rng, self.cables = 0.0, 0, rng, cables
        self.worlds: dict[Address, "VirtualWorld"] = {}  # those that listen
        self.names: dict[Target, Address] = {}  # where names of seeds lead
        self.unpowered: dict[Address, list["End"]] = {}  # ends of machines without power
        self.slow: dict[Address, float] = {}  # machine -> seconds that all takes longer
        self._calls = Calls()
        self._still = 0  # calls made since time passed
        self._cuts: list[frozenset[Address]] = []  # the machines on one side of each
        self._stuck: collections.Counter["End"] = collections.Counter()  # what cuts hold up
        self._ports = 0  # of ends that dial

    def at(self, when: float, call, *arguments) -> None:
        """Make a call at this moment, or now if it has passed."""
        self._calls.at(max(when, self.now), call, *arguments)

    def run(self, until: float) -> None:
        """Make all calls up to this moment."""
        while (when := self._calls.next_at()) <= until:
            if when > self.now:
                self.now, self._still = when, 0
            for call, arguments in self._calls.due(when):
                self.made += 1
                self._still += 1
                if self._still > STILL_LIMIT:
                    raise NodeFailed(f"spins at {when}: {call} {arguments}")
                call(*arguments)
        self.now = max(self.now, until)

    def next_port(self) -> int:
        self._ports = (self._ports + 1) % 28_000
        return 32_768 + self._ports

    # Cables.

    def cut(self, side: frozenset[Address]) -> None:
        """Let nothing pass between these machines and all others."""
        self._cuts.append(side)

    def mend(self, side: frozenset[Address]) -> None:
        self._cuts.remove(side)
        stuck, self._stuck = self._stuck, collections.Counter()
        for end, count in stuck.items():
            end.send_again(count)

    def parted(self, one: Address, other: Address) -> bool:
        return any((one in side) != (other in side) for side in self._cuts)

    def hold_up(self, end: "End") -> None:
        self._stuck[end] += 1

    def delay(self, latency: float, one: Address, other: Address) -> float:
        """Return the seconds that a byte takes between two machines now."""
        jitter = self.rng.random() * self.cables.jitter if self.cables.jitter else 0.0
        return latency + jitter + self.slow.get(one, 0.0) + self.slow.get(other, 0.0)

    def bandwidth(self, one: Address, other: Address) -> float:
        is_slow = one in self.slow or other in self.slow
        return min(self.cables.bandwidth, SLOW_BANDWIDTH) if is_slow else self.cables.bandwidth


class End:
    """An end of a connection, as its link has it."""

    def __init__(self, world: "VirtualWorld", latency: float, link=None):
        self.world, self.latency, self.link = world, latency, link
        self.address = world.address  # of its machine
        self.other: End | None = None  # once a dial has reached somebody
        self.is_over = False  # it was closed by its own process, or reset
        self.arrived: list[bytes] = []  # and not read yet
        self._unread = 0  # bytes on the way to here, or not read yet
        self._coming: collections.deque = collections.deque()  # bytes, FIN or RESET
        self._sent_at = -1.0  # when the last of them was sent
        self._arrives = 0.0  # when the last of them arrives
        self._free_at = 0.0  # when the cable to here is free again
        self._is_blocked = False  # `send` did not take everything

    def join(self, dialler: "End", answered: float) -> None:
        """Connect two ends; nothing reaches the dialler before its answer."""
        self.other, dialler.other, dialler._arrives = dialler, self, answered

    # What its link and its world call.

    def send(self, data: bytes) -> int:
        if self.is_over or self.other is None:
            return len(data)
        room = max(0, self.world.net.cables.buffer - self.other._unread)
        self._is_blocked = room < len(data)
        if room and data:
            self.other._expect(bytes(data[:room]))
        return min(room, len(data))

    def close(self) -> None:
        self.end("closed", FIN)

    def end(self, reason: str, item: bytes | None = FIN, error: OSError | None = None) -> None:
        """It is over at this end; the other end hears of it, unless there is none."""
        if not self.is_over:
            self.is_over = True
            self.arrived.clear()
            if self.other is not None and error is None:
                self.other._expect(item)
            self.world.soon(self, self.world.over, self, reason, error)

    def reset(self) -> None:
        """Break the connection at this end, without telling the other end."""
        reason = "Connection reset by peer"
        self.end(reason, error=OSError(errno.ECONNRESET, reason))

    def read(self) -> None:
        """Hand what has arrived to the node, unless the link rests."""
        net = self.world.net
        if self.is_over or not self.arrived:
            return
        if self.link.rest_until > net.now:
            self.world.later_for(self, self.link.rest_until - net.now, self.read)
            return
        data = b"".join(self.arrived)
        self.arrived.clear()
        self._unread -= len(data)
        if self.other._is_blocked:
            self.other._is_blocked = False
            net.at(net.now + self.latency, self.other.world.do, self.other, self.other.flush)
        self.world.node.took(self.link, data)

    def flush(self) -> None:
        """Send what waits, until the buffer is full again."""
        while self.link.waiting and not (self.is_over or self._is_blocked):
            self.link.flush(self.world.net.now)

    def leads_to(self, end: "End") -> bool:
        """Tell whether a connection that is not over joins two ends."""
        return self.other is end and not self.is_over and not end.is_over

    # On the cable.

    def _expect(self, item: bytes | None) -> None:
        """Take onto the cable what the other end has sent."""
        net, size = self.world.net, len(item or b"")
        sender = self.other.address
        self._unread += size
        self._free_at = max(self._free_at, net.now) + size / net.bandwidth(sender, self.address)
        if (item and self._sent_at == net.now and self._free_at - net.now < TOGETHER
                and self._coming and self._coming[-1]):
            self._coming[-1] += item
            return
        self._sent_at = net.now
        self._coming.append(item)
        delay = net.delay(self.latency, sender, self.address)
        self._arrives = max(self._arrives, self._free_at + delay)
        net.at(self._arrives, self._arrive)

    def _arrive(self) -> None:
        net = self.world.net
        if net.parted(self.address, self.other.address):
            net.hold_up(self)
            return
        if not self._coming:
            return  # its sender lost power during a cut
        item = self._coming.popleft()
        if self.world.has_no_power or self.is_over:
            if item and self.address not in net.unpowered:
                self.other._expect(RESET)  # nobody knows this connection here any more
        elif item:
            self.arrived.append(item)
            if len(self.arrived) == 1:
                self.world.do(self, self.read)
        elif item == FIN:
            self.world.do(self, self._finish)
        else:
            self.reset()

    def _finish(self) -> None:
        """The other end has ended the stream; what came before is read first."""
        self.read()
        if self.arrived and not self.is_over:
            self.world.later_for(self, self.link.rest_until - self.world.net.now, self._finish)
        else:
            self.end("the other end closed the connection")

    def send_again(self, stuck: int) -> None:
        """A cut is over: what waited for that comes in order."""
        net = self.world.net
        if self.other.world.has_no_power:
            self._coming.clear()
            return
        self._arrives = max(self._arrives, net.now + net.rng.uniform(0.0, RETRY))
        for _ in range(stuck):
            net.at(self._arrives, self._arrive)

    def power_is_back(self) -> None:
        """Its machine is up again: it resets the connection if the other end sends again."""
        if self._unread > sum(map(len, self.arrived)):
            self.other._expect(RESET)


class VirtualWorld:
    """The world of one life of a node. `make(world)` makes the node."""

    def __init__(self, net: Network, address: Address, make, rng: random.Random,
                 clock: float = 0.0, lag: float = 0.0):
        self.net, self.address, self.rng = net, address, rng
        self.has_no_power = self.is_frozen = self._is_gone = False
        self._chance = random.Random(rng.random())  # of the world, apart from the node's
        self._clock = clock  # seconds by which the node's clock is ahead
        self._lag = lag  # seconds at most until a call that is due is made
        self._ends: dict[End, None] = {}  # those whose links have not ended
        self._waiting: dict = {}  # while frozen: whose -> calls
        self.asked = collections.Counter()  # thread -> calls that the node has put off
        self.node = make(self)
        self.node.start()

    # What a node asks for.

    def now(self) -> float:
        return self.net.now

    def time(self) -> float:
        return START + self._clock + self.net.now

    def listen(self) -> None:
        if self.address in self.net.worlds:
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
        self.net.worlds[self.address] = self
        for end in self.net.unpowered.pop(self.address, ()):
            end.power_is_back()

    def later(self, seconds: float, call, *arguments, thread: str = "timer") -> None:
        self.asked[thread] += 1
        self.later_for(thread, seconds, call, *arguments)

    def later_for(self, whose, seconds: float, call, *arguments) -> None:
        lag = self._chance.random() * self._lag if self._lag else 0.0
        self.net.at(self.net.now + seconds + lag, self.do, whose, call, *arguments)

    def soon(self, whose, call, *arguments) -> None:
        """Make a call of the node, but not from within the present one."""
        self.net.at(self.net.now, self.do, whose, call, *arguments)

    def dial(self, link, seconds: float) -> End:
        end = End(self, self.net.rng.uniform(*self.net.cables.latency), link)
        self._ends[end] = None
        self.soon(end, self._knock, end, self.net.names.get(link.peer, link.peer), seconds)
        return end

    def stop(self) -> None:
        """The process is over; its kernel ends its connections."""
        self._is_gone = self.node.stopping = True
        if self.net.worlds.get(self.address) is self:
            del self.net.worlds[self.address]
        for end in self._ends:
            if not end.is_over:
                end.is_over = True
                if end.other is not None:
                    end.other._expect(RESET if end.arrived else FIN)

    # Accidents.

    def kill(self) -> None:
        """The process dies without a last word."""
        self.stop()

    def lose_power(self) -> None:
        """Nobody is told, and the node is not called again."""
        self.net.worlds.pop(self.address, None)
        self.net.unpowered[self.address] = [end for end in self._ends if end.other is not None]
        self._is_gone = self.has_no_power = self.node.stopping = True

    def freeze(self) -> None:
        self.is_frozen = True

    def thaw(self) -> None:
        """Go on with what has waited, in a random order, at once."""
        self.is_frozen = False
        while self._waiting and not self.is_frozen:
            whose = self._chance.choice(list(self._waiting))
            call, arguments = self._waiting[whose].popleft()
            if not self._waiting[whose]:
                del self._waiting[whose]
            self.do(whose, call, *arguments)

    def connections(self) -> list[End]:
        return [end for end in self._ends if end.other is not None and not end.is_over]

    # Calls of the node.

    def do(self, whose, call, *arguments) -> None:
        """Call the node for a connection, or in a thread of this name."""
        if self._is_gone:
            return
        if self.is_frozen:
            self._waiting.setdefault(whose, collections.deque()).append((call, arguments))
            return
        try:
            call(*arguments)
        except NodeFailed:
            raise
        except Exception as error:
            raise NodeFailed(f"{self.address}: {error!r} in {call.__name__}") from error

    def _knock(self, end: End, target: Target, seconds: float) -> None:
        """Send the first packet, which the kernel there answers, even for a frozen process."""
        net = self.net
        if end.is_over:
            return
        if not isinstance(target, Address):
            self.over(end, f"{target.host} is unknown", OSError(f"{target.host} is unknown"))
            return
        end.link.remote = target
        way = net.delay(end.latency, self.address, target)
        net.at(net.now + way, self._reach, end, target, way, net.now + seconds)

    def _reach(self, end: End, target: Address, way: float, limit: float) -> None:
        net, there = self.net, self.net.worlds.get(target)
        answered, error = net.now + way, errno.ECONNREFUSED
        if end.is_over:
            return
        if net.parted(self.address, target) or target in net.unpowered or answered > limit:
            answered, error = limit, errno.ETIMEDOUT
        elif there is not None:
            there.welcome(end, answered)
            net.at(answered, self.do, end, self._connected, end)
            return
        failure = OSError(error, os.strerror(error))
        net.at(answered, self.do, end, self.over, end, failure.strerror, failure)

    def welcome(self, dialler: End, answered: float) -> None:
        """Its kernel accepts a connection."""
        end = End(self, dialler.latency)
        end.join(dialler, answered)
        self._ends[end] = None
        remote = address_of(dialler.address.ip, self.net.next_port())
        self.soon(end, self._accept, end, remote)

    def _accept(self, end: End, remote: Address) -> None:
        end.link = self.node.accepted(end, remote)

    def _connected(self, end: End) -> None:
        if not end.is_over:
            self.node.up(end.link)

    def over(self, end: End, reason: str, error: OSError | None = None) -> None:
        """Tell the node the end of a link, once."""
        if end in self._ends:
            del self._ends[end]
            end.is_over = True
            if end.link is not None:
                self.node.ended(end.link, reason, error)
