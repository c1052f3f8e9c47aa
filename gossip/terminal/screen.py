"""The output on a terminal: fitted texts, a status line, and events.

A status line is cut to the terminal's width, because `\\r` cannot erase a wrapped line. A screen
has a thread and a bounded queue, so that a blocked terminal stops nothing. Lines that the queue or
the terminal does not take are only counted.
"""

import errno
import functools
import os
import queue
import threading
import types
from collections.abc import Callable, Iterator

from gossip.addresses import Address
from gossip.terminal.command_line import complain, show, write_all
from gossip.settings import MIB
from gossip.tools import failure

USUAL = 80  # columns of an unknown terminal; the right part of a status line ends here at most
SPARE = 3  # columns kept free at the right for the cursor, and for the ^C of Ctrl-C
_ERASE = "\r\x1b[K"
QUEUE_LIMIT = 10_000  # batches of events that may wait
WAITING_LIMIT = 16 * MIB  # characters above which no further batch may wait; of a log, bytes
AGAIN = 0.2  # seconds until a refused write of a log is retried
NOTHING = "", [], None  # a batch without events

_COLOURS = {  # event -> ANSI colour
    "started": "1", "stopped": "1", "registered": "32", "connected": "32", "degree": "2",
    "generated": "36", "liveness request": "2", "liveness reply": "2",
    "liveness missed": "33", "disconnected": "33", "refused": "33", "rejected": "33",
    "dead": "31", "reported": "31", "told": "31", "removed": "31", "dead report": "31",
    "passed on": "31", "not told": "33",
}


def width_of(character: str) -> int:
    """Return how many columns a terminal shows a printable character in."""
    if character.isascii():
        return 1
    import unicodedata  # not above, because most nodes show ASCII alone

    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def columns(text: str) -> int:
    return len(text) if text.isascii() else sum(map(width_of, text))


def cut(text: str, room: int) -> str:
    """Return the beginning of a text that fits into `room` columns."""
    if text.isascii():
        return text[:max(0, room)]
    taken = 0
    for place, character in enumerate(text):
        taken += width_of(character)
        if taken > room:
            return text[:place]
    return text


