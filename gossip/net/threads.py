"""The threads of one node, started by name and ended together; and its lock, the turn.

Every thread is a daemon, and carries its name and the node's address. An error that ends a thread
becomes a line in the node's output file. Threads wait for `go` before they do anything.

A turn is the only lock that the rules of a node need. If more than CROWD threads wait for it, link
readers that come with few lines wait at a lock of their own, so that a duty of a hub waits for a
few turns, and not for those of all its links. Of all nodes in a process, one link reader at a time
takes many lines, because each of hundreds that compete for the interpreter would keep it for long,
and probes would wait for all. Nothing waits within a turn, which may still be long, because a disk
may stall. A thread that waited for its turn reads late what came in time, so a node asks for the
longest wait before it judges others. Calls that may wait follow after the turn.
"""

import contextlib
import errno
import threading
import time

from gossip.net.pulse import AT_ONCE, NOTICED, PULSE
from gossip.settings import LATE_FOR
from gossip.tools import Worst, failure

# bytes of the stack of each thread, because nothing here recurses deeply; the library says 0, the
# usual size, because all later threads of the process get this one, too
STACK_SIZE = 512 * 1024
JOIN_LIMIT = 5.0  # seconds at most that `join` waits; threads mostly need milliseconds
LONG = 0.01  # seconds after which a turn lets others go first, where it calls `share`
PAUSE = 0.001  # seconds for which it then leaves; after less it would mostly get the lock again
CROWD = 4  # threads that wait for a turn; if there are more, a reader with few lines comes later
PATIENCE = 4.0  # seconds that a turn of many lines waits for others, whose disk may stall


class Threads:
    """The threads of a node: any object with `address`, `stopping` and `output`."""

    def __init__(self, node):
        self._node = node
        self._going = threading.Event()  # threads may do their work
        self.go = self._going.set
        self._ended = threading.Condition()  # guards _running, and is notified when it shrinks
        self._running: set[threading.Thread] = set()

    def start(self, name: str, target, *args) -> bool:
        """Start a thread. False if the node stops or the system has no thread left."""
        thread = threading.Thread(
            target=self.guard, name=f"{name} {self._node.address}", args=(name, target, args),
            daemon=True)
        with self._ended:
            if self._node.stopping:
                return False
            self._running.add(thread)
        try:
            if STACK_SIZE:  # to put it back would take a lock, for which hundreds of threads wait
                threading.stack_size(STACK_SIZE)
            thread.start()
        except RuntimeError:
            self._forget(thread)
            return False
        return True

    def need(self, name: str, target, *args) -> None:
        """Start a thread that the node cannot do without. OSError if that fails."""
        if not self.start(name, target, *args) and not self._node.stopping:
            raise OSError(errno.EAGAIN, "the system has no thread left for it")

    def guard(self, name: str, target, args) -> None:
        """Run the body of a thread. Write an unexpected error into the output file."""
        self._going.wait()
        try:
            target(*args)
        except Exception as error:
            self._node.output.write_failure(failure(name, error))
        finally:
            self._forget(threading.current_thread())

    def _forget(self, thread: threading.Thread) -> None:
        with self._ended:
            self._running.discard(thread)
            self._ended.notify_all()

    def own_this(self) -> bool:
        """Return whether the calling thread belongs to this node."""
        with self._ended:
            return threading.current_thread() in self._running

    def join(self) -> None:
        """Wait for all threads but the caller's. A thread that is just starting ends by itself."""
        current = threading.current_thread()
        deadline = time.monotonic() + JOIN_LIMIT
        with self._ended:
            threads = self._running - {current}
            self._ended.wait_for(lambda: not self._running - {current}, JOIN_LIMIT)
        for thread in threads:
            if thread.is_alive():
                thread.join(max(0.0, deadline - time.monotonic()))


class Turn:
    """The lock of one node, as a context manager. A turn within a turn is part of it."""

    # of all nodes in this process: a lock that is taken before that of the node in order to take
    # many lines, and the threads that wait for it
    _many, _queue = threading.Lock(), set()

    def __init__(self, report, late=lambda seconds: None):
        """`report(error)` is told of a call that failed after a turn; the other calls are still
        made. `late(seconds)` is told of long waits, once for waits at the same time."""
        self._report, self._late = report, late
        self._crowd = threading.Lock()  # held by one of the readers in a crowd, until it has a turn
        self._lock = threading.RLock()  # guards the node, and the next five
        self._told = 0.0  # when `late` was called
        self._depth = 0  # how many nested turns its holder has taken
        self._begun = 0.0  # when the outermost of them began
        self._has_many = False  # whether their holder holds `_many`, too
        self._later: list[tuple] = []  # (call, arguments) to make when the lock is free
        # how long threads have waited: the holder of the lock notes it, anybody may read it
        self._waits = Worst(LATE_FOR)
        self._waiting: dict[int, float] = {}  # waiting thread -> since when

    def take(self, many: bool | None = None) -> None:
        """Begin a turn, or a turn within the present one. `many`: whether a link reader has many
        lines; None for all other threads, which wait for fewer turns."""
        if many or not self._lock.acquire(blocking=False):
            many = self._wait(many)
        if not self._depth:
            self._has_many, self._begun = many, time.monotonic()
            if self._begun > PULSE.expected:
                PULSE.look()
        self._depth += 1

    __enter__ = take

    def _wait(self, many: bool | None) -> bool | None:
        """Wait for the locks, and note how long that took. Return whether `_many` is held."""
        thread = threading.get_ident()
        self._waiting[thread] = since = time.monotonic()
        if many:
            self._queue.add(thread)
            many = self._many.acquire(timeout=PATIENCE)
            self._queue.discard(thread)
        in_crowd = many is False and len(self._waiting) > CROWD
        with self._crowd if in_crowd else contextlib.nullcontext():
            self._lock.acquire()
        del self._waiting[thread]
        now = time.monotonic()
        if now - since >= NOTICED:
            self._waits.note(now, now - since)
        if now - since >= AT_ONCE and since >= self._told:
            self._told = now
            self._late(now - since)
        return many

    def waited(self) -> float:
        """Return the seconds of the longest wait within LATE_FOR, waiting threads included."""
        now = time.monotonic()
        return max(self._waits.lately(now), now - min(list(self._waiting.values()), default=now))

    def __exit__(self, *error) -> None:
        later, many = (), False
        self._depth -= 1
        if not self._depth:
            many = self._has_many
            if self._later:
                later, self._later = self._later, []
        self._lock.release()
        if many:
            self._many.release()
        for call, arguments in later:
            try:
                call(*arguments)
            except Exception as error:
                self._report(error)

    def after(self, call, *arguments) -> None:
        """Make a call, which may wait, after this thread's turn."""
        with self:
            self._later.append((call, arguments))

    def share(self) -> None:
        """Between two lines, interrupt a long turn if a thread waits."""
        waiting = self._waiting or self._has_many and self._queue
        if waiting and time.monotonic() > self._begun + LONG:
            with self.left():
                time.sleep(PAUSE)

    @contextlib.contextmanager
    def left(self):
        """Leave the present turn meanwhile, in order to wait for others."""
        with self:
            depth, many = self._depth - 1, self._has_many
        for _ in range(depth):
            self.__exit__()
        try:
            yield
        finally:
            for taken in range(depth):
                self.take(many and not taken)


def begin_anew() -> None:
    """Forget, in a forked child process, which reader takes many lines."""
    Turn._many, Turn._queue = threading.Lock(), set()
