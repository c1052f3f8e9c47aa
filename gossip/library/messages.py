"""What a program is told: messages, in an inbox where they wait to be taken, and callbacks.

The node calls `Subscriber.show` within its turns, so it waits for nothing.
"""

import base64
import collections
import contextlib
import functools
import logging
import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from gossip.events import about, gossip_fields, unescape
from gossip.tools import Recent

MOST_CHARACTERS = 64 << 20  # of messages that wait, besides the limit of their number
LOOK = 0.2  # seconds between two looks of a link reader that waits for room, whether its link ended
GOSSIP = "gmessage:"
BYTES = "base64:"  # begins the text of a message of bytes
AT_ONCE = 100  # messages handed on before other calls have their turn
DEATHS = 1_000  # dead peers remembered, so that each death is told once

_log = logging.getLogger("gossip")


class Message(NamedTuple):
    """A message of the network. `origin`, `run` and `number` together name it."""

    origin: str  # IP:PORT of the peer that made it
    run: int  # one life of its origin: begins with another number after a restart
    number: int  # 1, 2, 3 … within the run
    time: float  # Unix seconds, by the clock of its origin
    text: str
    came_from: str  # IP:PORT of the neighbour that brought it; the peer itself if it made it

    @property
    def data(self) -> bytes | None:
        """The bytes of a message said by `say_bytes`; None if it was said as a text."""
        with contextlib.suppress(ValueError):
            if self.text.startswith(BYTES):
                return base64.b64decode(self.text[len(BYTES):], validate=True)
        return None


def text_of(data: bytes) -> str:
    """Return the text of a message of bytes."""
    return BYTES + base64.b64encode(data).decode()


def said(line: bytes) -> Message:
    """Return the message in a gossip line that this peer has made."""
    moment, origin, run, number, text = _fields(line.decode().removeprefix(GOSSIP))
    return Message(origin, run, number, moment, text, origin)


def received(came_from: str, lines: list[str]) -> list[Message]:
    """Return the messages in gossip lines that lack their `gmessage:`. Mostly each is of the same
    run as the one before, so that only its time, number and text are new."""
    messages, origin, run, between = [], "", 0, ":of no run:"
    for line in lines:
        end = line.index(":")  # of the time
        if line.startswith(between, end):
            count, _, text = line[end + len(between):].partition(":")
            sent, number = float(line[:end]), int(count)
        else:
            sent, origin, run, number, text = _fields(line)
            between = f":{origin}:{run}:"
        if "\\" in text:
            text = unescape(text)
        # as Message(…), which is slower
        messages.append(tuple.__new__(Message, (origin, run, number, sent, text, came_from)))
    return messages


def _fields(line: str) -> tuple[float, str, int, int, str]:
    """Return the fields of a gossip line that lacks its `gmessage:`."""
    found = gossip_fields(f"{GOSSIP}{line}")
    assert found is not None
    return found


