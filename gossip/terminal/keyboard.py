"""The keyboard: the one reader of standard input, for the port prompt and for the console.

It reads the descriptor, not `sys.stdin`: the prompt and the console share one buffer and lose
nothing, and a thread that waits here does not delay the end of the process.
"""

import collections
import os

READ_SIZE = 65_536
LONGEST = 131_073  # bytes kept of a line without an end; no use of a line takes more


class Keyboard:
    """Cuts the input (typed, piped or pasted) into lines. For one thread at a time."""

    def __init__(self, descriptor: int = 0):
        self._descriptor = descriptor
        self._lines = collections.deque()  # whole lines not yet asked for
        self._rest = b""  # the beginning of the next line
        self._ended = False

    def line(self) -> bytes | None:
        """Wait for the next line, without its end; None at the end of input."""
        self._fill()
        return self._lines.popleft() if self._lines else None

    def lines(self) -> list[bytes] | None:
        """Wait for input; return all whole lines that have come together; None at the end."""
        self._fill()
        lines = list(self._lines)
        self._lines.clear()
        return lines or None

    def _fill(self) -> None:
        while not self._lines and not self._ended:
            try:
                data = os.read(self._descriptor, READ_SIZE)
            except OSError:
                data = b""  # closed, missing, or a terminal that another program reads
            if not data:
                self._ended = True
                data = b"\n" if self._rest else b""
            lines = (self._rest + data).split(b"\n")
            self._rest = lines.pop()[:LONGEST]
            self._lines.extend(line[:-1] if line.endswith(b"\r") else line for line in lines)
