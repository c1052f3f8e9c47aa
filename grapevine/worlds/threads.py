"""The world of threads: one node in a process, over TCP, as a person starts it.

    listener            accepts connections at a door; `datagrams` hears those of a door
    reader              one for each connection: connects it, if it is a dial, and reads to its end
    gossip generator, liveness, membership, anti-entropy (of a peer), lookout (of a seed), rumors,
    monitoring          each waits until its duty is due, and does it
    timer               makes all other calls that a node has put off, deadlines for example
    writer              sends what the kernel did not take at once

One lock guards the node, its links and its file. A thread takes it for each call of the node, and
does not wait while it has it; connecting, looking up names, reading and joining happen without it.
An error of the node's code is written into its file, and costs a link or a round; one of this
file's own stops the node, because half a node is worse than none. Nothing here needs MSG_DONTWAIT,
poll or fork, or a `shutdown` that wakes a thread, which Windows and in part macOS have not.
"""

import contextlib
import errno
import os
import selectors
import socket
import sys
import threading
import time
import weakref

from grapevine.addresses import Address, address_of, look_up
from grapevine.worlds import Calls, sockets

CROWDED_WAIT, CROWDED_LOOK = 2.0, 0.002  # seconds: at most, and between two looks


def wait_for_readers(peer, is_over=lambda: False) -> None:
    """Wait, without the lock, for the neighbours of a peer that read slowly: an origin is kind to
    them, for a while."""
    until = peer.now() + CROWDED_WAIT
    while peer.is_crowded() and peer.now() < until and not is_over():
        time.sleep(CROWDED_LOOK)


class Connection(sockets.Connection):
    """A connection that a thread reads."""

    def __init__(self, world: "ThreadWorld", link=None, sock: socket.socket | None = None):
        super().__init__(world, link, sock)
        self.go_on = threading.Condition(world.lock)  # its link is held no more, or has ended

    def took(self, data: bytes) -> None:
        self.wait_while_held()
        if self.link.closed is None:
            super().took(data)

    def wait_while_held(self) -> None:
        """Wait until what came before is handled: its link is held no more, or has ended."""
        while self.link.is_held and self.link.closed is None:
            self.go_on.wait()

    def resume(self) -> None:
        """Have it read again."""
        self.go_on.notify()

    def blocked(self) -> None:
        self.world.wake_writer()

    def close(self) -> None:
        super().close()
        self.go_on.notify()
        self.world.later(0.0, self.tell_end, "closed")

    def end(self, reason: str, error: OSError | None = None) -> None:
        with self.world.lock:
            self.wait_while_held()  # what came last may not be handled yet
        super().end(reason, error)


