"""Messages for a program: an inbox from which it takes them, and a thread that makes its callbacks.

A node calls `Inbox.put` and most of `Program` with its lock held, so nothing waits there. Messages
wait as the lines that came; who takes one parses it. No lock is held, so that a handler of signals
may raise in `take`, or call it, at any moment.
"""

import base64
import collections
import contextlib
import errno
import logging
import math
import queue
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from grapevine.events import gossip_fields
from grapevine.wire import gossip_part

ARRIVAL_POLL = 1.0  # seconds between two looks: a handler may raise before others are woken
MOST_BYTES = 64 << 20  # of messages that wait, besides the limit of their number
BYTES = "base64:"  # begins the text of a message of bytes
DROPPED = ("messages were dropped, because they were not taken in time; status() counts them; "
           "see backlog in help(grapevine.join)")

_log = logging.getLogger("grapevine")


class Message(NamedTuple):
    """A message of the network, named by `origin`, `run` and `number` together."""

    origin: str  # IP:PORT of the peer that made it
    run: int  # a life of its origin, which has another number after a restart
    number: int  # 1, 2, 3 … within the run
    time: float  # Unix seconds, by the clock of its origin
    text: str
    came_from: str  # IP:PORT of the neighbour that brought it; the peer itself if it made it

    @property
    def data(self) -> bytes | None:
        """The bytes of a message said by `say_bytes`, else None."""
        with contextlib.suppress(ValueError):
            if self.text.startswith(BYTES):
                return base64.b64decode(self.text[len(BYTES):], validate=True)
        return None


def seconds_of(timeout: float | None) -> float:
    """Return a timeout in seconds: infinity for None. TypeError if it is no number."""
    if not isinstance(timeout, (int, float, type(None))) or timeout != timeout:
        raise TypeError(f"a timeout is a number of seconds, or None, not {timeout!r}")
    return math.inf if timeout is None else timeout


def message_of(line: bytes, came_from: str) -> Message:
    """Return the message in a gossip line."""
    fields = gossip_fields(gossip_part(line).decode())
    assert fields is not None
    time, origin, run, number, text = fields
    return Message(origin, run, number, time, text, came_from)


class Inbox:
    """The messages that the program has not taken, the oldest first. Beyond `limit` the oldest are
    dropped, unless it `waits`: then the node takes no more of its neighbours while it is full.
    Messages from before `since` are left out."""

    def __init__(self, limit: int, waits: bool, since: float = 0.0):
        self._limit, self.waits, self._since = limit, waits, since
        self.on_arrival: Callable[[], None] = lambda: None  # called once, until the next `look`
        self.on_drop: Callable[[], None] = lambda: None  # called at the first drop
        self.dropped = 0
        self._queue: collections.deque[tuple[str, bytes]] = collections.deque()  # neighbour, line
        self._sizes: collections.deque[int] = collections.deque()  # of those that wait; the node's
        self._size = 0  # their sum
        self._arrival = threading.Lock()  # released for one that waits; no Condition, because a
        self._arrival.acquire()  # handler of signals may call what its thread is just doing
        self._is_told = self._has_ended = False

    def count(self) -> int:
        return len(self._queue)

    # The node calls these.

    def is_full(self) -> bool:
        while len(self._sizes) > self.count():  # the oldest were taken
            self._size -= self._sizes.popleft()
        return self.count() > self._limit or self._size > MOST_BYTES

    def put(self, came_from: str, lines: list[bytes]) -> None:
        for line in lines:
            if self._since and float(gossip_part(line).split(b":", 2)[1]) < self._since:
                continue
            self._sizes.append(len(line))
            self._size += len(line)
            self._queue.append((came_from, line))
        while not self.waits and self.is_full():
            with contextlib.suppress(IndexError):  # it has just been taken
                self._queue.popleft()
                self.dropped += 1
                if self.dropped == 1:
                    self.on_drop()
        self._tell()

    def end(self) -> None:
        """The peer has ended. Messages can still be taken."""
        self._has_ended = True
        self._tell()

    def _tell(self) -> None:
        self._wake()
        if not self._is_told:
            self._is_told = True
            self.on_arrival()

    # The program calls these.

    def look(self) -> None:
        """To be called before all messages are taken: the next arrival is told again."""
        self._is_told = False

    def take(self, timeout: float | None = None) -> Message:
        """Wait for a message, and take it. TimeoutError if none comes within `timeout` seconds,
        EOFError if the peer has ended and every message was taken."""
        until = time.monotonic() + min(seconds_of(timeout), threading.TIMEOUT_MAX)
        try:
            while True:
                has_ended = self._has_ended  # before the look, because all came before the end
                with contextlib.suppress(IndexError):
                    came_from, line = self._queue.popleft()
                    break
                if has_ended:
                    raise EOFError("the peer has ended")
                left = until - time.monotonic()
                if left <= 0.0:
                    raise TimeoutError(f"no message within {timeout} s")
                self._arrival.acquire(timeout=min(left, ARRIVAL_POLL))
        finally:
            if self._has_ended or self._queue:
                self._wake()  # others wait, too
        return message_of(line, came_from)

    def _wake(self) -> None:
        if self._arrival.locked():
            with contextlib.suppress(RuntimeError):  # another thread has just released it
                self._arrival.release()


