"""Messages for a program in an inbox, and callbacks.

The node calls `Subscriber.show` within its turns, so that it must not wait.
"""

import base64
import collections
import contextlib
import functools
import logging
import queue
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from gossip.events import RENEWED, about, gossip_fields, parted, unescape
from gossip.tools import Recent

MOST_CHARACTERS = 64 << 20  # of messages that wait, besides the limit of their number
LOOK = 0.02  # seconds between two checks whether a wait is over
BYTES = "base64:"  # begins the text of a message of bytes
DEATHS = 1_000  # remembered dead peers, so that each death is told once
ONE_DEATH = 120.0  # seconds in which seeds may tell of it; what comes later is another death

_log = logging.getLogger("gossip")


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


def message_of(line: str, came_from: str = "") -> Message:
    """Return the message in a gossip line, by default from its origin."""
    fields = gossip_fields(line)
    assert fields is not None
    sent, origin, run, number, text = fields
    return Message(origin, run, number, sent, text, came_from or origin)


class Inbox:
    """The messages that the program has not taken, the oldest first. Beyond `limit` messages the
    oldest are dropped, unless it `waits`, so that link readers wait for room. Messages from before
    `since` are left out. `take` needs no lock, so that a signal handler may raise in it."""

    def __init__(self, limit: int, waits: bool, since: float = 0.0):
        self._limit, self._waits, self._since = limit, waits, since
        # called when the empty inbox gets a message, and at the end
        self.on_arrival: Callable[[], None] = lambda: None
        self.on_dropped: Callable[[], None] = lambda: None  # called after the first drop
        self._queue: queue.SimpleQueue[Message | None] = queue.SimpleQueue()  # None at the end
        self._ended = False
        self.dropped = 0
        self._lock = threading.Lock()  # guards the next two
        self._sizes: collections.deque[int] = collections.deque()  # characters of each message
        self._size = 0  # their sum

    def __len__(self) -> int:
        return max(0, self._queue.qsize() - self._ended)  # without the None

    def put(self, came_from: str, lines: str) -> None:
        """Put in gossip lines, escaped as in the output file."""
        messages = [message_of(line, came_from) for line in unescape(lines).split("\n")]
        messages = [message for message in messages if message.time >= self._since]
        had_dropped = self.dropped
        with self._lock:
            for message in messages:
                self._sizes.append(len(message.text))
                self._size += len(message.text)
                self._queue.put(message)
        were_taken = 0 < len(self) <= len(messages)  # all earlier messages
        while not self._waits and self._exceeds(self._limit):
            with contextlib.suppress(queue.Empty):  # it has just been taken
                self._queue.get_nowait()
                self.dropped += 1
        if were_taken:
            self.on_arrival()
        if self.dropped and not had_dropped:
            self.on_dropped()

    def _exceeds(self, limit: int) -> bool:
        with self._lock:
            while len(self._sizes) > len(self):  # because the oldest were taken
                self._size -= self._sizes.popleft()
            return len(self) > limit or self._size > MOST_CHARACTERS

    def take(self, timeout: float | None = None) -> Message:
        """Wait for a message, and take it. TimeoutError if none comes within `timeout` seconds,
        EOFError if the peer has ended and every message was taken."""
        limit = None if timeout is None else max(0.0, min(timeout, threading.TIMEOUT_MAX))
        try:
            try:  # at once first, because before Python 3.13 `get` may wait for ever if time is up
                message = self._queue.get_nowait()
            except queue.Empty:
                message = self._queue.get(limit != 0, limit)
        except queue.Empty:
            raise TimeoutError(f"no message within {timeout} s") from None
        if message is None:
            self._queue.put(None)  # for the next call
            raise EOFError("the peer has ended")
        return message

    def wait_for_room(self, is_over: Callable[[], bool]) -> None:
        """Wait until there is room, or `is_over()`, unless the inbox drops."""
        while self._waits and self._exceeds(self._limit - 1) and not self._ended and not is_over():
            time.sleep(LOOK)

    def end(self) -> None:
        """Note that the peer has ended. Messages can still be taken."""
        if not self._ended:
            self._ended = True
            self._queue.put(None)
        self.on_arrival()


