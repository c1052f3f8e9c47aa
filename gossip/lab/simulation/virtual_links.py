"""Virtual time, and TCP connections over cables between virtual machines.

The time jumps from one call to the next. Calls at the same moment are made in the order in which
they were asked for, so that a run can be repeated call by call.

Bytes take a latency, a random part more (jitter), and their number divided by the bandwidth. The
buffer of a connection takes no more bytes when it is full of unread ones. What is on its way when a
cut comes waits for the end of the cut, because TCP sends it again. A machine without power answers
nothing. A machine that is up answers unknown connections with a reset.
"""

import collections
import errno
import heapq
import itertools
import random
from typing import NamedTuple

from gossip.addresses import Address
from gossip.node.world import NEVER

STILL_LIMIT = 20_000  # calls without time passing, after which somebody spins
TALLIED = 1_000  # the last of them, which are counted by name
OVER = -NEVER  # when the next turn of a duty is due that is over; no other time is sooner
FIN = b""  # on a cable, the end of the stream
RESET = None  # on a cable, the word of a machine that does not know this connection
TOGETHER = 0.001  # seconds on a cable, below which what is sent at one moment arrives as one
RETRY = 3.0  # seconds at most from the end of a cut until TCP has sent again what waited
SLOW_BANDWIDTH = 20_000.0  # bytes a second, of a slow machine's connections
FIRST_PORT, PORTS = 32_768, 28_000  # the ports of the ends that dial, the first and their number


class Spinning(Exception):
    """Calls that were made again and again while no time passed."""


class VirtualTime:
    """The moment, in seconds from 0 on, and the calls to come."""

    def __init__(self):
        self.now = 0.0
        self.calls = 0  # made so far
        self._heap: list[tuple] = []  # (when, number, call, arguments)
        self._numbers = itertools.count()  # which order calls at the same moment
        self._still = 0  # calls made since time passed
        self._latest: collections.deque[tuple] = collections.deque(maxlen=TALLIED)  # of these

    def at(self, when: float, call, *arguments) -> None:
        """Have `call(*arguments)` made at this moment, or now if it has passed."""
        heapq.heappush(self._heap, (max(when, self.now), next(self._numbers), call, arguments))

    def run(self, until: float) -> None:
        """Make all calls up to this moment. Spinning after 20,000 calls at one moment."""
        heap = self._heap
        while heap and heap[0][0] <= until:
            when, _, call, arguments = heapq.heappop(heap)
            if when > self.now:
                self.now, self._still = when, 0
            else:
                self._still += 1
                self._latest.append((call, arguments))
                if self._still == STILL_LIMIT:
                    tally = collections.Counter(itertools.starmap(_name_of, self._latest))
                    [(name, times)] = tally.most_common(1)
                    raise Spinning(f"{STILL_LIMIT} calls in a row while no time passed; {times} of "
                                   f"the last {TALLIED} were {name}")
            self.calls += 1
            call(*arguments)
        if until > self.now:
            self.now, self._still = until, 0


def _name_of(call, arguments: tuple) -> str:
    """Return the label of a call's argument or owner, or its name."""
    labels = (getattr(getattr(thing, "__self__", thing), "label", None)
              for thing in (*arguments, call))
    return next(filter(None, labels), call.__qualname__)


class VirtualDuty:
    """A method of a node that is called again and again. Its world has `now`, `later`, `node`."""

    def __init__(self, world, name: str, turn, after: float):
        self.label = f"{name!r} of {world.node.address}"
        self.turns = 0  # how often it was called
        self._world = world
        self._turn = turn
        self._due = NEVER  # when the next turn is due; OVER once it is not to be called again
        self._set(world.now() + after)

    def hurry(self) -> None:
        self._set(self._world.now())

    def _set(self, due: float) -> None:
        """Be due at this moment, unless sooner anyway."""
        if due < self._due:
            self._due = due
            self._world.later(due, self, self._take, due)

    def _take(self, due: float) -> None:
        if due != self._due:
            return  # it was hurried since, and has been called
        self._due = NEVER
        self.turns += 1
        answer = self._turn(self._world.now())
        if answer == NEVER:
            self._due = OVER
        elif answer is not None:
            self._set(answer)


