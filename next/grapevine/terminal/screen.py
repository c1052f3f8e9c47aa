"""The screen: lines for standard output, written by a thread of their own, which may be blocked."""

import collections
import threading

from grapevine.terminal.command_line import write_all

WAITING_LIMIT = 1_000  # lines that may wait for a terminal that is blocked; more are not shown
CLOSE_LIMIT = 1.0  # seconds for the last lines


class Screen:
    """Shows lines. `show` never waits, and may be called with any lock held."""

    def __init__(self):
        self._lines: collections.deque[str] = collections.deque()
        self._has_lines = threading.Event()
        self._is_closing = False
        self._is_closed = threading.Event()  # all lines from before `close` have been written
        self.dropped = 0  # lines
        threading.Thread(target=self._run, name="screen", daemon=True).start()

    def show(self, text: str) -> None:
        if len(self._lines) >= WAITING_LIMIT:
            self.dropped += 1
            return
        self._lines.append(text)
        self._has_lines.set()

    def close(self) -> None:
        """Wait for the last lines, unless the terminal is blocked."""
        self._is_closing = True
        self._has_lines.set()
        self._is_closed.wait(CLOSE_LIMIT)

    def _run(self) -> None:
        while self._has_lines.wait() and not self._is_closed.is_set():
            self._has_lines.clear()
            is_last = self._is_closing
            while self._lines:
                lines = [self._lines.popleft() for _ in range(len(self._lines))]
                write_all(1, ("\n".join(lines) + "\n").encode(errors="replace"))
            if is_last:
                self._is_closed.set()