class ThreadWorld(sockets.World):
    CONNECTION = Connection
    DOOR_WAIT = None if sys.platform == "linux" else 0.5  # where no `shutdown` wakes who accepts
    READ_WAIT = None if sockets.DONT_WAIT else 0.5  # without a limit `send` waits, too, and
    # on Windows nothing wakes who reads

    def __init__(self, own: Address, doors: list[socket.socket] | None = None):
        super().__init__(own, doors, threading.Lock())
        self.over = threading.Event()  # the node has stopped
        self.has_failed = False  # because of an error of its threads
        port = self.doors[0].getsockname()[1]  # which the system has chosen, if any would do
        self.address = address_of(own.ip, port)
        self._threads: set[threading.Thread] = set()
        self._timers: dict[str, tuple[Calls, threading.Condition]] = {}  # by name of the thread
        self._wake_reader, self._wake_sender = socket.socketpair()
        self._wake_sender.setblocking(False)
        _WORLDS.add(self)

    def begin(self, node) -> None:
        """Start a node."""
        self.node = node
        with self.lock:
            self._start_thread("writer", self._write)
            self._start_timer("timer")  # later, no thread may be left
            node.start()

    def end(self, reason: str, seconds: float = 1.0) -> bool:
        """Stop the node, and wait for its threads; return whether all have ended. Any thread
        without the lock may call this, as often as it wants."""
        with self.lock:
            self.node.stop(reason)
            threads = self._threads - {threading.current_thread()}
        until = self.now() + seconds
        for thread in threads:
            thread.join(max(0.0, until - self.now()))
        with self.lock:
            self.node.output.close()
        return not any(thread.is_alive() for thread in threads)

    # What a node and its links ask for, with the lock held.

    def open(self, name: str, door: socket.socket, take) -> None:
        self._start_thread(name, self._take, door, take)

    def later(self, seconds: float, call, *arguments, thread: str = "timer") -> None:
        if self.over.is_set():
            return
        if thread not in self._timers:
            self._start_timer(thread)
        calls, sooner = self._timers[thread]
        if calls.at(self.now() + seconds, call, *arguments):
            sooner.notify()

    def dial(self, link, seconds: float) -> Connection:
        connection = Connection(self, link)
        self.attend(connection, self.now() + seconds)
        return connection

    def attend(self, connection: Connection, until: float | None = None) -> None:
        self.connections[connection] = None
        try:
            self._start_thread("reader", self._serve, connection, until)
        except OSError as error:
            connection.drop()
            self.later(0.0, connection.tell_end, error.strerror, error)

    def stop(self) -> None:
        self.over.set()
        for _, sooner in self._timers.values():
            sooner.notify()
        for door in self.doors:
            sockets.shut(door)
        self.wake_writer()

    def wake_writer(self) -> None:
        """Have the writer look what waits."""
        with contextlib.suppress(OSError):  # it has been woken, or has ended
            self._wake_sender.send(b".")

    # Threads.

    def _start_thread(self, name: str, target, *arguments) -> None:
        """Start a thread. OSError if none is left."""
        thread = threading.Thread(target=self.live, args=(target, *arguments), name=name,
                                  daemon=True)
        self._threads.add(thread)
        try:
            thread.start()
        except (RuntimeError, MemoryError):
            self._threads.discard(thread)
            raise OSError(errno.EAGAIN, "no thread left") from None

    def _start_timer(self, name: str) -> None:
        """Start a thread that makes calls when they are due. OSError if none is left."""
        timer = Calls(), threading.Condition(self.lock)
        self._start_thread(name, self._keep_time, *timer)
        self._timers[name] = timer

    def live(self, target, *arguments) -> None:
        """The life of a thread. What fails in it, outside of the node's code, stops the node."""
        try:
            target(*arguments)
        except Exception as error:
            with self.lock:
                self.node.output.failed(sockets.failure(error))
                self.has_failed = True
                self.node.stop("failed")
        with self.lock:
            self._threads.discard(threading.current_thread())

    def _keep_time(self, calls: Calls, sooner: threading.Condition) -> None:
        while not self.over.is_set():
            with self.lock:
                while (wait := calls.next_at() - self.now()) > 0 and not self.over.is_set():
                    sooner.wait(min(wait, threading.TIMEOUT_MAX))
                due = calls.due(self.now())
            for call, arguments in due:
                self.call(call, *arguments)

    def _write(self) -> None:
        """Send what waits, whenever the kernel has room for it."""
        with self._wake_reader, self._wake_sender:
            while not self.over.is_set():
                with sockets.Selector() as selector:
                    selector.register(self._wake_reader, selectors.EVENT_READ)
                    with self.lock:
                        for each in self.connections:
                            if each.link.waiting and not (each.link.closed or each.is_broken):
                                selector.register(each.sock, selectors.EVENT_WRITE, each.link)
                    try:
                        ready = selector.select()
                    except OSError:
                        continue  # a socket was closed meanwhile
                for key, _ in ready:
                    if key.data is None:
                        self._wake_reader.recv(4_096)
                    else:
                        self.call(key.data.flush, self.now(), link=key.data)

    def _take(self, door: socket.socket, take) -> None:
        with door:
            pause = 0.0
            while not self.over.wait(pause):
                pause = self.take_all(take)

    def _serve(self, connection: Connection, until: float | None) -> None:
        """Connect, if this is a dial, and read to the end."""
        try:
            if until is not None:
                remote = look_up(connection.link.peer, self.own)[0]
                connection.connect(remote, max(0.01, until - self.now()))
                connection.connected()
            while connection.link.closed is None and connection.read():
                pass
            connection.end("closed by the other end")
        except OSError as error:
            connection.fail(error)
        finally:
            connection.drop()  # also when this code fails

    # A child of fork has the sockets of all worlds, and would keep their connections open.

    def abandon(self) -> None:
        """Close all sockets, and say nothing to anybody; the other process goes on."""
        self.lock, self.over = threading.Lock(), threading.Event()  # a lost thread may hold those
        self.over.set()
        if self.node is not None:
            self.node.stopping = True
        for each in (*self.doors, self._wake_reader, self._wake_sender):
            each.close()
        for connection in self.connections:
            connection.drop()


_WORLDS: "weakref.WeakSet[ThreadWorld]" = weakref.WeakSet()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: [world.abandon() for world in list(_WORLDS)])