class Subscriber:
    """The receiver of a node's events, with a thread for callbacks."""

    def __init__(self, own: str, inbox: Inbox, wanted: int,
                 on_message: Callable[[Message], object] | None,
                 on_neighbour: Callable[[str], object] | None,
                 on_death: Callable[[str], object] | None):
        """Take the callbacks, and the majority of the seeds."""
        self.inbox, self.on_message = inbox, on_message
        self.joined = threading.Event()  # a majority lists the peer
        self.has_lists = False  # a majority has sent its list
        self._own, self._wanted = own, wanted
        self._on_neighbour, self._on_death = on_neighbour, on_death
        self._listed_by: set[str] = set()
        self._lists_of: set[str] = set()
        self._neighbours: set[str] = set()
        self._dead = Recent(DEATHS)
        self._told_of = ""  # the peer of whose death a seed told last
        self._replaced = ""  # the peer whose link was just replaced
        self._calls: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=f"callbacks {own}", daemon=True)
        self.begin = self._thread.start  # begins to make calls
        self._ending = False  # the thread ends when no call waits
        self.drops_calls = False  # no further call is made
        inbox.on_dropped = functools.partial(
            self._call, _log.warning, "messages were dropped, because they were not taken in time; "
            "status() counts them; see backlog in help(gossip.join)")
        if on_message is not None:
            inbox.on_arrival = functools.partial(self._call, self._hand_on, on_message)

    def end(self, patience: float) -> None:
        """Make waiting calls, for `patience` seconds at most, then no more."""
        self._ending = True
        self._call(int)  # does nothing but wake the thread
        if self._thread is not threading.current_thread():
            self._thread.join(patience)
        if self.on_message is not None and len(self.inbox) and not self.drops_calls:
            _log.warning("%s left before on_message had %d messages", self._own, len(self.inbox))
        self.drops_calls = True

    def _call(self, call: Callable[..., object], *arguments: Any) -> None:
        self._calls.put(functools.partial(call, *arguments))

    def _run(self) -> None:
        while not self.drops_calls and not (self._ending and self._calls.empty()):
            call = self._calls.get()
            try:
                call()
            except BaseException:  # also SystemExit, which would end this thread and all calls
                with contextlib.suppress(Exception):  # of the program's handler of logs
                    _log.exception("a callback of %s failed", self._own)

    def _hand_on(self, on_message: Callable[[Message], object]) -> None:
        """Hand on a message, and the next after the calls that wait."""
        try:
            message = self.inbox.take(0)
        except (TimeoutError, EOFError):
            return
        if len(self.inbox):  # else `on_arrival` has the next handed on
            self._call(self._hand_on, on_message)
        on_message(message)

    def show(self, clock: str, head: str, lines: str) -> None:
        """Take events that were written together. Only gossip has a head, and Liveness Replies,
        which matter to nobody here."""
        if head.startswith("received:"):
            self.inbox.put(about(head.partition(":")[2])[0], lines)
        elif not head:
            for event in lines.split("\n"):
                self._note(event, *parted(event))

    def _note(self, event: str, kind: str, address: str, rest: str) -> None:
        if kind == "registered":
            self._listed_by.add(address)
            if len(self._listed_by) >= self._wanted:
                self.joined.set()
        elif kind == "unregistered":
            self._listed_by.discard(address)
        elif kind == "peer list":
            self._lists_of.add(address)
            self.has_lists = len(self._lists_of) >= self._wanted
        elif kind == "connected":
            self._dead.pop(address)
            if self._on_neighbour is not None and address != self._replaced:
                self._call(self._on_neighbour, address)
            self._replaced = ""
            self._neighbours.add(address)
        elif kind == "disconnected":
            self._neighbours.discard(address)
            self._replaced = address if rest in RENEWED else ""
            if rest == "told dead" and address == self._told_of:
                self._died(address)
        elif kind == "dead":
            self._died(address)
        elif kind == "told":  # by a seed; a neighbour that has just answered stays, and lives
            self._told_of, _ = about(rest.removeprefix("Dead Node:"))
            if self._told_of not in self._neighbours and self._told_of != self._own:
                self._died(self._told_of)
        elif kind in ("failed", "lost", "not read"):
            self._call(_log.error, "%s: %s", self._own, event)

    def _died(self, peer: str) -> None:
        now = time.monotonic()
        if self._on_death is not None and self._dead.add(peer, True, now, now + ONE_DEATH):
            self._call(self._on_death, peer)
