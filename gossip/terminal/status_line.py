"""The status line: the last line of a terminal, which updates itself below lines that stay.

Every line is cut or folded to the width that the terminal has at that moment, because `\\r` cannot
erase a line that the terminal has wrapped. For one thread at a time.
"""

import os

from gossip.terminal.columns import columns, cut, fold
from gossip.terminal.command_line import show

USUAL = 80  # columns of a terminal that does not tell; the right part of a line ends here at most
SPARE = 3  # columns that stay free at the right: for the cursor, and for the ^C of Ctrl-C
_ERASE = "\r\x1b[K"


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
    """The last line of standard output, which is a terminal."""

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
