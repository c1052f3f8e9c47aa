"""The status line, the last line of a terminal; and how texts are cut and folded into its width.

A status line updates itself below lines that stay. Every line is cut or folded to the width that
the terminal has at that moment, because `\\r` cannot erase a line that the terminal has wrapped.
A wide character (Chinese, most emoji) takes two columns, a mark above another character none.
"""

import os
import unicodedata
from collections.abc import Iterator

from gossip.terminal.command_line import show

USUAL = 80  # columns of a terminal that does not tell; the right part of a line ends here at most
SPARE = 3  # columns that stay free at the right: for the cursor, and for the ^C of Ctrl-C
_ERASE = "\r\x1b[K"


def width_of(character: str) -> int:
    """The columns of one printable character: 0, 1 or 2."""
    if character.isascii():
        return 1
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def columns(text: str) -> int:
    """The columns of a printable text."""
    return len(text) if text.isascii() else sum(map(width_of, text))


def cut(text: str, room: int) -> str:
    """The beginning of a text that fits into so many columns."""
    if text.isascii():
        return text[:max(0, room)]
    taken = 0
    for place, character in enumerate(text):
        taken += width_of(character)
        if taken > room:
            return text[:place]
    return text


def fold(text: str, room: int, indent: int = 0, whole: bool = False) -> Iterator[str]:
    """The lines of a text, broken between words where there is no room; what follows a break is
    indented. A word that is too long is cut, or stays `whole`, like the address of a page."""
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
    """The columns of the terminal that a descriptor is."""
    try:
        return os.get_terminal_size(descriptor).columns or USUAL
    except OSError:
        return USUAL


def folded(text: str, indent: int = 0) -> str:
    """A text whose lines are broken where the terminal ends; what follows a break is indented."""
    width = terminal_width()
    return "\n".join(fold(text, width, min(indent, width // 3), whole=True))


def time_left(seconds: float) -> str:
    """How much longer something takes, for the right end of a status line."""
    return f"{seconds:.0f} s left" if seconds < 100 else f"{seconds / 60:.0f} min left"


class StatusLine:
    """The last line of standard output, which is a terminal. For one thread at a time."""

    def __init__(self):
        self._left = self._right = ""

    def update(self, left: str, right: str = "") -> None:
        """Show this instead of what the line showed; `right` stands at its end, and is not cut."""
        self._left, self._right = left, right
        show(f"{_ERASE}{self._line()}", end="")

    def above(self, text: str, indent: int = 0) -> None:
        """Show lines that stay, above this one."""
        show(f"{_ERASE}{folded(text, indent)}\n{self._line()}", end="")

    def end(self) -> None:
        """Let the line stay as it is, without the ^C behind it; what follows begins below it."""
        if self._left:
            show(f"{_ERASE}{self._line()}")
        self._left = self._right = ""

    def clear(self) -> None:
        """Take the line away; what follows begins in its place."""
        self.update("")

    def _line(self) -> str:
        room = terminal_width() - SPARE
        if not self._right:
            return cut(self._left, max(0, room))
        room = max(0, min(room, USUAL - SPARE) - columns(self._right))
        left = cut(self._left, max(0, room - 1))
        return f"{left}{' ' * (room - columns(left))}{self._right}"