class Program:
    """The program, as its node sees it: an inbox, and callbacks that a thread makes one at a time.
    That thread logs, too, because nobody knows how long the program's handler of logs takes."""

    def __init__(self, hand: Any, inbox: Inbox, on_message: Callable[[Message], object] | None,
                 on_neighbour: Callable[[str], object] | None,
                 on_death: Callable[[str], object] | None):
        """The nodes of the hand are its peer, and the seeds that it serves."""
        self.hand, self.inbox, self.on_message = hand, inbox, on_message
        self.on_neighbour, self.on_death = on_neighbour, on_death
        self.joined = threading.Event()  # enough seeds list the peer
        self.drops_calls = self._has_ended = False  # no further call is made; the peer has ended
        self._own = ""
        self._calls: queue.SimpleQueue = queue.SimpleQueue()  # (function, arguments); None wakes
        inbox.on_drop = lambda: self.call(_log.warning, DROPPED)
        if on_message is not None:
            inbox.on_arrival = lambda: self.call(self._hand_on)

    def begin(self, own: str) -> None:
        """Begin to make calls for the peer of this address. OSError if no thread is left."""
        self._own = own
        self._thread = threading.Thread(target=self._run, name=f"callbacks {own}", daemon=True)
        try:
            self._thread.start()
        except RuntimeError as error:
            raise OSError(errno.EAGAIN, str(error)) from None

    def end(self, patience: float) -> None:
        """Make the calls that wait, for `patience` seconds at most, then no more."""
        if self._thread is not threading.current_thread() and not sys.is_finalizing():
            self._thread.join(patience)
        if self.on_message is not None and self.inbox.count() and not self.drops_calls:
            _log.warning("%s left before on_message had %d messages", self._own,
                         self.inbox.count())
        self.drops_calls = True

    def seeds(self) -> list:
        """Return the nodes of the seeds that the program is at present."""
        return [node for node in self.hand.nodes[1:] if not node.stopping]

    def serves(self) -> list[str]:
        """Return IP:PORT of each of them."""
        return [str(seed.address) for seed in self.seeds()]

    # What the node tells.

    def call(self, function: Callable[..., object] | None, *arguments: Any) -> None:
        """Have the thread make a call, if there is one."""
        if function is not None:
            self._calls.put((function, arguments))

    def error(self, event: str) -> None:
        self.call(_log.error, "%s: %s", self._own, event)

    def ended(self) -> None:
        self.inbox.end()
        self._has_ended = True
        self._calls.put(None)
        self.hand.request_end()

    # The thread.

    def _run(self) -> None:
        while not self.drops_calls and not (self._has_ended and self._calls.empty()):
            if (item := self._calls.get()) is not None:
                self._make(*item)

    def _make(self, function: Callable[..., object], arguments: tuple) -> None:
        try:
            function(*arguments)
        except BaseException:  # also SystemExit, which would end this thread and all calls
            with contextlib.suppress(Exception):  # of the program's handler of logs
                _log.exception("a callback of %s failed", self._own)

    def _hand_on(self) -> None:
        """Hand on what came together, but make other calls between two messages."""
        assert self.on_message is not None
        self.inbox.look()
        while not self.drops_calls:
            try:
                message = self.inbox.take(0)
            except (TimeoutError, EOFError):
                return
            self._make(self.on_message, (message,))
            if not self._calls.empty():
                self.call(self._hand_on)
                return
