"""Signals: how Ctrl-C, SIGTERM and a closed terminal reach the main thread of a program.

Handlers only take a note, so that nothing is cut off halfway; the main thread looks at the note
where it waits. A signal may reach any thread of the process: only what it writes into a pipe
wakes the main thread for certain.
"""

import select
import signal
import socket


_kept: list = []


class End:
    """What the main thread of a program waits for: a signal, or a word from another thread."""

    def __init__(self):
        self.signalled = False
        self._receiver, self._sender = socket.socketpair()
        self._sender.setblocking(False)
        _kept.append(self)  # its descriptor stays known to the system
        signal.set_wakeup_fd(self._sender.fileno(), warn_on_full_buffer=False)
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)
            if number and (name != "SIGHUP" or signal.getsignal(number) != signal.SIG_IGN):
                signal.signal(number, self._note)
        for name in ("SIGTTIN", "SIGTTOU"):  # a terminal in whose background we are
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), signal.SIG_IGN)

    def _note(self, number, frame) -> None:
        self.signalled = True

    def come(self) -> None:
        """Say that it is time; called by the thread that ended the node."""
        self._sender.send(b"!")

    def wait(self, ended=lambda: False) -> None:
        """Wait for a signal, or until `ended()` holds after a word."""
        while not self.signalled and not ended():
            self._receiver.recv(1)

    def pause(self, seconds: float) -> None:
        """Wait that long; KeyboardInterrupt when a signal has come before or meanwhile."""
        if not self.signalled:
            select.select([self._receiver], [], [], seconds)
        if self.signalled:
            raise KeyboardInterrupt
