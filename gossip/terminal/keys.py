"""The keys of a terminal, on which a person types. Only a peer on a terminal imports this."""

import atexit
import contextlib
import os
import select
import signal

try:
    import termios
    import tty
except ImportError:  # Windows
    termios = tty = None
    import ctypes
    import msvcrt

from gossip.terminal.input import READ_SIZE

LOOK_AGAIN = 1.0  # seconds between two checks whether the program is in the foreground again


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
