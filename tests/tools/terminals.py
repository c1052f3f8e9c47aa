"""A terminal for tests: a pseudo-terminal, and what a person would see on it."""

import contextlib
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

from tests.tools.programs import DEADLINE, ROOT, wait_until

_TOKEN = re.compile(r"\x1b\[([0-9;]*)([@-~])|(.)", re.DOTALL)
_PART = re.compile(r"(?:\x1b\[?[0-9;]*|[\udc80-\udcff]{1,3})\Z")
CTRL_C = "\x03"
ERASE = "\r\x1b[K"  # what begins a status line anew


class Glass:
    """The lines on a terminal so many columns wide. It wraps none: those that somebody wrote beyond
    its edge are in `too_wide`, as they were then, by their rows."""

    def __init__(self, width: int):
        self.width = width
        self.too_wide: dict[int, str] = {}
        self.colours = False  # whether there were any
        self._lines = [[]]  # each a list of cells; the last half of a wide character is ""
        self._row = self._column = 0

    def feed(self, text: str) -> None:
        for parameters, final, character in _TOKEN.findall(text):
            if final in ("J", "K"):
                del self._lines[self._row][self._column:]
                if final == "J":
                    del self._lines[self._row + 1:]
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
        line = self._lines[self._row]
        line += [" "] * (self._column - len(line))
        line[self._column:self._column + width] = [character, ""][:width]
        self._column += width
        if self._column > self.width:
            self.too_wide[self._row] = "".join(line)

    def rewrap(self, width: int) -> None:
        """Become narrower, as most terminals do: the last line is wrapped where it is longer."""
        last = self._lines.pop()
        self._lines += [last[at:at + width] for at in range(0, max(len(last), 1), width)]
        self._row += self._column // width
        self._column %= width
        self.width = width

    def texts(self) -> list[str]:
        return ["".join(line) for line in self._lines]


class Terminal:
    """A command of this project, or another program, on a terminal of its own, as a shell would
    start it. A thread reads what it writes. Waits have the deadline of all tests."""

    def __init__(self, *arguments, program: str = sys.executable, rows: int = 24, width: int = 80,
                 cwd=ROOT, **environ):
        self._master, end = pty.openpty()
        self._modes = termios.tcgetattr(end)
        self.glass = Glass(width)
        self.text = ""  # all that was written so far
        self._lock = threading.Lock()  # guards both
        self.resize(rows, width)
        # The first of a session to open a terminal has it for its own: Ctrl-C and Ctrl-Z work.
        self.process = subprocess.Popen(
            ["sh", "-c", 'exec "$@" <>"$0" >&0 2>&0', os.ttyname(end), program,
             *["-S"] * (program == sys.executable and str(arguments[0]).endswith(".py")),
             *map(str, arguments)], stdin=end, cwd=cwd, start_new_session=True,
            env={**os.environ, "TERM": "xterm", "COLUMNS": "", **environ})
        os.close(end)
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def resize(self, rows: int, width: int) -> None:
        """Tell the program of a new size; what `glass` takes for its width stays as it is."""
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("4H", rows, width, 0, 0))

    def rewrap(self, rows: int, width: int) -> None:
        """Become narrower while the program is quiet."""
        with self._lock:
            self.glass.rewrap(width)
            self.resize(rows, width)

    def _read(self) -> None:
        rest = b""
        with contextlib.suppress(OSError):  # nobody has the other end any more
            while data := os.read(self._master, 65_536):
                text = (rest + data).decode(errors="surrogateescape")
                part = _PART.search(text)
                whole = text[:part.start()] if part else text
                rest = text[len(whole):].encode(errors="surrogateescape")
                with self._lock:
                    self.text += whole
                    self.glass.feed(whole)

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def texts(self) -> list[str]:
        with self._lock:
            return self.glass.texts()

    def shows(self, text: str) -> None:
        """Wait until this text has been written, whatever has become of it since."""
        self._wait(lambda: text in self.text, text)

    def prompts(self, text: str) -> None:
        """Wait until the last line is a prompt with this text behind it."""
        self._wait(lambda: self.texts()[-1].endswith(f"> {text}"), text)

    def _wait(self, holds, what: str) -> None:
        wait_until(holds, DEADLINE, lambda: f"{what!r} in {self.texts()[-30:]}")

    def has_usual_modes(self) -> bool:
        return termios.tcgetattr(self._master) == self._modes

    def finish(self) -> int:
        """Wait until the program has ended and all is read that it wrote; its exit code."""
        code = self.process.wait(DEADLINE)
        self._reader.join(DEADLINE)
        return code

    def __enter__(self):
        return self

    def __exit__(self, *error):
        if self.process.poll() is None:
            self.process.kill()
        self.finish()
        os.close(self._master)
