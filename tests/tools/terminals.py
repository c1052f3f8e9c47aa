"""A terminal for tests: a pseudo-terminal, and what a person would see on it."""

import fcntl
import os
import pty
import re
import struct
import termios
import threading
import unicodedata

from tests.tools.programs import Program, environment
from tests.tools.waiting import wait_until

_TOKEN = re.compile(r"\x1b\[([0-9;?]*)([@-~])|(.)", re.DOTALL)


class Glass:
    """The lines that are on a terminal so many columns wide. Those that it had to wrap, because
    somebody wrote beyond its edge, are in `wrapped`."""

    def __init__(self, columns: int):
        self.columns = columns
        self.lines = [[]]  # each a list of cells; the last half of a wide character is ""
        self.wrapped = []
        self._column = 0

    def feed(self, text: str) -> None:
        for parameters, final, character in _TOKEN.findall(text):
            if final == "J" or final == "K":
                assert parameters in ("", "0")
                del self.lines[-1][self._column:]
            elif character == "\n":
                self.lines.append([])
            elif character == "\r":
                self._column = 0
            elif character == "\b":
                self._column = max(0, self._column - 1)
            elif character:
                assert character.isprintable(), repr(character)
                self._put(character)

    def _put(self, character: str) -> None:
        width = 2 if unicodedata.east_asian_width(character) in "WF" else 1
        if self._column + width > self.columns:
            self.wrapped.append("".join(self.lines[-1]))
            self.lines.append([])
            self._column = 0
        line = self.lines[-1]
        line += [" "] * (self._column - len(line))
        line[self._column:self._column + width] = [character, ""][:width]
        self._column += width

    def texts(self) -> list[str]:
        return ["".join(line) for line in self.lines]


class Terminal:
    """A program on a terminal of its own. A thread reads all that it shows."""

    def __init__(self, *arguments, columns: int = 80, rows: int = 24, **environ):
        self._master, end = pty.openpty()
        self._end = end  # stays open, so that modes can be read after the program has ended
        self.glass = Glass(columns)
        self._lock = threading.Lock()  # guards glass
        self.resize(columns, rows)
        self.modes = termios.tcgetattr(end)
        self.program = Program(*arguments, stdin=end, stdout=end, stderr=end,
                               env=environment(TERM="xterm", **environ), start_new_session=True,
                               preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def resize(self, columns: int, rows: int) -> None:
        with self._lock:
            self.glass.columns = columns
            fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("4H", rows, columns, 0, 0))

    def _read(self) -> None:
        rest = b""
        while True:
            try:
                data = os.read(self._master, 65_536)
            except OSError:
                return
            if not data:
                return
            text = (rest + data).decode(errors="surrogateescape")
            part = re.search(r"(?:\x1b\[?[0-9;]*|[\udc80-\udcff]{1,3})\Z", text)
            rest = part[0].encode(errors="surrogateescape") if part else b""
            with self._lock:
                self.glass.feed(text[:part.start()] if part else text)

    def type(self, text: str | bytes) -> None:
        os.write(self._master, text.encode() if isinstance(text, str) else text)

    def texts(self) -> list[str]:
        with self._lock:
            return self.glass.texts()

    def shows(self, text: str, timeout: float = 60.0) -> None:
        """Wait until some line has this text."""
        try:
            wait_until(lambda: any(text in line for line in self.texts()), timeout)
        except AssertionError:
            raise AssertionError(f"{text!r} is not in {self.texts()[-40:]}") from None

    def prompts(self, text: str) -> None:
        """Wait until the last line ends like that."""
        try:
            wait_until(lambda: self.texts()[-1].endswith(text))
        except AssertionError:
            raise AssertionError(f"{text!r} is not the end of {self.texts()[-40:]}") from None

    def has_usual_modes(self) -> bool:
        return termios.tcgetattr(self._end) == self.modes

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.program.__exit__()
        os.close(self._end)
        self._reader.join(10)
        os.close(self._master)
