"""A terminal for tests: a pseudo-terminal, and what a person would see on it."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import threading
import unicodedata

from tests.tools.programs import ROOT, environment
from tests.tools.waiting import wait_until

_TOKEN = re.compile(r"\x1b\[([0-9;]*)([@-~])|(.)", re.DOTALL)
_PART = re.compile(r"(?:\x1b\[?[0-9;]*|[\udc80-\udcff]{1,3})\Z")


class Glass:
    """The lines on a terminal so many columns wide. Those that it had to wrap, because somebody
    wrote beyond its edge, are counted in `wrapped`."""

    def __init__(self, columns: int):
        self.columns = columns
        self.wrapped = 0
        self.colours = False  # whether there were any
        self._lines = [[]]  # each a list of cells; the last half of a wide character is ""
        self._row = self._column = 0

    def feed(self, text: str) -> None:
        for parameters, final, character in _TOKEN.findall(text):
            if final == "J":
                del self._lines[self._row][self._column:], self._lines[self._row + 1:]
            elif final == "A":
                self._row = max(0, self._row - int(parameters or 1))
            elif final == "m":
                self.colours = True
            elif character == "\n":
                self._next_line()
            elif character == "\r":
                self._column = 0
            elif character == "\b":
                self._column = max(0, self._column - 1)
            else:
                assert character.isprintable(), repr(character or final)
                self._put(character)

    def _next_line(self) -> None:
        self._row += 1
        if self._row == len(self._lines):
            self._lines.append([])

    def _put(self, character: str) -> None:
        width = 2 if unicodedata.east_asian_width(character) in "WF" else 1
        if self._column + width > self.columns:
            self.wrapped += 1
            self._next_line()
            self._column = 0
        line = self._lines[self._row]
        line += [" "] * (self._column - len(line))
        line[self._column:self._column + width] = [character, ""][:width]
        self._column += width

    def rewrap(self, columns: int) -> None:
        """Become narrower, as most terminals do: the last line is wrapped where it is longer."""
        last = self._lines.pop()
        self._lines += [last[at:at + columns] for at in range(0, max(len(last), 1), columns)]
        self._row += self._column // columns
        self._column %= columns
        self.columns = columns

    def texts(self) -> list[str]:
        return ["".join(line) for line in self._lines]


class Terminal:
    """A program on a terminal of its own, which a thread reads."""

    def __init__(self, *command, columns: int = 80, rows: int = 24, **environ):
        self._master, end = pty.openpty()
        self._end = end  # stays open, so that modes can be read after the program has ended
        self._modes = termios.tcgetattr(end)
        self.glass = Glass(columns)
        self._lock = threading.Lock()  # guards glass
        self.resize(columns, rows)
        # The first of a session to open a terminal has it for its own: Ctrl-C and Ctrl-Z work.
        self.process = subprocess.Popen(
            ["sh", "-c", 'exec "$@" <>"$0" >&0 2>&0', os.ttyname(end), *map(str, command)],
            env=environment(**{"TERM": "xterm", **environ}), cwd=ROOT, start_new_session=True)
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    @classmethod
    def python(cls, *arguments, **options) -> "Terminal":
        return cls(sys.executable, *arguments, **options)

    def resize(self, columns: int, rows: int) -> None:
        """Tell the program of a new size; what `glass` takes for its width stays as it is."""
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("4H", rows, columns, 0, 0))

    def rewrap(self, columns: int, rows: int) -> None:
        """Become narrower while the program is quiet."""
        with self._lock:
            self.glass.rewrap(columns)
            self.resize(columns, rows)

    def _read(self) -> None:
        rest = b""
        while True:
            try:
                data = os.read(self._master, 65_536)
            except OSError:
                return  # nobody has the other end any more
            text = (rest + data).decode(errors="surrogateescape")
            part = _PART.search(text)
            whole = text[:part.start()] if part else text
            rest = text[len(whole):].encode(errors="surrogateescape")
            with self._lock:
                self.glass.feed(whole)

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def texts(self) -> list[str]:
        with self._lock:
            return self.glass.texts()

    def shows(self, text: str) -> None:
        """Wait until some line has this text."""
        self._wait(lambda texts: any(text in line for line in texts), text)

    def prompts(self, text: str) -> None:
        """Wait until the last line is a prompt with this text behind it."""
        self._wait(lambda texts: texts[-1].endswith(f"> {text}"), text)

    def _wait(self, holds, what: str) -> None:
        try:
            wait_until(lambda: holds(self.texts()))
        except AssertionError:
            raise AssertionError(f"no {what!r} in {self.texts()[-30:]}") from None

    def has_usual_modes(self) -> bool:
        return termios.tcgetattr(self._end) == self._modes

    def __enter__(self):
        return self

    def __exit__(self, *error):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(10)
        os.close(self._end)
        self._reader.join(10)
        os.close(self._master)
