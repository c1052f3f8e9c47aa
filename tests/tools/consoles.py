"""Commands of this project on a pseudo-terminal, whose screen is in the test's hands."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import threading

from gossip.terminal.columns import columns
from tests.tools.programs import ROOT
from tests.tools.waiting import wait_until

ERASE = "\r\x1b[K"  # what begins a status line anew
CTRL_C = b"\x03"


class Terminal:
    """A command that runs on a terminal of this size, as a shell would start it."""

    def __init__(self, *arguments, rows: int = 24, width: int = 80, **popen):
        self.width = width
        self._master, slave = pty.openpty()
        self.resize(rows, width)
        popen = {"cwd": ROOT, "env": {**os.environ, "COLUMNS": "", "NO_COLOR": "1"}} | popen
        self.process = subprocess.Popen(
            [sys.executable, "-c", _ON_THIS_TERMINAL, *map(str, arguments)], stdin=slave,
            stdout=slave, stderr=slave, start_new_session=True, **popen)
        os.close(slave)
        self._data = b""
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self._master, 65_536)
            except OSError:
                return  # the last process that had it is gone
            if not data:
                return
            self._data += data

    def resize(self, rows: int, width: int) -> None:
        """Change the size. What is written from now on has to fit into that."""
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, width, 0, 0))

    def type(self, keys: bytes) -> None:
        os.write(self._master, keys)

    @property
    def text(self) -> str:
        """All that was written so far."""
        return self._data.decode(errors="replace").replace("\r\n", "\n")

    def wait_for(self, words: str, timeout: float = 120.0) -> None:
        """Wait until these words have been written."""
        wait_until(lambda: words in self.text or self.process.poll() is not None, timeout, words)
        assert words in self.text

    def finish(self, timeout: float = 180.0) -> int:
        """Wait for the end; the exit code."""
        code = self.process.wait(timeout)
        self._reader.join(30)
        return code

    def screen(self) -> list[str]:
        """The lines that are left, each as it was written last."""
        return [line.rpartition(ERASE)[2] for line in self.text.split("\n")]

    def too_wide(self) -> list[str]:
        """All that was ever written in a line and did not fit into one of this terminal."""
        return [part for line in self.text.split("\n") for part in line.split(ERASE)
                if columns(re.sub("\x1b\\[[0-9;]*m", "", part)) > self.width]

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(self, *error) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)
        self._reader.join(30)
        os.close(self._master)


# A session has its terminal once its leader says so; then Ctrl-C is a signal to the command.
_ON_THIS_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""
