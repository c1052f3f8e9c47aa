"""The input of a program: lines and signals. The keys of a terminal have a file of their own.

Input is read from the descriptor, not `sys.stdin`, so that a waiting thread does not delay the end
of the process. Ctrl-C, SIGTERM and a closed terminal only set a flag, so that nothing is cut off
halfway, and wake the main thread through a socket, because any thread may get the signal itself.
"""

import collections
import contextlib
import os
import select
import signal
import socket
import time

READ_SIZE = 65_536
LONGEST = 131_073  # bytes kept of a line; no valid line is longer
LOOK = 0.02  # seconds between two checks whether the program may end
_kept: list = []  # every End of this process, so that none is freed


class Keyboard:
    """The lines of typed, piped or pasted input. For one thread at a time."""

    def __init__(self, descriptor: int = 0, longest: int = LONGEST):
        self._descriptor, self._longest = descriptor, longest
        self._lines = collections.deque()  # whole lines that nobody has taken
        self._rest = b""  # the beginning of the next line
        self._ended = False

    def line(self) -> bytes | None:
        """Wait for the next line; return None at the end of input."""
        self._fill()
        return self._lines.popleft() if self._lines else None

    def lines(self) -> list[bytes] | None:
        """Wait for lines, and return all that came; None at the end."""
        self._fill()
        lines, self._lines = list(self._lines), collections.deque()
        return lines or None

    def _fill(self) -> None:
        while not self._lines and not self._ended:
            try:
                data = os.read(self._descriptor, READ_SIZE)
            except BlockingIOError:  # who shares it has made it non-blocking
                select.select([self._descriptor], [], [])
                continue
            except OSError:
                data = b""  # closed, missing, or a terminal that another program reads
            if not data:
                self._ended = True
                data = b"\n" if self._rest else b""
            first, *lines = data.split(b"\n")
            lines.insert(0, (self._rest + first)[:self._longest])  # a long line loses its end
            self._rest = lines.pop()
            self._lines.extend(line.removesuffix(b"\r") for line in lines)


class End:
    """The end of a program, for which its main thread waits."""

    def __init__(self):
        self.signalled: int | None = None  # the signal that came last
        self._receiver, self._sender = socket.socketpair()
        self._sender.setblocking(False)
        _kept.append(self)  # because signals write to its socket until the process ends
        signal.set_wakeup_fd(self._sender.fileno(), warn_on_full_buffer=False)
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)
            if number and (name != "SIGHUP" or signal.getsignal(number) != signal.SIG_IGN):
                signal.signal(number, self._note)
        for name in ("SIGTTIN", "SIGTTOU"):  # which stop a program in the background
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), signal.SIG_IGN)

    def _note(self, number, frame) -> None:
        self.signalled = number

    def come(self) -> None:
        """Wake the main thread, from the thread that ended the node."""
        self._sender.send(b"!")

    def wait(self, ended=lambda: False) -> None:
        """Wait for a signal, or until `ended()` holds after a `come()`."""
        while not self.signalled and not ended():
            self._receiver.recv(1)

    def wait_for_more(self, ended, seconds: float) -> None:
        """Wait at most `seconds` for another signal, or until `ended()`."""
        self.signalled, deadline = None, time.monotonic() + seconds
        while self.signalled is None and not ended() and time.monotonic() < deadline:
            if select.select([self._receiver], [], [], LOOK)[0]:
                self._receiver.recv(READ_SIZE)

    def pause(self, seconds: float) -> None:
        """Wait. KeyboardInterrupt if a signal came before or meanwhile."""
        if not self.signalled:
            select.select([self._receiver], [], [], seconds)
        if self.signalled:
            raise KeyboardInterrupt


@contextlib.contextmanager
def ctrl_c_withheld():
    """Withhold Ctrl-C from processes that are started meanwhile."""
    withheld = getattr(signal, "pthread_sigmask", None)
    before = withheld(signal.SIG_BLOCK, {signal.SIGINT}) if withheld else None
    try:
        yield
    finally:
        if withheld:
            withheld(signal.SIG_SETMASK, before)
