"""Turns: one thread at a time calls a node; calls that may wait follow after the turn.

This is the only lock of a node and its rules: a link reader, a duty, the flusher or the console
takes a turn, and then calls the node. Of all nodes in a process, one link reader at a time has a
turn, because hundreds of readers that compete for the interpreter keep duties and probes waiting,
and take half of the processor for their waiting. Nothing waits within a turn. A turn may still be long,
because a disk may stall. A thread that waited for its turn reads late what came in time, so a node
asks for the longest wait before it judges others.
"""

import collections
import contextlib
import threading
import time

from gossip.net.pulse import AT_ONCE, NOTICED, PULSE, Lateness

LONG = 0.01  # seconds after which a turn lets others go first, where it calls `share`
PAUSE = 0.001  # seconds for which it then leaves; after less it would mostly get the lock again

READERS = threading.Lock()  # held by the link reader that has a turn; taken before the node's lock


class Turn:
    """The lock of one node, as a context manager. A turn within a turn is part of it."""

    def __init__(self, report, late=lambda seconds: None):
        """`report(error)` is told of a call that failed after a turn; the other calls are still
        made. `late(seconds)` is told of long waits, once for waits at the same time."""
        self._report, self._late = report, late
        self._lock = threading.RLock()  # guards the node, and the next four
        self._told = 0.0  # when `late` was called
        self._depth = 0  # how many nested turns its holder has taken
        self._begun = 0.0  # when the outermost of them began
        self._reads = False  # whether their holder holds READERS, too
        self._later: list[tuple] = []  # (call, arguments) to make when the lock is free
        self._making = threading.local()  # `calls`: what this thread is about to call
        # how long threads have waited: the holder of the lock notes it, anybody may read it
        self._waits = Lateness()
        self._waiting: dict[int, float] = {}  # waiting thread -> since when

    def take(self, reads: bool = False) -> None:
        """Begin a turn, or a turn within the present one. A link reader takes READERS, too."""
        if reads and not READERS.acquire(blocking=False):
            self._wait(READERS, self._lock)
        elif not self._lock.acquire(blocking=False):
            self._wait(self._lock)
        if not self._depth:
            self._reads, self._begun = reads, time.monotonic()
            if self._begun > PULSE.expected:
                PULSE.look()
        self._depth += 1

    __enter__ = take

    def _wait(self, *locks) -> None:
        """Wait for locks, the node's last, and note how long that took."""
        thread = threading.get_ident()
        self._waiting[thread] = since = time.monotonic()
        for lock in locks:
            lock.acquire()
        del self._waiting[thread]
        now = time.monotonic()
        if now - since >= NOTICED:
            self._waits.note(now, now - since)
        if now - since >= AT_ONCE and since >= self._told:
            self._told = now
            self._late(now - since)

    def waited(self) -> float:
        """Return the seconds of the longest wait within LATE_FOR, waiting threads included."""
        now = time.monotonic()
        return max(self._waits.lately(now), now - min(list(self._waiting.values()), default=now))

    def __exit__(self, *error) -> None:
        later, reads = (), False
        self._depth -= 1
        if not self._depth:
            reads = self._reads
            if self._later:
                later, self._later = self._later, []
        self._lock.release()
        if reads:
            READERS.release()
        if later:
            self._make(later)

    def _make(self, later: list[tuple]) -> None:
        """Make calls. Calls that these put off join this loop, so that failing dials do not
        nest."""
        calls = getattr(self._making, "calls", None)
        if calls is not None:
            calls.extend(later)
            return
        self._making.calls = calls = collections.deque(later)
        try:
            while calls:
                call, arguments = calls.popleft()
                try:
                    call(*arguments)
                except Exception as error:
                    self._report(error)
        finally:
            self._making.calls = None

    def after(self, call, *arguments) -> None:
        """Make a call that may wait as soon as this thread is in no turn."""
        with self:
            self._later.append((call, arguments))

    def share(self) -> None:
        """Leave a long turn for a moment if another thread waits. A node calls this between lines,
        so that a neighbour that sends many lines keeps nobody waiting."""
        if self._waiting and time.monotonic() > self._begun + LONG:
            with self.left():
                time.sleep(PAUSE)

    @contextlib.contextmanager
    def left(self):
        """Leave the present turn meanwhile, in order to wait for others."""
        with self:
            depth = self._depth - 1
        for _ in range(depth):
            self.__exit__()
        try:
            yield
        finally:
            for _ in range(depth):
                self.__enter__()


def begin_anew() -> None:
    """Forget which reader has a turn, in a child process that was forked."""
    global READERS
    READERS = threading.Lock()