class Inbox:
    """The messages of others that the program has not taken yet, the oldest first.

    Lines are parsed when they are taken, so that the node's turns stay short. Beyond `limit`
    messages the oldest are dropped, and counted; if `waits`, link readers wait for room instead.
    """

    def __init__(self, limit: int, waits: bool, since: float = 0.0):
        """Messages with a time before `since` are left out."""
        self._limit, self._waits, self._since = limit, waits, since
        # called when the empty inbox gets a message, and at the end
        self.on_arrival: Callable[[], None] = lambda: None
        self.on_dropped: Callable[[], None] = lambda: None  # when the first message is dropped
        # guards all below; a signal handler may leave while its thread takes a message
        self._lock = threading.RLock()
        self._arrived = threading.Condition(self._lock)
        self._room = threading.Condition(self._lock)
        self._ready: collections.deque[Message] = collections.deque()
        self._batches: collections.deque[tuple[str, list[str]]] = collections.deque()  # unparsed
        self._unparsed = 0  # lines in them
        self._size = 0  # characters in them
        self._ended = False  # nothing more is put in
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._ready) + self._unparsed

    def put(self, came_from: str, shown: str) -> None:
        """Put in gossip lines that came together, as the output file shows them."""
        lines = shown.removeprefix(GOSSIP).split(f"\n{GOSSIP}")
        if self._since:
            lines = [line for line in lines if float(line.partition(":")[0]) >= self._since]
            if not lines:
                return
        with self._lock:
            was_empty, had_dropped = not len(self), self.dropped
            self._batches.append((came_from, lines))
            self._unparsed += len(lines)
            self._size += sum(map(len, lines))
            while not self._waits and self._exceeds(self._limit):
                if not self._ready:
                    self._parse()
                with contextlib.suppress(IndexError):  # it has just been taken
                    self._ready.popleft()
                    self.dropped += 1
            self._arrived.notify(len(lines))
        if was_empty:
            self.on_arrival()
        if self.dropped and not had_dropped:
            self.on_dropped()

    def _exceeds(self, limit: int) -> bool:
        """Return whether too many messages or characters wait."""
        return len(self) > limit or self._size > MOST_CHARACTERS

    def _parse(self) -> None:
        """Parse the oldest lines. Expects the lock."""
        came_from, lines = self._batches[0]
        self._ready.extend(received(came_from, lines))
        self._batches.popleft()
        self._unparsed -= len(lines)
        self._size -= sum(map(len, lines))
        self._room.notify_all()

    def take_all(self) -> Iterator[Message]:
        """Wait for messages and take them, until the peer has ended."""
        with contextlib.suppress(EOFError):
            while True:
                yield self.take()

    def take(self, timeout: float | None = None) -> Message:
        """Wait for a message, and take it. TimeoutError if none comes within `timeout` seconds,
        EOFError if the peer has ended and every message was taken."""
        with contextlib.suppress(IndexError):
            return self._ready.popleft()  # mostly without the lock, for which a turn may wait
        limit = None if timeout is None else min(timeout, threading.TIMEOUT_MAX)
        with self._lock:
            while True:
                if not self._arrived.wait_for(lambda: len(self) or self._ended, limit):
                    raise TimeoutError(f"no message within {timeout} s")
                if self._batches and not self._ready:
                    self._parse()
                with contextlib.suppress(IndexError):  # another thread was faster
                    return self._ready.popleft()
                if self._ended and not self._batches:
                    raise EOFError("the peer has ended")

    def wait_for_room(self, is_over: Callable[[], bool]) -> None:
        """If the inbox waits instead of dropping, wait until it has room, or `is_over()`."""
        if not self._waits or not self._exceeds(self._limit - 1):
            return
        with self._lock:
            while self._exceeds(self._limit - 1) and not self._ended and not is_over():
                self._room.wait(LOOK)

    def end(self) -> None:
        """Note that the peer has ended: what is left can still be taken."""
        with self._lock:
            self._ended = True
            self._arrived.notify_all()
            self._room.notify_all()
        self.on_arrival()


