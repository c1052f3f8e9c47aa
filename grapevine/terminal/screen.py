"""The output on a terminal or into a pipe: events, fitted texts, a status line.

A screen has a thread and a bounded queue, so that a blocked terminal stops nothing; what does not
fit is counted. A status line is cut to the terminal's width, because `\\r` cannot erase a wrapped
line.
"""

import collections
import functools
import os
import threading
from collections.abc import Iterator

from grapevine.addresses import Address
from grapevine.terminal.command_line import (
    USUAL_WIDTH, complain, show, terminal_width, write_all)
from grapevine.worlds.sockets import failure

SPARE = 3  # columns kept free at the right for the cursor, and for the ^C of Ctrl-C
_ERASE = "\r\x1b[K"
WAITING_LIMIT = 16 << 20  # characters that may wait for a blocked terminal; of a log, bytes
TOGETHER = 200  # items that are written at once
CLOSE_LIMIT = 1.0  # seconds for the last lines, as a rule
AGAIN = 0.2  # seconds until a refused write of a log is tried again
CLOCK = len("00:00:00.000 ")  # characters before an event

_COLOURS = {  # event -> ANSI colour
    "started": "1", "stopped": "1", "registered": "32", "connected": "32", "degree": "2",
    "generated": "36", "liveness request": "2", "liveness reply": "2",
    "liveness missed": "33", "disconnected": "33", "refused": "33", "rejected": "33",
    "dead": "31", "reported": "31", "told": "31", "removed": "31", "dead report": "31",
    "passed on": "31", "not told": "33",
}


class Screen:
    """Writes `HH:MM:SS.mmm EVENT` lines and answers. `show`, `say` never wait, whatever lock their
    caller has."""

    def __init__(self, descriptor: int = 1):
        self._descriptor = descriptor
        self._is_coloured = obeys(descriptor) and not os.environ.get("NO_COLOR")
        self._items: collections.deque = collections.deque()  # texts; (line, seed); bytes of a log
        self._has_items = threading.Event()
        self._lock = threading.Lock()  # guards the next two
        self._waiting = 0  # characters
        self.dropped = 0  # lines that were never shown
        self.close_limit = CLOSE_LIMIT
        self.on_failure = complain  # is told the event of an error of this thread
        self._is_closing = False
        self._thread = threading.Thread(target=self._run, name="screen", daemon=True)
        self._thread.start()

    def show(self, line: str, seed: Address | None = None) -> None:
        """Show an event, `HH:MM:SS.mmm EVENT`, perhaps of one of several seeds."""
        self._offer((line, seed), len(line), 1)

    def say(self, text: str) -> None:
        """Show an answer, a text of one or more lines."""
        self._offer(text, len(text), text.count("\n") + 1)

    def _offer(self, item, size: int, lines: int) -> bool:
        """Have an item shown, unless too much waits; count its lines then. Return whether it is."""
        with self._lock:
            if self._waiting > WAITING_LIMIT:
                self.dropped += lines
                return False
            self._waiting += size
        self._items.append(item)
        self._has_items.set()
        return True

    def close(self) -> None:
        """Wait for the last lines, unless the terminal is blocked."""
        self._is_closing = True
        self._has_items.set()
        self._thread.join(self.close_limit)

    # The screen's thread calls these.

    def _run(self) -> None:
        present, is_last = self._present, False
        while not is_last:
            if not self._items and not self._is_closing:
                self._has_items.wait(self._due_in())
                self._has_items.clear()
            items = [self._items.popleft() for _ in range(min(TOGETHER, len(self._items)))]
            is_last = self._is_closing and not self._items
            try:
                present(items, is_last)
            except Exception as error:
                self.on_failure(failure(error))
                present = functools.partial(Screen._present, self)
            with self._lock:
                self._waiting -= sum(len(item[0] if isinstance(item, tuple) else item)
                                     for item in items)

    def _due_in(self) -> float | None:
        """Return the seconds until `_present` is to be called without items; None: never."""

    def _present(self, items: list, is_last: bool) -> None:
        self._put("".join(f"{item}\n" if isinstance(item, str) else f"{self._raw(*item)}\n"
                          for item in items))

    def _raw(self, line: str, seed: Address | None) -> str:
        head, event = line[:CLOCK], line[CLOCK:]
        if seed is not None:
            head += f"[seed {seed.port}] "
        return head + self._painted(event, _COLOURS.get(event.partition(":")[0]))

    def _painted(self, text: str, colour: str | None) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self._is_coloured and colour and text else text

    def _put(self, text: str) -> None:
        if not write_all(self._descriptor, text.encode(errors="replace")):
            with self._lock:
                self.dropped += text.count("\n")


class Log(Screen):
    """The output file of a node that writes to standard output. Writes are tried again until a
    reader takes all."""

    def write(self, data: bytes) -> int:
        """Take all bytes, as a file does, or none."""
        return len(data) if self._offer(data, len(data), 0) else 0

    def _present(self, items: list, is_last: bool) -> None:
        data = memoryview(b"".join(items))
        while data:
            try:
                data = data[os.write(self._descriptor, data):]
            except OSError:
                if self._is_closing:
                    return
                threading.Event().wait(AGAIN)


# Texts that fit.

def width_of(character: str) -> int:
    """Return how many columns a terminal shows a printable character in."""
    if character.isascii():
        return 1
    import unicodedata  # not above, because most nodes show ASCII alone

    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def columns(text: str) -> int:
    return sum(map(width_of, text))


def cut(text: str, room: int) -> str:
    """Return the beginning of a text that fits into `room` columns."""
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


def obeys(descriptor: int = 1) -> bool:
    """Return whether a descriptor is a terminal that obeys escape sequences; consoles of Windows
    may show them instead."""
    return os.name == "posix" and os.isatty(descriptor) and os.environ.get("TERM") != "dumb"


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

    def end(self) -> None:
        """Keep the line, without the ^C behind it, and go below it."""
        if self._left:
            show(f"{_ERASE}{self._line()}")
        self._left = self._right = ""

    def _line(self) -> str:
        if not self._right:
            return cut(self._left, terminal_width() - SPARE)
        room = min(terminal_width(), USUAL_WIDTH) - SPARE - columns(self._right)
        left = cut(self._left, room - 1)
        return f"{left}{' ' * (room - columns(left))}{self._right}"
