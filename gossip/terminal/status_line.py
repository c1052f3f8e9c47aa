"""The status line: the last line of a terminal, which updates itself below lines that stay.

Every line is cut or folded to the width that the terminal has at that moment, because `\\r` cannot
erase a line that the terminal has wrapped. For one thread at a time.
"""

import os
import re

from gossip.terminal.columns import columns, cut
from gossip.terminal.command_line import show

USUAL = 80  # columns of a terminal that does not tell; the right part of a line ends here at most
SPARE = 3  # columns that stay free at the right: for the cursor, and for the ^C of Ctrl-C
_ERASE = "\r\x1b[K"


def terminal_width() -> int:
    """The columns of the terminal that standard output is."""
    try:
        return os.get_terminal_size(1).columns or USUAL
    except OSError:
        return USUAL


def time_left(seconds: float) -> str:
    """How much longer something takes, for the right end of a status line."""
    return f"{seconds:.0f} s left" if seconds < 100 else f"{seconds / 60:.0f} min left"


def fold(text: str, indent: int = 0) -> str:
    """Break the lines of a text between words where the terminal ends; what follows a break is
    indented. A word that is too long, like the address of a page, stays whole."""
    room = terminal_width()
    return "\n".join(_fold_line(line, min(indent, room // 3), room) for line in text.split("\n"))


def _fold_line(line: str, indent: int, room: int) -> str:
    words = line.lstrip(" ")
    lines = [" " * min(len(line) - len(words), room // 3)]
    for word in re.findall(" *[^ ]+", words):
        if lines[-1].strip() and columns(lines[-1] + word) > room:
            lines.append(" " * indent)
            word = word.lstrip()
        lines[-1] += word
    return "\n".join(lines)


class StatusLine:
    """The last line of standard output, which is a terminal."""

    def __init__(self):
        self._left = self._right = ""

    def update(self, left: str, right: str = "") -> None:
        """Show this instead of what the line showed; `right` stands at its end, and is not cut."""
        self._left, self._right = left, right
        show(f"{_ERASE}{self._line()}", end="")

    def above(self, text: str, indent: int = 0) -> None:
        """Show lines that stay, above this one."""
        show(f"{_ERASE}{fold(text, indent)}\n{self._line()}", end="")

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
