"""The input of a program: lines, keys of a terminal, and signals.

Input is read from the descriptor, not `sys.stdin`, so that a waiting thread does not delay the end
of the process. Ctrl-C, SIGTERM and a closed terminal only set a flag, so that nothing is cut off
halfway, and wake the main thread through a socket, because any thread may get the signal itself.
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
LOOK = 0.02  # seconds between two checks whether the program may end
LOOK_AGAIN = 1.0  # seconds between two checks whether the program is in the foreground again
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
            lines = (self._rest + data).split(b"\n")
            self._rest = lines.pop()[:self._longest]
            self._lines.extend(line.removesuffix(b"\r") for line in lines)


class PosixKeys:
    """The keys of a terminal. Its mode is restored when the program ends or stops, and set again
    after `fg`. Made by the main thread, because no other can handle signals."""

    def __init__(self, descriptor: int = 0):
        self._descriptor = descriptor
        self._usual = termios.tcgetattr(descriptor)
        self._taken = False  # whether the terminal sends key by key
        self._woken, self._waker = os.pipe()  # by which a signal wakes `read`
        os.set_blocking(self._waker, False)
        self.escapes = True  # the terminal obeys escape sequences
        atexit.register(self.give_back)
        signal.signal(signal.SIGWINCH, self._wake)
        signal.signal(signal.SIGCONT, self._go_on)
        for number in (signal.SIGTSTP, signal.SIGQUIT):
            if signal.getsignal(number) == signal.SIG_DFL:
                signal.signal(number, self._leave)

    def in_front(self) -> bool:
        """Tell whether this program gets the keys, and not its shell."""
        try:
            return os.tcgetpgrp(self._descriptor) == os.getpgrp()
        except OSError:
            return True  # a terminal without job control

    def read(self) -> bytes | None:
        """Wait for keys; return b"" after a signal, None at the end."""
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
                return os.read(self._descriptor, READ_SIZE) or None
            os.read(self._woken, READ_SIZE)
            return b""
        except (OSError, termios.error):  # it has hung up, or the shell has just taken it
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
        """Restore the terminal after Ctrl-Z or Ctrl-\\, then stop or end."""
        self.give_back()
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)  # returns when a stopped program is continued
        signal.signal(number, self._leave)
        self._go_on(number, frame)

    def _go_on(self, number, frame) -> None:
        self._taken = False  # the shell may have changed the terminal's mode
        self._wake(number, frame)


class WindowsKeys:
    """The keys of a Windows console, as bytes of a POSIX terminal."""

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
        """Wait for keys, and return all that came."""
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