class Cables(NamedTuple):  # what a network's connections are like
    latency: tuple[float, float] = (0.001, 0.002)  # seconds, from which a connection draws one
    jitter: float = 0.0  # seconds at most that bytes take longer
    bandwidth: float = 100e6  # bytes a second, of each connection
    buffer: int = 256 * 1024  # bytes that one end may have sent and the other not read


class Cabling:
    """The machines by address, and the state of the cables between them."""

    def __init__(self, time: VirtualTime, cables: Cables, rng: random.Random):
        self.time = time
        self.cables = cables
        self.rng = rng
        self.slow: dict[Address, float] = {}  # slow machine -> seconds that all takes longer
        self.listening: dict[Address, object] = {}  # address -> the world that listens there
        self.cuts: list[frozenset[Address]] = []  # the machines on one side of each cut
        self.stuck: collections.Counter["End"] = collections.Counter()  # end -> what a cut holds up
        self.unpowered: dict[Address, list["End"]] = {}  # ends of machines without power
        self.ports = (FIRST_PORT + n % PORTS for n in itertools.count(1))  # of ends that dial

    def listen(self, address: Address, world) -> None:
        """Let a world listen from now on. OSError if another one does. A machine that was without
        power resets what its earlier life has not ended."""
        if address in self.listening:
            raise OSError(errno.EADDRINUSE, "Address already in use")
        self.listening[address] = world
        for end in self.unpowered.pop(address, ()):
            end.machine_is_back()

    def hush(self, address: Address, world) -> None:
        """Let a world listen no longer, if no other one does there."""
        if self.listening.get(address) is world:
            del self.listening[address]

    def lose_power(self, address: Address, ends: list["End"]) -> None:
        """Turn off a machine, so that nobody is told or answers."""
        self.listening.pop(address, None)
        self.unpowered[address] = ends

    def cut(self, side: frozenset[Address]) -> None:
        """Let nothing pass between these machines and all others."""
        self.cuts.append(side)

    def mend(self, side: frozenset[Address]) -> None:
        """End a cut, so that what waited goes on."""
        self.cuts.remove(side)
        stuck, self.stuck = self.stuck, collections.Counter()
        for end, count in stuck.items():
            end.send_again(count)

    def parted(self, one: Address, other: Address) -> bool:
        """Tell whether a cut is between two machines."""
        return any((one in side) != (other in side) for side in self.cuts)

    def delay(self, latency: float, one: Address, other: Address) -> float:
        """Return the seconds that a byte takes between two machines now."""
        if self.cables.jitter:
            latency += self.rng.random() * self.cables.jitter
        return latency + (self.slow.get(one, 0.0) + self.slow.get(other, 0.0))

    def bandwidth(self, one: Address, other: Address) -> float:
        """Return the bytes a second between two machines now."""
        is_slow = one in self.slow or other in self.slow
        return min(self.cables.bandwidth, SLOW_BANDWIDTH) if is_slow else self.cables.bandwidth


