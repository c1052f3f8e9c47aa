"""Signals: how Ctrl-C, SIGTERM and a closed terminal reach the main thread of a program.

A handler only takes a note, so that nothing is cut off halfway; the main thread looks at the note
where it waits. The system may deliver a signal to any thread of the process. Only the byte that a
signal writes into a pair of sockets wakes the main thread for certain.
"""

import contextlib
import select
import signal
import socket


_kept: list = []  # every End of this process: none may be freed


class End:
    """The end that the main thread of a program waits for: a signal, or a word from a thread."""

    def __init__(self):
        self.signalled = False
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

    @property
    def readable(self) -> socket.socket:
        """A socket that can be read once a signal has come, for a main thread that waits for
        others, too."""
        return self._receiver

    def _note(self, number, frame) -> None:
        self.signalled = True

    def come(self) -> None:
        """Wake the main thread; called by the thread that ended the node."""
        self._sender.send(b"!")

    def wait(self, ended=lambda: False) -> None:
        """Wait for a signal, or for a `come()` after which `ended()` holds."""
        while not self.signalled and not ended():
            self._receiver.recv(1)

    def pause(self, seconds: float) -> None:
        """Wait so many seconds; KeyboardInterrupt if a signal has come before or meanwhile."""
        if not self.signalled:
            select.select([self._receiver], [], [], seconds)
        if self.signalled:
            raise KeyboardInterrupt


@contextlib.contextmanager
def ctrl_c_withheld():
    """Processes that are started meanwhile do not get Ctrl-C, which the terminal sends to all: it
    is for this one alone. Any thread may use it."""
    withheld = getattr(signal, "pthread_sigmask", None)
    before = withheld(signal.SIG_BLOCK, {signal.SIGINT}) if withheld else None
    try:
        yield
    finally:
        if withheld:
            withheld(signal.SIG_SETMASK, before)
