"""The input of a program: lines from standard input, a terminal's keys, and signals.

Lines and keys are read from the descriptor, not `sys.stdin`, so that a thread that waits here does
not delay the end of the process. Ctrl-C, SIGTERM and a closed terminal only set a flag, so that
nothing is cut off halfway. The main thread checks it when woken by the byte that a signal writes
into a pair of sockets, because the system may deliver the signal itself to any thread.
"""

import atexit
import collections
import contextlib
import os
import select
import signal
import socket
import time

try:
    import termios
    import tty
except ImportError:  # Windows
    termios = tty = None
    import ctypes
    import msvcrt

READ_SIZE = 65_536
LONGEST = 131_073  # bytes kept of an unfinished line; no valid line is longer
LOOK = 0.02  # seconds between two looks whether the program may end
LOOK_AGAIN = 1.0  # seconds between two checks whether the program is in the foreground again
_kept: list = []  # every End of this process: none may be freed


class Keyboard:
    """Cuts the input (typed, piped or pasted) into lines. For one thread at a time."""

    def __init__(self, descriptor: int = 0, longest: int = LONGEST):
        self._descriptor, self._longest = descriptor, longest
        self._lines = collections.deque()  # whole lines not yet asked for
        self._rest = b""  # the beginning of the next line
        self._ended = False

    def line(self) -> bytes | None:
        """Wait for the next line, without its end; None at the end of input."""
        self._fill()
        return self._lines.popleft() if self._lines else None

    def lines(self) -> list[bytes] | None:
        """Wait for input; return all whole lines that arrived together, None at the end."""
        self._fill()
        lines, self._lines = list(self._lines), collections.deque()
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
            self._rest = lines.pop()[:self._longest]
            self._lines.extend(line[:-1] if line.endswith(b"\r") else line for line in lines)


class PosixKeys:
    """The keys of a terminal, whose mode is restored on every way out, and set again after `fg`.
    Made by the main thread, because only that can handle signals."""

    def __init__(self, descriptor: int = 0):
        self._descriptor = descriptor
        self._usual = termios.tcgetattr(descriptor)
        self._taken = False  # the terminal is in the mode that sends key by key
        self._woken, self._waker = os.pipe()  # a signal has come: `read` returns
        os.set_blocking(self._waker, False)
        self.escapes = True  # the terminal obeys escape sequences
        atexit.register(self.give_back)
        signal.signal(signal.SIGWINCH, self._wake)
        signal.signal(signal.SIGCONT, self._go_on)
        for number in (signal.SIGTSTP, signal.SIGQUIT):
            if signal.getsignal(number) == signal.SIG_DFL:
                signal.signal(number, self._leave)

    def in_front(self) -> bool:
        """Return whether this program, and not the shell that started it, gets the keys."""
        try:
            return os.tcgetpgrp(self._descriptor) == os.getpgrp()
        except OSError:
            return True  # a terminal without job control

    def read(self) -> bytes | None:
        """Wait for keys; return b"" when a signal has come instead, None at the end."""
        if not self.in_front():
            self._taken = False
            if select.select([self._woken], [], [], LOOK_AGAIN)[0]:
                os.read(self._woken, READ_SIZE)
            return b""
        try:
            if not self._taken:
                tty.setcbreak(self._descriptor, termios.TCSANOW)
                self._taken = True
            ready, _, _ = select.select([self._descriptor, self._woken], [], [])
            if self._descriptor in ready:
                return os.read(self._descriptor, READ_SIZE) or None  # nothing: it has hung up
            os.read(self._woken, READ_SIZE)
            return b""
        except (OSError, termios.error):  # it has hung up; or the shell has taken it just now
            return b"" if not self.in_front() else None

    def give_back(self) -> None:
        if self.in_front():
            with contextlib.suppress(termios.error):
                termios.tcsetattr(self._descriptor, termios.TCSANOW, self._usual)

    # Signals; the main thread calls these.

    def _wake(self, number, frame) -> None:
        with contextlib.suppress(BlockingIOError):  # the pipe is full, so `read` wakes anyway
            os.write(self._waker, b"!")

    def _leave(self, number, frame) -> None:
        """Handle Ctrl-Z or Ctrl-\\: restore the terminal, then stop or end as usual."""
        self.give_back()
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)  # returns when a stopped program is continued
        signal.signal(number, self._leave)
        self._go_on(number, frame)

    def _go_on(self, number, frame) -> None:
        self._taken = False  # the shell may have changed the terminal's mode
        self._wake(number, frame)


