"""The world of a loop: many nodes in one thread, over TCP, for whole networks in few processes.

A round of the loop serves each socket that is ready once, and then makes the calls that were due
when it began. So no call overtakes bytes that have come, what calls add belongs to the next round,
and a call that is late tells how late everything is. A round of a thousand nodes may last seconds;
links whose other ends have to say something in time are urgent, and are served in its midst, too.
Nothing waits, except that a name is looked up in a thread of its own. A node that fails writes that
into its file, and loses the link or the call.
"""

import collections
import contextlib
import errno
import functools
import math
import selectors
import socket
import threading
import time

from grapevine.addresses import Address, look_up
from grapevine.worlds import Calls, sockets

READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE
URGENT_WITHIN = 0.05  # seconds after which urgent sockets are served again


class Loop:
    """Sockets and calls of all nodes of a thread."""

    def __init__(self):
        self.calls = Calls()
        self.is_over = False
        self._all = selectors.DefaultSelector()
        self._urgent = selectors.DefaultSelector()  # of some of them
        self._watched: dict[socket.socket, tuple[int, int]] = {}  # -> events in these two
        self._urgent_at = 0.0  # when urgent sockets were served last
        self._posted = collections.deque()  # calls that other threads ask for
        self._wake_reader, self._wake_sender = socket.socketpair()
        for end in (self._wake_reader, self._wake_sender):
            end.setblocking(False)
        self.watch(self._wake_reader, READ, self._take_posted)

    def watch(self, sock: socket.socket, events: int, served=None, is_urgent: bool = True) -> None:
        """Have `served(events)` called whenever a socket is ready for some of these events; 0 ends
        that, which has to be before the socket is closed."""
        before, now = self._watched.get(sock, (0, 0)), (events, events if is_urgent else 0)
        if before == now:
            return
        for selector, was, is_now in zip((self._all, self._urgent), before, now):
            if was and was != is_now:
                selector.unregister(sock)
            if is_now and is_now != was:
                selector.register(sock, events, served)
        self._watched[sock] = now
        if not events:
            del self._watched[sock]

    def soon(self, call, *arguments) -> None:
        """Make a call in the next round."""
        self.calls.at(time.monotonic(), call, *arguments)

    def post(self, call, *arguments) -> None:
        """Have a call made by the loop; any thread may ask for that."""
        self._posted.append((call, arguments))
        with contextlib.suppress(OSError):  # it is awake already, or has ended
            self._wake_sender.send(b".")

    def _take_posted(self, events: int) -> None:
        with contextlib.suppress(BlockingIOError):  # it was served in the midst of this round
            self._wake_reader.recv(4_096)
        while self._posted:
            call, arguments = self._posted.popleft()
            call(*arguments)

    def run(self) -> None:
        """Serve all nodes until `is_over`."""
        threading.current_thread().name = "loop"  # as failures show it
        while not self.is_over:
            self.round(math.inf)

    def round(self, longest: float) -> None:
        """Wait for a socket or a call, at most so many seconds, and serve all that is ready."""
        now = time.monotonic()
        due = self.calls.due(now)
        wait = 0.0 if due else min(longest, max(0.0, self.calls.next_at() - now))
        for key, events in self._all.select(None if wait == math.inf else wait):
            key.data(events)
            if time.monotonic() > self._urgent_at + URGENT_WITHIN:
                for urgent, events in self._urgent.select(0.0):
                    urgent.data(events)
                self._urgent_at = time.monotonic()
        for call, arguments in due:
            call(*arguments)

    def close(self) -> None:
        for each in (self._all, self._urgent, self._wake_reader, self._wake_sender):
            each.close()


class Connection(sockets.Connection):
    """A connection that the loop serves."""

    def begin(self, remote: Address) -> None:
        """Begin to connect, once it is known where to."""
        try:
            self.connect(remote, 0.0)
            self.watch()
        except OSError as error:
            self.world.loop.soon(self.fail, error)

    def time_out(self) -> None:
        """The time for connecting is over."""
        if self.link.remote is None:
            self.fail(TimeoutError(errno.ETIMEDOUT, "timed out"))

    def watch(self) -> None:
        """Have it served when it can be read, unless its link is held, or written, if need be."""
        if self.link.closed is None:
            is_dial = self.link.remote is None
            events = WRITE if self.link.waiting or is_dial else 0
            events |= 0 if self.link.is_held or is_dial else READ
            self.world.loop.watch(self.sock, events, self.serve,
                                  is_dial or self.link.deadline is not None)

    resume = watch

    def serve(self, events: int) -> None:
        """Go on with a dial, with sending, or with reading."""
        try:
            if self.link.remote is None:
                self.connected()
            elif events & WRITE:
                self.world.call(self.link.flush, time.monotonic(), link=self.link)
            if events & READ and not self.link.is_held and not self.read():
                self.end("closed by the other end")
        except OSError as error:
            self.fail(error)
        self.watch()

    def blocked(self) -> None:
        self.world.loop.soon(self.watch)  # its link knows by then what waits

    def close(self) -> None:
        super().close()
        self.world.loop.soon(self.end, "closed")

    def drop(self) -> None:
        if self.sock is not None:
            self.world.loop.watch(self.sock, 0)
        super().drop()


class LoopWorld(sockets.World):
    CONNECTION = Connection
    DOOR_WAIT = READ_WAIT = 0.0  # nothing waits
    TAKEN_AT_ONCE = 32  # in a round

    def __init__(self, loop: Loop, own: Address, doors: list[socket.socket] | None = None):
        super().__init__(own, doors, contextlib.nullcontext())  # one thread calls all nodes
        self.loop = loop

    def begin(self, node) -> None:
        """Start a node."""
        self.node = node
        node.start()

    def end(self, reason: str) -> None:
        """Stop the node, and close everything; no call of the node may be under way."""
        self.node.stop(reason)
        for connection in list(self.connections):
            connection.end(reason)
        self.node.output.close()

    # What a node asks for.

    def open(self, name: str, door: socket.socket, take) -> None:
        self.loop.watch(door, READ, functools.partial(self._take, name, door, take))

    def later(self, seconds: float, call, *arguments, thread: str = "timer") -> None:
        self.loop.calls.at(self.now() + seconds, self.call, call, *arguments)

    def dial(self, link, seconds: float) -> Connection:
        connection = Connection(self, link)
        self.connections[connection] = None
        if isinstance(link.peer, Address):
            connection.begin(link.peer)
        else:
            threading.Thread(target=self._look_up, args=(connection,), daemon=True).start()
        self.loop.calls.at(self.now() + seconds, connection.time_out)
        return connection

    def stop(self) -> None:
        for door in self.doors:
            self.loop.watch(door, 0)
            door.close()

    def _look_up(self, connection: Connection) -> None:
        try:
            remote = look_up(connection.link.peer, self.own)[0]
        except OSError as error:
            self.loop.post(connection.fail, error)
        else:
            self.loop.post(connection.begin, remote)

    # What the loop calls.

    def _take(self, name: str, door: socket.socket, take, events: int) -> None:
        if pause := self.take_all(take):
            self.loop.watch(door, 0)
            self.later(pause, self.open, name, door, take)

    def attend(self, connection: Connection) -> None:
        self.connections[connection] = None
        connection.serve(READ)  # at once, because a round may last long