def fold(text: str, room: int, indent: int = 0, whole: bool = False) -> Iterator[str]:
    """Yield a text's lines, wrapped between words. Long words are cut unless `whole` is set."""
    for line in text.split("\n"):
        begin = min(len(line) - len(line.lstrip(" ")), room // 3)
        line = " " * begin + line.strip(" ")
        while len(part := cut(line, room) or line[:1]) < len(line):
            at = len(part) if line[len(part)] == " " else part.rfind(" ", begin)
            if whole and at < 0 and (at := line.find(" ", len(part))) < 0:
                break
            if not whole and at <= (begin + len(part)) // 2:
                at = max(len(part), begin + 1)
            yield line[:at]
            begin = min(indent, room - 1)
            line = " " * begin + line[at:].lstrip(" ")
        yield line


def terminal_width(descriptor: int = 1) -> int:
    try:
        return os.get_terminal_size(descriptor).columns or USUAL
    except OSError:
        return USUAL


def obeys(descriptor: int = 1) -> bool:
    """Return whether a descriptor is a terminal that obeys escape sequences."""
    return os.isatty(descriptor) and os.environ.get("TERM") != "dumb"


def folded(text: str, indent: int = 0) -> str:
    """Fold a text to the terminal's width, with an indent after breaks."""
    width = terminal_width()
    return "\n".join(fold(text, width, min(indent, width // 3), whole=True))


def time_left(seconds: float) -> str:
    """Return the remaining time, for the right end of a status line."""
    return f"{seconds:.0f} s left" if seconds < 100 else f"{seconds / 60:.0f} min left"


class StatusLine:
    """The last line of a terminal on standard output. For one thread at a time."""

    def __init__(self):
        self._left = self._right = ""

    def update(self, left: str, right: str = "") -> None:
        """Replace the line. `right` stands at its end, and is never cut."""
        self._left, self._right = left, right
        show(f"{_ERASE}{self._line()}", end="")

    def above(self, text: str, indent: int = 0) -> None:
        """Show permanent lines above the status line."""
        show(f"{_ERASE}{folded(text, indent)}\n{self._line()}", end="")

    def end(self) -> None:
        """Keep the line, without the ^C behind it, and go below it."""
        if self._left:
            show(f"{_ERASE}{self._line()}")
        self._left = self._right = ""

    def clear(self) -> None:
        """Remove the line. What follows begins in its place."""
        self.update("")

    def _line(self) -> str:
        if not self._right:
            return cut(self._left, terminal_width() - SPARE)
        room = min(terminal_width(), USUAL) - SPARE - columns(self._right)
        left = cut(self._left, room - 1)
        return f"{left}{' ' * (room - columns(left))}{self._right}"


def _size(item) -> int:
    """Return the characters of an answer, or of events; or the bytes for a log."""
    return len(item) if isinstance(item, (str, bytes)) else sum(map(len, item[1]))


class Screen:
    """A writer of `HH:MM:SS.mmm event` lines, also for a failed subclass."""

    def __init__(self, descriptor: int = 1):
        self._descriptor = descriptor
        self._colours = obeys(descriptor) and not os.environ.get("NO_COLOR")
        self._queue = queue.Queue(QUEUE_LIMIT)  # texts; (clock, events, seed); None at the end
        self._lock = threading.Lock()  # guards dropped, and what was taken
        self.dropped = 0  # lines that were never shown
        self._taken = self._written = 0  # characters; the screen's thread counts what it wrote
        self.on_failure: Callable[[str], None] = complain
        self._thread = threading.Thread(target=self._run, name="screen", daemon=True)
        self._thread.start()

    def of(self, seed: Address):
        """Return a screen that can only `show` the events of a seed."""
        return types.SimpleNamespace(show=functools.partial(self.show, seed=seed))

    def show(self, clock: str, head: str, lines: str, seed: Address | None = None) -> None:
        """Show events of the time `HH:MM:SS.ffffff`, without blocking."""
        events = [head + line for line in lines.split("\n")]
        self._offer((clock, events, seed), len(events))

    def say(self, text: str) -> None:
        """Show an answer to a typed command, without blocking."""
        self._offer(text, text.count("\n") + 1)

    def _offer(self, item, lines: int = 0) -> bool:
        """Have an item shown, unless too much waits; count its lines then. Return whether it is."""
        with self._lock:
            try:
                if self._taken - self._written > WAITING_LIMIT:
                    raise queue.Full
                self._queue.put_nowait(item)
            except queue.Full:
                self.dropped += lines
                return False
            self._taken += _size(item)
        return True

    def all_shown(self) -> bool:
        return self._written == self._taken

    def close(self, patience: float = 1.0) -> None:
        """Show waiting lines, for `patience` seconds at most, and end the thread."""
        try:
            self._queue.put(None, timeout=patience)
        except queue.Full:
            return  # the terminal blocks; the thread ends with the process
        self._thread.join(patience)

    # The screen's thread calls these.

    def _run(self) -> None:
        try:
            while (item := self._next()) is not None:
                try:
                    self._show(item)
                finally:
                    self._written += _size(item)
            self._end()
        except Exception as error:
            self.on_failure(failure("screen", error))
            while (item := self._queue.get()) is not None:
                Screen._show(self, item)
                self._written += _size(item)

    def _next(self):
        try:
            return self._queue.get(timeout=self._due_in())
        except queue.Empty:
            return NOTHING

    def _due_in(self) -> float | None:
        """Return the seconds until something is due; None if nothing waits."""

    def _show(self, item) -> None:
        self._put(f"{item}\n" if isinstance(item, str) else self._raw(*item))

    def _end(self) -> None:
        """Show what still waits."""

    def _raw(self, clock: str, events: list[str], seed: Address | None) -> str:
        head = clock[:12] + (f" [seed {seed.port}]" if seed else "")
        return "".join(f"{head} {self._painted(event, _COLOURS.get(event.partition(':')[0]))}\n"
                       for event in events)

    def _painted(self, text: str, colour: str | None) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self._colours and colour and text else text

    def _put(self, text: str) -> None:
        if not write_all(self._descriptor, text.encode(errors="replace")):
            with self._lock:
                self.dropped += text.count("\n")


class Log(Screen):
    """An output file on a descriptor. The screen's thread retries until a reader takes all."""

    def __init__(self, descriptor: int = 1):
        self._closing = threading.Event()
        super().__init__(descriptor)

    def write(self, data: bytes) -> int:
        """Take bytes, as a file does. OSError if too many wait."""
        if not self._offer(data):
            raise BlockingIOError(errno.EAGAIN, "nobody reads it")
        return len(data)

    def close(self, patience: float = 1.0) -> None:
        self._closing.set()
        super().close(patience)

    def _show(self, item) -> None:
        while item:
            try:
                item = item[os.write(self._descriptor, item):]
            except OSError:
                if self._closing.wait(AGAIN):
                    return