class WindowsKeys:
    """The keys of a Windows console, as the bytes that a POSIX terminal sends for them."""

    SPECIAL = {"H": "\x1b[A", "P": "\x1b[B", "M": "\x1b[C", "K": "\x1b[D", "G": "\x1b[H",
               "O": "\x1b[F", "S": "\x1b[3~"}  # the second code of a key that sends two

    def __init__(self):
        kernel, mode = ctypes.windll.kernel32, ctypes.c_ulong()
        output = kernel.GetStdHandle(-11)
        self.escapes = bool(kernel.GetConsoleMode(output, ctypes.byref(mode))
                            and kernel.SetConsoleMode(output, mode.value | 4))

    def in_front(self) -> bool:
        return True

    def read(self) -> bytes | None:
        """Wait for keys, and return all that have come."""
        keys = self._key()
        while msvcrt.kbhit():
            keys += self._key()
        if "\x03" in keys:
            signal.raise_signal(signal.SIGINT)
        whole = keys.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        return whole.replace("\x03", "").encode()

    def _key(self) -> str:
        key = msvcrt.getwch()
        if key in ("\x00", "\xe0") and msvcrt.kbhit():
            return self.SPECIAL.get(msvcrt.getwch(), "")
        return key


Keys = PosixKeys if termios else WindowsKeys


class End:
    """The end of a program, awaited by its main thread: a signal, or a `come` from a thread."""

    def __init__(self):
        self.signalled: int | None = None  # the signal that came last
        self._receiver, self._sender = socket.socketpair()
        self._sender.setblocking(False)
        _kept.append(self)  # a signal writes to its socket until the process ends
        signal.set_wakeup_fd(self._sender.fileno(), warn_on_full_buffer=False)
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)
            if number and (name != "SIGHUP" or signal.getsignal(number) != signal.SIG_IGN):
                signal.signal(number, self._note)
        for name in ("SIGTTIN", "SIGTTOU"):  # sent to a program in the background of its terminal
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), signal.SIG_IGN)

    def _note(self, number, frame) -> None:
        self.signalled = number

    def come(self) -> None:
        """Wake the main thread; called by the thread that ended the node."""
        self._sender.send(b"!")

    def wait(self, ended=lambda: False) -> None:
        """Wait for a signal, or for a `come()` after which `ended()` holds."""
        while not self.signalled and not ended():
            self._receiver.recv(1)

    def wait_for_more(self, ended, seconds: float) -> None:
        """Wait for another signal, or until `ended()` holds, for `seconds` at most."""
        self.signalled, deadline = None, time.monotonic() + seconds
        while self.signalled is None and not ended() and time.monotonic() < deadline:
            select.select([self._receiver], [], [], LOOK)

    def pause(self, seconds: float) -> None:
        """Wait; KeyboardInterrupt if a signal has come before or meanwhile."""
        if not self.signalled:
            select.select([self._receiver], [], [], seconds)
        if self.signalled:
            raise KeyboardInterrupt


@contextlib.contextmanager
def ctrl_c_withheld():
    """Withhold Ctrl-C, which a terminal sends to all, from processes started meanwhile."""
    withheld = getattr(signal, "pthread_sigmask", None)
    before = withheld(signal.SIG_BLOCK, {signal.SIGINT}) if withheld else None
    try:
        yield
    finally:
        if withheld:
            withheld(signal.SIG_SETMASK, before)
