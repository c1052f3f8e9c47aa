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
import os
import selectors
import socket
import threading
import time

from grapevine.addresses import Address, look_up
from grapevine.node import SHORT
from grapevine.worlds import Calls, sockets

TAKEN_AT_ONCE = 32  # connections, or datagrams, of a door in one round
READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE
URGENT_WITHIN = 0.05  # seconds after which urgent sockets are served again


class Loop:
    """Sockets and calls of all nodes of a thread."""

    def __init__(self):
        self.calls = Calls()
        self.is_over = False
        self._all = selectors.DefaultSelector()
        self._urgent = selectors.DefaultSelector()  # of some of them
        self._watched: dict[socket.socket, tuple[int, bool]] = {}  # -> events, are they urgent
        self._urgent_at = 0.0  # when urgent sockets were served last
        self._posted = collections.deque()  # calls that other threads ask for
        self._wake_reader, self._wake_sender = socket.socketpair()
        for end in (self._wake_reader, self._wake_sender):
            end.setblocking(False)
        self.watch(self._wake_reader, READ, self._take_posted)

    def watch(self, sock: socket.socket, events: int, served=None, is_urgent: bool = True) -> None:
        """Have `served(events)` called whenever a socket is ready for some of these events; 0 ends
        that, which has to be before the socket is closed."""
        before, now = self._watched.get(sock, (0, False)), (events, is_urgent and events != 0)
        if before == now:
            return
        for selector, was, is_now in ((self._all, before[0], now[0]),
                                      (self._urgent, before[1], now[1])):
            if was:
                selector.unregister(sock)
            if is_now:
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

    def attach(self) -> None:
        self.sock.setblocking(False)
        super().attach()

    def blocked(self) -> None:
        self.world.loop.soon(self.watch)  # its link knows by then what waits

    def close(self) -> None:
        if self.sock is not None:
            self.world.loop.watch(self.sock, 0)
        self.shut()
        self.world.loop.soon(self.world.end_connection, self, "closed")

    def watch(self) -> None:
        """Have it served when it can be read, unless its link is held, or written, if need be."""
        if self.link.closed is None:
            is_dial = self.sender is None
            events = WRITE if self.link.waiting or is_dial else 0
            events |= 0 if self.link.is_held or is_dial else READ
            self.world.loop.watch(self.sock, events, self.serve,
                                  is_dial or self.link.deadline is not None)

    resume = watch

    def serve(self, events: int) -> None:
        """Go on with a dial, with sending, or with reading."""
        try:
            if self.sender is None:
                self._connected()
            elif events & WRITE:
                self.world.call(self.link.flush, time.monotonic(), link=self.link)
            if events & READ:
                self._read()
        except OSError as error:
            self.fail(error)
        self.watch()

    def _read(self) -> None:
        """Read once, if there is something. OSError if it broke."""
        if self.link.closed is None and not self.link.is_held:
            try:
                data = self.sock.recv(sockets.READ_SIZE)
            except BlockingIOError:
                return
            if data:
                self.world.call(self.world.node.took, self.link, data, link=self.link)
            else:
                self.world.end_connection(self, "closed by the other end")

    def connect(self, remote: Address) -> None:
        """Begin to connect, once it is known where to."""
        if self.link.closed is not None:
            return
        try:
            self.sock = sockets.socket_from(self.world.own, remote.family)
            self.sock.setblocking(False)
            with contextlib.suppress(BlockingIOError):  # it is under way
                self.sock.connect((remote.ip, remote.port))
            self.watch()
        except OSError as error:
            self.world.loop.soon(self.fail, error)

    def _connected(self) -> None:
        """A dial has come to its end. OSError if it is a bad one."""
        if number := self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise OSError(number, os.strerror(number))
        sockets.check_connected(self.sock)
        self.attach()
        self.link.remote = sockets.remote_address(self.sock.getpeername())
        self.world.call(self.world.node.up, self.link, link=self.link)

    def time_out(self) -> None:
        """The time for connecting is over."""
        if self.sender is None and self.link.closed is None:
            self.fail(TimeoutError(errno.ETIMEDOUT, "timed out"))

    def fail(self, error: OSError) -> None:
        self.world.end_connection(self, sockets.reason_of(error), error)


class LoopWorld(sockets.World):
    CONNECTION = Connection

    def __init__(self, loop: Loop, own: Address, doors: list[socket.socket] | None = None):
        super().__init__(own, doors, contextlib.nullcontext())  # one thread calls all nodes
        self.loop = loop
        for door in self.doors:
            door.setblocking(False)

    def begin(self, node) -> None:
        """Start a node."""
        self.node = node
        node.start()

    def end(self, reason: str) -> None:
        """Stop the node, and close everything; no call of the node may be under way."""
        self.node.stop(reason)
        for connection in list(self.connections):
            self.end_connection(connection, reason)
        self.node.output.close()

    # What a node asks for.

    def listen(self, accepted, door: int = 0) -> None:
        self.loop.watch(self.doors[door], READ, functools.partial(self._accept, door, accepted))

    def hear(self, heard, door: int) -> None:
        self.loop.watch(self.doors[door], READ, functools.partial(self._hear, door, heard))

    def later(self, seconds: float, call, *arguments, thread: str = "timer") -> None:
        self.loop.calls.at(self.now() + seconds, self.call, call, *arguments)

    def dial(self, link, seconds: float) -> Connection:
        connection = Connection(self, link)
        self.connections[connection] = None
        if isinstance(link.peer, Address):
            connection.connect(link.peer)
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
            self.loop.post(connection.connect, remote)

    # What the loop calls.

    def _hear(self, door: int, heard, events: int) -> None:
        for _ in range(TAKEN_AT_ONCE):
            try:
                data, remote = self.doors[door].recvfrom(sockets.READ_SIZE)
            except OSError:
                return  # there is none, an earlier one was refused, or the node has stopped
            self.call(heard, data, sockets.remote_address(remote))

    def _accept(self, door: int, accepted, events: int) -> None:
        for _ in range(TAKEN_AT_ONCE):
            try:
                sock, remote = self.doors[door].accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in SHORT:
                    self.call(self.node.crowd_out)
                    self.loop.watch(self.doors[door], 0)
                    self.later(sockets.SHORT_REST, self.listen, accepted, door)
                return  # or the node has stopped
            self.welcome(accepted, sock, remote)

    def attend(self, connection: Connection) -> None:
        self.connections[connection] = None
        connection.serve(READ)  # at once, because a round may last long

    def end_connection(self, connection: Connection, reason: str, error: OSError | None = None
                       ) -> None:
        """Close a connection, and tell the node the end of its link, once."""
        link = connection.link  # is served no more, also if its node was killed, and hears nothing
        link.closed = link.closed or reason
        if connection.sock is not None:
            self.loop.watch(connection.sock, 0)
        connection.drop()
        self.call(self.tell_end, connection, reason, error)
