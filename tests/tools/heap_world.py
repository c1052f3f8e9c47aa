"""A world of one heap of events: nodes without threads, sockets or clocks, for tests.

Everything happens in `Heap.run`, one event after the other, in the order of time. A connection
is two ends that hand bytes to each other after a delay. It leaves out what gossip/node/world.py
does not ask for: losses, slow links and cuts.
"""

import errno
import heapq
import itertools
import threading

from gossip.wire import WireError

DELAY = 0.001  # seconds from one end of a connection to the other
START = 1_700_000_000  # Unix seconds at the beginning
LOOK = 5.0  # seconds between two looks at a deadline that others may have changed


class Heap:
    """What is going to happen, and the addresses that listen."""

    def __init__(self):
        self.now = 0.0
        self.listening: dict = {}  # address -> world
        self._events: list = []
        self._order = itertools.count()

    def at(self, when, call, *arguments):
        heapq.heappush(self._events, (max(when, self.now), next(self._order), call, arguments))

    def soon(self, call, *arguments):
        self.at(self.now + DELAY, call, *arguments)

    def run(self, predicate, limit):
        """Let things happen until the predicate holds, for so many seconds at most."""
        end = self.now + limit
        while not predicate():
            assert self._events and self._events[0][0] <= end, f"not within {limit} s"
            self.now, _, call, arguments = heapq.heappop(self._events)
            call(*arguments)

    def clock(self):
        """Unix nanoseconds, for output files."""
        return int((START + self.now) * 1e9)


class Connection:
    """One end of a connection; `deliver(data)` and `over(reason)` are called at the other."""

    def __init__(self, heap):
        self._heap = heap
        self.world = self.link = self.other = None
        self._ended = False

    def send(self, data):
        if self._ended:
            raise BrokenPipeError(errno.EPIPE, "ended")
        self._heap.soon(self.other.deliver, data)
        return len(data)

    def shutdown(self):
        self.over("closed")
        self._heap.soon(self.other.over, "closed by the other end")

    def close(self):
        self._ended = True

    def deliver(self, data):
        if not self._ended:
            self.world.take(self.link, data)

    def over(self, reason):
        if not self._ended:
            self._ended = True
            self._heap.soon(self.world.end, self.link, reason)


class Duty:
    def __init__(self, world, turn, after):
        self._world, self._turn = world, turn
        self._latest = 0  # the event that counts
        self.due_at(world.heap.now + after)

    def due_at(self, when):
        self._latest += 1
        if when is not None and when != float("inf"):
            self._world.heap.at(when, self._take, self._latest)

    def hurry(self):
        self.due_at(self._world.heap.now)

    def _take(self, event):
        if event == self._latest and not self._world.node.stopping:
            due = self._turn(self._world.heap.now)
            if event == self._latest:
                self.due_at(due)


class Flusher:
    """Connections take everything, so there is never a backlog."""

    def __init__(self, heap):
        self.take_over = heap.soon
        self.condition = threading.Condition

    def watch(self, link):
        raise AssertionError("a connection that takes everything left a backlog")

    def forget(self, link):
        pass

    def has_room(self, links):
        return True

    wait_for_room = has_room


class HeapWorld:
    """The world of one node; made as `lambda node: HeapWorld(heap, node)`."""

    def __init__(self, heap, node):
        self.heap, self.node = heap, node
        self.flusher = Flusher(heap)

    def now(self):
        return self.heap.now

    def time(self):
        return START + self.heap.now

    def listen(self):
        assert self.heap.listening.setdefault(self.node.address, self) is self

    def begin(self):
        pass

    go = close = begin

    def keep(self, name, turn, after=0.0):
        return Duty(self, turn, after)

    def dial(self, link, thread="link reader"):
        self.heap.soon(self._connect, link)
        return True

    def lacks(self, error):
        return False

    def wake(self):
        self.heap.listening.pop(self.node.address, None)

    # What the heap calls.

    def _connect(self, link):
        other = self.heap.listening.get(link.peer)
        if link.ended or other is None:
            self.node.fault(link, ConnectionRefusedError(errno.ECONNREFUSED, "nobody listens"))
            self.node.ended(link)
            return
        here, there = Connection(self.heap), Connection(self.heap)
        here.other, there.other = there, here
        here.world, here.link = self, link
        link.attach(here)
        link.connected(*link.peer.dial)
        there.world = other
        there.link = other.node.accept(there, (self.node.address.ip, 50_000))
        self._look(link)
        other._look(there.link)
        self.node.up(link)

    def _look(self, link):
        """Watch the deadline of a link."""
        due = link.due()
        if link.ended:
            return
        if due is not None and due <= self.heap.now:
            self._blame(link, WireError(link.lateness()))
        else:
            self.heap.at(min(due or float("inf"), self.heap.now + LOOK), self._look, link)

    def _blame(self, link, error):
        self.node.fault(link, error)

    def take(self, link, data):
        try:
            link.read_on()
            lines = link.take(data)
            if lines and not link.ended:
                self.node.lines(link, lines)
        except WireError as error:
            self._blame(link, error)

    def end(self, link, reason):
        link.end_of_stream(reason)
        self.node.ended(link)
