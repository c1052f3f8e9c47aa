"""The live world of a node: the clocks of this machine, a thread per duty and link, TCP sockets.

`World` in gossip/node/world.py says what a seed or a peer may ask of it; the threads of a node are
listed in gossip/README.md. A link reader connects its link if need be, then reads it to its end.
One thread at a time calls the node: each call but `accept` and `sift` is a turn (threads.py).
Threads connect, read, rest, start and join outside of turns.
"""

import errno
import functools
import math
import socket
import threading
import time

from gossip.addresses import Address, Name
from gossip.net.connection import SHORT, Connection, Listener, is_local
from gossip.net.flusher import Flusher
from gossip.net.names import Names
from gossip.net.pulse import PULSE
from gossip.net.threads import Threads, Turn
from gossip.tools import failure
from gossip.wire import WireError

MANY_BYTES = 16 << 10  # bytes of lines above which they wait for other readers that have as many


class LiveDuty(threading.Event):
    """A duty of a node: a thread of its own calls a turn again and again."""

    hurry = threading.Event.set  # has the turn called soon, before it is due


class LiveWorld:
    """Time, threads and sockets of one node; `World` tells what its methods are for."""

    def __init__(self, node, sock: socket.socket | None = None, own: Address | None = None):
        """`sock`, if any, already listens on the node's address. `own` is where the node listens,
        and whence it dials, if the address that it announces leads there through a router."""
        self._node = node
        self._own = own or node.address
        self._sock = sock
        self.now, self.time = time.monotonic, time.time
        self.lateness, self.worst_lateness = PULSE.lateness, PULSE.worst_lateness
        self.turn = Turn(functools.partial(self._report, "after a turn"), node.output.late)
        self.threads = Threads(node)
        self.flusher = Flusher(self.turn, functools.partial(self._report, "put off"))
        self.names = Names()
        self.go, self.look_up = self.threads.go, self.names.find_all
        self._stopping = threading.Event()  # the node stops
        self._closing = threading.Lock()  # taken by the first `close`, and never released
        self._closed = threading.Event()
        self.await_end = self._closed.wait  # at most for the seconds that are given
        self._listeners: list[tuple] = []  # (name of the thread, listener, accept)
        self._duties: list[LiveDuty] = []

    # What a node asks for.

    def listen(self, address: Address | None = None, sock: socket.socket | None = None,
               accept=None, name: str = "listener") -> None:
        """Listen on `address`, else on the node's; or take the listening `sock`. OSError if the
        address is not available. `accept`, else `node.accept`, gets its connections."""
        if address is None and sock is None:
            address, sock = self._own, self._sock
        listener = Listener(address, self._stopping, sock)
        self._listeners.append((name, listener, accept or self._node.accept))
        if self._stopping.is_set():
            listener.close()  # another thread stopped the node, and missed this listener

    def begin(self) -> None:
        """Start to accept and to flush. OSError if the system has no thread left."""
        PULSE.begin()
        PULSE.tell(self._node.output, self._node.settings.liveness_interval)
        for name, listener, accept in self._listeners:
            self.threads.need(name, listener.accept_all, functools.partial(self._accept, accept),
                              self._make_room)
        self.threads.need("link flusher", self.flusher.flush_all)

    def keep(self, name: str, turn, after: float = 0.0) -> LiveDuty:
        """Start the thread of a duty. OSError if the system has no thread left."""
        duty = LiveDuty()
        self._duties.append(duty)
        self.threads.need(name, self._keep, duty, turn, after)
        return duty

    def dial(self, link, thread: str = "link reader") -> None:
        self.turn.after(self._start, link, thread)

    def missing_ip(self) -> str | None:
        return None if is_local(self._own) else self._own.ip

    def lacks(self, error: OSError) -> bool:
        return error.errno in SHORT

    def wake(self) -> None:
        self._stopping.set()
        for _, listener, _ in self._listeners:
            listener.close()
        self.flusher.stop()
        self.names.stop()
        self.threads.go()
        for duty in self._duties:
            duty.hurry()

    def close(self) -> None:
        """Join all other threads, for some seconds at most, and free everything. A second caller
        waits for the first, unless it is one of these threads."""
        if self._closing.acquire(blocking=False):
            self.threads.join()
            self.flusher.close()
            self._closed.set()
        elif not self.threads.own_this():
            self.await_end()

    def abandon(self, links) -> None:
        """Close the sockets in a child process that was forked: they belong to the parent."""
        for _, listener, _ in self._listeners:
            listener.abandon()
        for link in links:
            if link.connection is not None:
                link.connection.close()
        self.flusher.close()

    # What the threads do.

    def _report(self, what: str, error: Exception) -> None:
        """Write an error that ends no thread into the output file."""
        self._node.output.write_failure(failure(what, error))

    def _keep(self, duty: LiveDuty, turn, after: float) -> None:
        due = self.now() + after
        while due != math.inf:
            duty.wait(None if due is None else max(0.0, due - self.now()))
            duty.clear()
            if self._node.stopping:
                return
            with self.turn:
                due = turn(self.now())

    def _accept(self, accept, sock: socket.socket, remote: tuple[str, int]) -> None:
        """Start a thread that reads a connection, if the node accepts it."""
        connection = Connection(sock)
        link = accept(connection, remote)
        if link is None:
            connection.close()
        else:
            self._start(link, "link reader")

    def _make_room(self, reason: str) -> None:
        with self.turn:
            self._node.make_room(reason)

    def _start(self, link, thread: str) -> None:
        """Start the thread of a link. If there is none left, end the link; the flusher
        does so after a dial, because dials which fail at once would nest."""
        if self.threads.start(thread, self._read, link):
            return
        end = functools.partial(
            self._end, link, OSError(errno.EAGAIN, "this machine has no thread left"))
        with self.turn:
            if not self._node.stopping:
                self._node.counters.add("threads that could not be started")
            if self._node.stopping or link.target is None:
                end()
            else:
                self.flusher.take_over(end)

    def _end(self, link, error: Exception | None = None) -> None:
        with self.turn:
            try:
                if error is not None:
                    self._node.fault(link, error)
            finally:
                self._node.ended(link)

    def _connect(self, link) -> None:
        if isinstance(link.peer, Name):
            addresses = self.look_up([link.peer])[link.peer]
            if isinstance(addresses, OSError):
                raise addresses
            with self.turn:
                self._node.found(link, addresses)
        connection = Connection(family=self._own.family)
        try:
            link.attach(connection)
        except OSError:
            connection.close()
            raise
        connection.connect(self._own, link.peer, link.time_to_connect())
        if link.ended:  # closed before there was a connection to shut down
            raise ConnectionAbortedError(link.reason)
        link.connected(*link.peer.dial)

    def _read(self, link) -> None:
        """Connect a link if need be; pass the node its lines until it ends."""
        fault, sift, handle = None, self._node.sift, self._node.lines
        try:
            if link.target is not None:
                try:
                    self._connect(link)
                except OSError as error:
                    fault = error
                    return
                with self.turn:
                    self._node.up(link)
            while (lines := link.next_lines(self._overdue)) is not None:
                if lines := sift(link, lines):
                    self.turn.take(many=sum(map(len, lines)) > MANY_BYTES)
                    try:
                        if link.ended:  # another thread has closed it meanwhile
                            break
                        handle(link, lines)
                    finally:
                        self.turn.__exit__()
                if link.rest_until:
                    self._rest(link)
        except WireError as error:
            fault = error
        finally:
            self._end(link, fault)

    def _overdue(self, link) -> None:
        """End an overdue link, unless it has just been given more time."""
        with self.turn:
            if link.is_overdue():
                self._node.fault(link, WireError(link.what_is_overdue()))
            else:
                link.look_again()

    def _rest(self, link) -> None:
        """Rest as long as the node asked, or until the link ends."""
        seconds = link.rest_until - self.now()
        if seconds > 0:
            self.flusher.wait_until(lambda: link.ended, seconds)
        else:
            link.rest_until = 0.0  # rested, and read a SIP since
