"""The keys of a terminal, on which a person types. Only a peer on a terminal imports this.

Where there is no termios (Windows), nothing here can be imported, and input comes line by line.
"""

import atexit
import contextlib
import os
import select
import signal
import termios
import tty

from grapevine.typed import READ_SIZE

LOOK_AGAIN = 1.0  # seconds between two checks whether the program is in the foreground again


class Keys:
    """The keys of a terminal. Its mode is restored when the program ends or stops, and set again
    after `fg`. Made by the main thread, because no other can handle signals."""

    def __init__(self, descriptor: int = 0):
        self._descriptor = descriptor
        self._usual = termios.tcgetattr(descriptor)
        self._is_taken = False  # whether the terminal sends key by key
        self._woken, self._waker = os.pipe()  # by which a signal wakes `read`
        os.set_blocking(self._waker, False)
        atexit.register(self.give_back)
        signal.signal(signal.SIGWINCH, self._wake)
        signal.signal(signal.SIGCONT, self._go_on)
        for number in (signal.SIGTSTP, signal.SIGQUIT):
            if signal.getsignal(number) == signal.SIG_DFL:
                signal.signal(number, self._leave)

    def is_in_front(self) -> bool:
        """Tell whether this program gets the keys, and not its shell."""
        try:
            return os.tcgetpgrp(self._descriptor) == os.getpgrp()
        except OSError:
            return True  # a terminal without job control

    def read(self) -> bytes | None:
        """Wait for keys; return b"" after a signal, None at the end."""
        if not self.is_in_front():
            self._is_taken = False
            if select.select([self._woken], [], [], LOOK_AGAIN)[0]:
                os.read(self._woken, READ_SIZE)
            return b""
        try:
            if not self._is_taken:
                tty.setcbreak(self._descriptor, termios.TCSANOW)
                self._is_taken = True
            ready, _, _ = select.select([self._descriptor, self._woken], [], [])
            if self._descriptor in ready:
                return os.read(self._descriptor, READ_SIZE) or None
            os.read(self._woken, READ_SIZE)
            return b""
        except (OSError, termios.error):  # it has hung up, or the shell has just taken it
            return b"" if not self.is_in_front() else None

    def give_back(self) -> None:
        """Restore the mode of the terminal."""
        if self.is_in_front():
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
        self._is_taken = False  # the shell may have changed the terminal's mode
        self._wake(number, frame)
