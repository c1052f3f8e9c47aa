"""What seed and peer share: threads with an owner, links that are served, start and stop.

A node listens, gives each connection a thread that reads it (the link reader), and dials from
the address that it announces. Subclasses say what lines mean: `on_<kind>` methods, and
`ALLOWED`, which tells what may be said on a link of which role.

How a connection ends: somebody calls `link.close(reason)`, from whatever thread, mostly by
`disconnect`, which also writes the reason down. That wakes its reader, which leaves `serve`,
gives socket and table places back (`_release`), and calls `on_end`, once per link.
"""

import errno
import os
import socket
import threading
import time

from gossip import wire
from gossip.addresses import Address
from gossip.net.flusher import Flusher
from gossip.node.link import Link
from gossip.net.listener import SHORT, Listener
from gossip.node.counters import Budget, Counters
from gossip.node.output_file import OutputFile
from gossip.node.waiting_room import WaitingRoom
from gossip.settings import Settings

STACK_SIZE = 512 * 1024  # bytes per thread: nothing here recurses deeply
JOIN_LIMIT = 5.0  # seconds that `stop` waits for threads; they take milliseconds
NO_THREAD = "threads that could not be started"  # counted
REFUSALS_WRITTEN = 100  # lines of refusals per second in the output file; more are counted

WAITING = "waiting"  # accepted, has not introduced itself
PROBING = "probing"  # dialled by us for one Liveness Request