class End:
    """An end of a connection, as a link (gossip/node/link.py) has it. `send` takes bytes, or raises
    what a socket would. Its world is told `readable(end)`, `writable(end)` and `over(end, reason)`,
    and says by `off` whether its machine has lost power since."""

    flags = 0  # with which a link calls `send`

    def __init__(self, cabling: Cabling, address: Address, world, latency: float):
        self.address = address  # of the machine
        self.label = f"a connection of {address}"
        self.world = world
        self.link = None  # that the end belongs to, once there is one
        self.other: End | None = None
        self.look_at: float | None = None  # when its world looks at its link's deadline
        self._cabling = cabling
        self.latency = latency  # seconds, of this connection
        self._coming: list = []  # bytes, FIN or RESET, on the way
        self._sent_at = -1.0  # when the last of them was sent
        self._arrives = 0.0  # when the last of them arrives
        self._free_at = 0.0  # when the cable to here is free again
        self.arrived: list[bytes] = []  # here, and not read yet
        self._in_buffer = 0  # bytes on the way to here, or not read yet
        self._blocked = False  # `send` has not taken everything; `writable` is due
        self._closed = False  # by its own process
        self._broken = False  # it was reset

    def join(self, dialler: "End", answered: float) -> None:
        """Connect two ends, although nothing reaches the dialler before its answer."""
        self.other, dialler.other = dialler, self
        dialler._arrives = answered

    # What a link and its world call.

    def send(self, data: bytes, flags: int = 0) -> int:
        """Hand bytes to the kernel, and return how many it took. BlockingIOError if none,
        BrokenPipeError if the connection is over here."""
        if self.is_over():
            raise BrokenPipeError(errno.EPIPE, "Broken pipe")
        room = self._cabling.cables.buffer - self.other._in_buffer
        if room < len(data):
            self._blocked = True
            if room <= 0:
                raise BlockingIOError
            data = data[:room]
        self.other._expect(data)
        return len(data)

    def unread(self) -> int:
        """Return the bytes that were sent, and not read yet."""
        return self.other._in_buffer

    def shutdown(self) -> None:
        """End the stream behind what is on its way."""
        if not self._closed:
            self.close()
            self.world.over(self, "closed")

    def close(self) -> None:
        """Close this end. What has arrived is not read, what was sent still goes."""
        if not self._closed:
            self._closed = True
            self.arrived.clear()
            if not self._broken and self.other is not None:
                self.other._expect(FIN)

    def read(self) -> bytes:
        """Return the bytes that have arrived, and make room for others."""
        data = b"".join(self.arrived)
        self.arrived.clear()
        self._in_buffer -= len(data)
        if self.other._blocked:
            self.other._blocked = False
            time = self._cabling.time
            time.at(time.now + self.latency, self.other.world.writable, self.other)
        return data

    def is_over(self) -> bool:
        """Tell whether this end was closed by its own process, or reset."""
        return self._closed or self._broken

    def leads_to(self, end: "End") -> bool:
        """Tell whether a connection that is not over joins two ends."""
        return self.other is end and not self.is_over() and not end.is_over()

    # On the cable.

    def _expect(self, item: bytes | None) -> None:
        """Take onto the cable what the other end has sent."""
        cabling, size = self._cabling, len(item) if item else 0
        now, sender = cabling.time.now, self.other.address
        self._in_buffer += size
        self._free_at = max(self._free_at, now) + size / cabling.bandwidth(sender, self.address)
        if (self._sent_at == now and item and self._free_at - now < TOGETHER
                and self._coming and self._coming[-1]):
            self._coming[-1] += item
            return
        self._sent_at = now
        self._coming.append(item)
        delay = cabling.delay(self.latency, sender, self.address)
        self._arrives = max(self._arrives, self._free_at + delay)
        cabling.time.at(self._arrives, self._arrive)

    def _arrive(self) -> None:
        """Take in what arrives next, unless a cut is between."""
        cabling = self._cabling
        if cabling.cuts and cabling.parted(self.address, self.other.address):
            cabling.stuck[self] += 1
            return
        if not self._coming:
            return  # its sender lost power during a cut
        item = self._coming.pop(0)
        if self.world.off or self.is_over():
            if item and not (self.world.off and self.address in cabling.unpowered):
                self.other._expect(RESET)  # its machine does not know this connection any more
        elif item:
            self.arrived.append(item)
            if len(self.arrived) == 1:
                self.world.readable(self)
        elif item == FIN:
            self.world.over(self, "closed by the other end")
        else:
            self.reset()

    def send_again(self, stuck: int) -> None:
        """Let what waited for the end of a cut come in order."""
        if self.other.world.off:  # its sender has lost power
            self._coming.clear()
            return
        time = self._cabling.time
        self._arrives = max(self._arrives, time.now + self._cabling.rng.uniform(0.0, RETRY))
        for _ in range(stuck):
            time.at(self._arrives, self._arrive)

    def machine_is_back(self) -> None:
        """Reset the connection if the other end has to send something again."""
        if self._in_buffer > sum(map(len, self.arrived)):
            self.other._expect(RESET)

    def reset(self) -> None:
        """Break the connection at this end, without telling the other end."""
        if not self.is_over():
            self._broken = True
            self.world.over(self, "Connection reset by peer")
