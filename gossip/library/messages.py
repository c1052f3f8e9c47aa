"""Messages as programs get them, and the bounded inbox where they wait to be taken."""

import base64
import binascii
import collections
import contextlib
import functools
import threading
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from gossip.events import gossip_fields, unescape

MOST_CHARACTERS = 64 << 20  # of messages that wait, besides the limit of their number
LOOK = 0.2  # seconds between two looks of a link reader that waits for room, whether its link ended
GOSSIP = "gmessage:"
BYTES = "base64:"  # begins the text of a message of bytes


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
        if not self.text.startswith(BYTES):
            return None
        try:
            return base64.b64decode(self.text[len(BYTES):], validate=True)
        except (binascii.Error, ValueError):
            return None


# as Message(*fields), which is slower
_message: Callable[[tuple[object, ...]], Message] = functools.partial(tuple.__new__, Message)


def text_of(data: bytes) -> str:
    """Return the text of a message of bytes."""
    return BYTES + base64.b64encode(data).decode()


def said(line: bytes) -> Message:
    """Return the message in a gossip line that this peer has made."""
    moment, origin, run, number, text = _fields(line.decode().removeprefix(GOSSIP))
    return Message(origin, run, number, moment, text, origin)


def received(came_from: str, lines: list[str]) -> list[Message]:
    """Return the messages in gossip lines that a neighbour has sent at once, without the
    `gmessage:` of the first. Mostly each is of the same run as the one before, so that only its
    time, number and text are new."""
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
        messages.append(_message((origin, run, number, sent, text, came_from)))
    return messages


def _fields(line: str) -> tuple[float, str, int, int, str]:
    """Return the fields of a gossip line that lacks its `gmessage:`."""
    found = gossip_fields(f"{GOSSIP}{line}")
    assert found is not None
    return found


class Inbox:
    """The messages of others that the program has not taken yet, the oldest first.

    The node puts gossip lines in within its turns; any thread takes messages out. Lines are parsed
    when they are taken, so that the node's turns stay short. Beyond `limit` messages the oldest are
    dropped, and counted; if `waits` is set, link readers wait for room instead.
    """

    def __init__(self, limit: int, waits: bool, since: float = 0.0,
                 on_arrival: Callable[[], None] | None = None,
                 on_dropped: Callable[[], None] = lambda: None):
        """Messages with a time before `since` are left out. `on_arrival()` is called when the empty
        inbox gets a message, and at the end; `on_dropped()` when the first message is dropped."""
        self._limit, self._waits, self._since = limit, waits, since
        self.on_arrival, self._on_dropped = on_arrival or (lambda: None), on_dropped
        self._lock = threading.Lock()  # guards all below; popping from _ready needs none
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
        """Put in the gossip lines that came together from a neighbour, as the output file shows
        them."""
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
            if not self._waits:
                self._drop()
            self._arrived.notify(len(lines))
        if was_empty:
            self.on_arrival()
        if self.dropped and not had_dropped:
            self._on_dropped()

    def _exceeds(self, limit: int) -> bool:
        """Return whether more messages wait than the limit, or too many characters."""
        return len(self) > limit or self._size > MOST_CHARACTERS

    def _drop(self) -> None:
        """Drop the oldest messages. Expects the lock, as `_parse` does."""
        while self._exceeds(self._limit):
            if not self._ready and self._batches:
                self._parse()
            with contextlib.suppress(IndexError):  # it was taken meanwhile
                self._ready.popleft()
                self.dropped += 1

    def _parse(self) -> None:
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
                with contextlib.suppress(IndexError):
                    while True:
                        yield self._ready.popleft()

    def take(self, timeout: float | None = None) -> Message:
        """Wait for a message, and take it. TimeoutError if none comes within `timeout` seconds,
        EOFError if the peer has ended and every message was taken."""
        try:
            return self._ready.popleft()
        except IndexError:
            pass  # parse more, or wait
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._lock:
            while True:
                if not self._ready and self._batches:
                    self._parse()
                try:
                    return self._ready.popleft()
                except IndexError:
                    pass  # another thread was faster, or there is none
                left = None if deadline is None else deadline - time.monotonic()
                if self._ended and not self._batches:
                    raise EOFError("the peer has ended")
                if not self._batches and not self._arrived.wait(
                        None if left is None else min(left, threading.TIMEOUT_MAX)) \
                        and not len(self):
                    raise TimeoutError(f"no message within {timeout} s")

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