class Node:
    """A listener, links, threads and an output file, from `start` to `stop`."""

    kind = "node"
    link_class = Link
    ALLOWED: dict[str, set[str]] = {}  # role of a link -> kinds of lines that it may carry

    def __init__(self, address: Address, settings: Settings, output: OutputFile):
        self.address = address
        self.settings = settings
        self.output = output
        self.counters = Counters()
        self.stopping = threading.Event()
        self._going = threading.Event()  # threads may do their work
        self.flusher = Flusher()
        self._waiting_room = WaitingRoom(settings.waiting_limit)
        self._refusals = Budget(REFUSALS_WRITTEN)
        self.listener: Listener | None = None
        self._stop_lock = threading.Lock()  # held throughout by the one who stops the node
        self._stopped = False  # guarded by _stop_lock
        self._lock = threading.Lock()  # guards everything below
        self._threads_ended = threading.Condition(self._lock)  # notified when _threads shrinks
        self._threads: set[threading.Thread] = set()
        self._links: set[Link] = set()

    # Start and stop.

    def start(self) -> None:
        """Listen, then start the threads; OSError when the address or a thread is not to be
        had (`stop` it then)."""
        self.prepare()
        self.go()

    def prepare(self) -> None:
        """The first half of `start`: listen, and start threads that do nothing yet. Whoever
        starts many nodes prepares them all before the first makes work for the processor."""
        self.listener = self.listen()
        self.output.write(f"started:{self.kind}:{self.address}",
                          f"settings:{self.settings_shown()}")
        self.start_threads()
        if NO_THREAD in self.counters.all():
            raise OSError(errno.EAGAIN, "the system has no thread left for it")

    def go(self) -> None:
        """The second half of `start`: let the threads do their work."""
        self._going.set()

    def listen(self) -> Listener:
        return Listener(self.address, self.stopping)

    def settings_shown(self) -> str:
        return self.settings.words()

    def start_threads(self) -> None:
        """Start the listener, the link flusher and what else the node consists of."""
        raise NotImplementedError

    def wake(self) -> None:
        """Wake what waits on something else than `stopping`; called by `stop`."""

    def stop(self, reason: str = "interrupted") -> None:
        """End all threads and connections abruptly; may be called twice."""
        with self._stop_lock:
            if self._stopped:
                return
            self._stopped = True
            self.output.finish(f"stopped:{reason}")
            self.hang_up()
            self._join()
            self.flusher.close()
            self.output.close()

    def hang_up(self) -> None:
        """The first half of `stop`: shut every socket and wake every thread, wait for none.

        Whoever stops many nodes lets all of them say their last word, then all hang up, then
        stops one after the other. Without a last word (`output.finish()`) it is a sudden death.
        """
        self.stopping.set()
        if self.listener is not None:
            self.listener.close()
        with self._lock:
            links = list(self._links)
        for link in links:
            link.close("stopped")
        self.flusher.stop()
        self._going.set()
        self.wake()

    def _join(self) -> None:
        """Wait for the threads; one that is just being started ends by itself."""
        current = threading.current_thread()
        deadline = time.monotonic() + JOIN_LIMIT
        with self._threads_ended:
            threads = [thread for thread in self._threads if thread is not current]
            self._threads_ended.wait_for(lambda: not self._threads - {current}, JOIN_LIMIT)
        for thread in threads:
            if thread.is_alive():
                thread.join(max(0.0, deadline - time.monotonic()))

    def start_thread(self, name: str, target, *args) -> bool:
        """Start a thread that this node owns; False when the node stops or the system has
        no thread left."""
        thread = threading.Thread(
            target=self.run_guarded, name=f"{name} {self.address}", args=(name, target, args),
            daemon=True)
        with self._lock:
            if self.stopping.is_set():
                return False
            self._threads.add(thread)
        try:
            thread.start()
        except RuntimeError:
            with self._threads_ended:
                self._threads.discard(thread)
                self._threads_ended.notify_all()
            self.counters.add(NO_THREAD)
            return False
        return True

    def run_guarded(self, name: str, target, args) -> None:
        """The body of every thread: an error that nobody expected becomes a line."""
        self._going.wait()
        try:
            target(*args)
        except Exception as error:
            at = error.__traceback__
            while at.tb_next is not None:
                at = at.tb_next
            where = os.path.basename(at.tb_frame.f_code.co_filename)
            self.output.write_failure(f"failed:{name}:{type(error).__name__}:{error} "
                                      f"({where}:{at.tb_lineno})")
        finally:
            with self._threads_ended:
                self._threads.discard(threading.current_thread())
                self._threads_ended.notify_all()

    # Connections.

    def new_link(self, role: str, address: Address | None = None, sock=None) -> Link:
        """Make a link, which `stop` will close; without a socket it is to be dialled."""
        link = self.link_class(sock, self.flusher, self.settings, role)
        link.peer = address
        with self._lock:
            self._links.add(link)
        if self.stopping.is_set():
            link.close("stopped")
        return link

    def link_count(self) -> int:
        """How many connections there are."""
        with self._lock:
            return len(self._links)

    def accept(self, sock: socket.socket, remote: tuple[str, int]) -> None:
        """Called by the listener for every connection."""
        link = self.new_link(WAITING, sock=sock)
        self.await_introduction(link)
        if not self.start_thread("link reader", self._serve_accepted, link, remote):
            self._release(link)

    def await_introduction(self, link: Link) -> None:
        """Give a connection some seconds to say who it is; the oldest gives way if need be."""
        link.await_line(time.monotonic() + self.settings.introduction_limit)
        oldest = self._waiting_room.enter(link)
        if oldest is not None:
            self.disconnect(oldest, "gave way: too many are waiting")
        if link.ended:
            self._waiting_room.leave(link)

    def make_room(self, reason: str) -> None:
        """Called by the listener when descriptors are short."""
        self.counters.add("times that descriptors were short")
        oldest = self._waiting_room.pop_oldest()
        if oldest is not None:
            self.disconnect(oldest, f"gave way: {reason}")

    def _serve_accepted(self, link: Link, remote: tuple[str, int]) -> None:
        try:
            link.connected(remote)
        except OSError:
            self._release(link)  # it was gone before we looked
            return
        self.serve(link)

    def serve(self, link: Link) -> None:
        """Read a connected link to its end: the body of every link reader."""
        try:
            while (lines := link.read()) is not None and not link.ended:
                self.on_lines(link, lines)
        except wire.WireError as error:
            self.disconnect(link, str(error))
        finally:
            self._release(link)
            self.on_end(link)

    def _release(self, link: Link) -> None:
        """Give a link's socket and its place in the tables back."""
        link.finish()
        self._waiting_room.leave(link)
        with self._lock:
            self._links.discard(link)

    def introduced(self, link: Link, role: str, address: Address) -> None:
        """The other end has said who it is, and stays."""
        link.role = role
        link.peer = address
        link.trust()
        self._waiting_room.leave(link)

    def disconnect(self, link: Link, reason: str, who: Address | None = None) -> None:
        """Disconnect somebody for what they did, and write that down."""
        self.write_refusal(who or link.peer or link.remote, reason)
        link.close(reason)

    def write_refusal(self, who, reason: str) -> None:
        """Write a `refused:` line, or count it where there are too many."""
        if self._refusals.spend(time.monotonic()):
            self.output.write(f"refused:{who}:{reason[:200]}")
        else:
            self.counters.add("refusals not written")

    def probe(self, address: Address) -> bool | None:
        """Ask for a Liveness Reply over a fresh connection; True when it comes in time, None
        when this machine is too short of something to ask."""
        link = self.new_link(PROBING, address)
        link.await_line(time.monotonic() + self.settings.probe_limit)
        time_sent = wire.format_time(time.time())
        try:
            link.connect(self.address, address, self.settings.probe_limit)
            link.send(wire.liveness_request(time_sent, self.address))
            expected = wire.LivenessReply(time_sent, self.address, address)
            while (lines := link.read()) is not None:
                if any(wire.parse(line) == expected for line in lines):
                    return True
            return False
        except OSError as error:
            return None if error.errno in SHORT else False
        except wire.WireError:
            return False
        finally:
            self._release(link)

    # What lines mean.

    def on_lines(self, link: Link, lines: list[bytes]) -> None:
        """Handle what arrived together, in order; WireError ends the link."""
        for line in lines:
            self.on_line(link, line)
            if link.ended:
                return

    def on_line(self, link: Link, line: bytes) -> None:
        """Hand one line to its `on_<kind>` method."""
        message = wire.parse(line)
        if message.kind not in self.ALLOWED.get(link.role, ()):
            what = line.partition(b":")[0].decode()
            raise wire.WireError(f"{what!r} is not expected from one who is {link.role}")
        if link.role == WAITING:
            link.prolong(time.monotonic() + self.settings.introduction_limit)
        getattr(self, "on_" + message.kind)(link, message)

    def on_end(self, link: Link) -> None:
        """A link has ended; `link.reason` tells why."""


threading.stack_size(STACK_SIZE)