class Subscriber:
    """Takes what the node writes as events: puts messages into the inbox, and has a thread make the
    calls that the program asked for, one at a time."""

    def __init__(self, own: str, inbox: Inbox, wanted: int,
                 on_message: Callable[[Message], object] | None,
                 on_neighbour: Callable[[str], object] | None,
                 on_death: Callable[[str], object] | None):
        """`wanted`: seeds that have to list the peer before `joined` is set."""
        self.inbox, self.on_message = inbox, on_message
        self.joined = threading.Event()
        self._own, self._wanted = own, wanted
        self._on_neighbour, self._on_death = on_neighbour, on_death
        self._listed_by: set[str] = set()
        self._lists_of: set[str] = set()  # seeds whose list has come
        self._neighbours: set[str] = set()
        self._dead = Recent(DEATHS)
        self._told_of = ""  # the peer of whose death a seed told last
        self._replaced = ""  # the peer whose link was replaced by another one just now
        self._calls: queue.SimpleQueue[Callable[[], object] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=f"callbacks {own}", daemon=True)
        self.drops_calls = False  # no call is made any more
        inbox.on_dropped = functools.partial(
            self._call, _log.warning, "messages were dropped, because they were not taken in time; "
            "status() counts them; see backlog in help(gossip.join)")
        if on_message is not None:
            inbox.on_arrival = functools.partial(self._calls.put, self._hand_on)

    # Calls.

    def begin(self) -> None:
        """Start the thread that makes calls."""
        self._thread.start()

    def end(self, patience: float) -> None:
        """End the thread after the calls that wait; wait for it, `patience` seconds at most."""
        self._calls.put(None)
        if self._thread is not threading.current_thread():
            self._thread.join(patience)

    def _call(self, call: Callable[..., object], *arguments: Any) -> None:
        self._calls.put(functools.partial(call, *arguments))

    def _run(self) -> None:
        while (call := self._calls.get()) is not None and not self.drops_calls:
            self._make(call)

    def _hand_on(self) -> None:
        assert self.on_message is not None
        with contextlib.suppress(TimeoutError, EOFError):
            for _ in range(AT_ONCE):
                if self.drops_calls:
                    return
                self._make(self.on_message, self.inbox.take(0))
            self._calls.put(self._hand_on)

    def _make(self, call: Callable[..., object], *arguments: Any) -> None:
        try:
            call(*arguments)
        except BaseException:  # also SystemExit: it would end this thread, and all calls
            with contextlib.suppress(Exception):  # of a handler of the program
                _log.exception("a callback of %s failed", self._own)

    # Events.

    def show(self, clock: str, head: str, lines: str) -> None:
        """Take events that were written together. Only gossip lines have a head."""
        if head.startswith("received:"):
            self.inbox.put(about(head.partition(":")[2])[0], lines)
        if head:
            return
        for event in lines.split("\n"):
            kind, _, rest = event.partition(":")
            if kind in _TAKEN:
                _TAKEN[kind](self, rest)
            elif kind in ("failed", "lost"):
                self._call(_log.error, "%s: %s", self._own, event)

    def _registered(self, seed: str) -> None:
        self._listed_by.add(seed)
        if len(self._listed_by) >= self._wanted:
            self.joined.set()

    def _list_came(self, rest: str) -> None:
        self._lists_of.add(about(rest)[0])

    def has_lists(self) -> bool:
        """Return whether a majority of the seeds have told their lists."""
        return len(self._lists_of) >= self._wanted

    def _connected(self, peer: str) -> None:
        self._dead.pop(peer)
        if self._on_neighbour is not None and peer != self._replaced:
            self._call(self._on_neighbour, peer)
        self._replaced = ""
        self._neighbours.add(peer)

    def _disconnected(self, rest: str) -> None:
        peer, reason = about(rest)
        self._neighbours.discard(peer)
        self._replaced = peer if reason in ("replaced", "duplicate") else ""
        if reason == "told dead" and peer == self._told_of:
            self._died(peer)

    def _died(self, peer: str) -> None:
        if self._on_death is not None and self._dead.add(peer, True):
            self._call(self._on_death, peer)

    def _told(self, rest: str) -> None:
        """A seed tells of a death. A neighbour that has just answered stays linked, and lives."""
        _, report = about(rest)
        self._told_of, _ = about(report.removeprefix("Dead Node:"))
        if self._told_of not in self._neighbours and self._told_of != self._own:
            self._died(self._told_of)


_TAKEN = {"registered": Subscriber._registered, "peer list": Subscriber._list_came,
          "connected": Subscriber._connected, "disconnected": Subscriber._disconnected,
          "dead": Subscriber._died, "told": Subscriber._told}
