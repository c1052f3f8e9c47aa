"""Signals: how Ctrl-C, SIGTERM and a closed terminal reach the main thread of a program."""

import signal
import socket


def mind_signals() -> None:
    """SIGTERM and a closed terminal end a node like Ctrl-C; a terminal in the background may
    be written to and read from without being stopped for it."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.default_int_handler)
    for name in ("SIGTTIN", "SIGTTOU"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)


def ignore_signals() -> None:
    """The end has begun: a second Ctrl-C does not disturb it."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)


class End:
    """What the main thread of a program waits for: a signal, or a word from another thread.

    A signal may reach any thread of the process; only what it writes into a pipe wakes the
    main thread for certain.
    """

    def __init__(self):
        mind_signals()
        self._receiver, self._sender = socket.socketpair()
        self._sender.setblocking(False)
        signal.set_wakeup_fd(self._sender.fileno(), warn_on_full_buffer=False)

    def come(self) -> None:
        """Say that it is time; called by the thread that ended the node."""
        self._sender.send(b"!")

    def wait(self, ended=lambda: False) -> None:
        """Wait for a signal, or until `ended()` holds after a word."""
        try:
            while not ended():
                self._receiver.recv(1)
        except KeyboardInterrupt:
            pass
        ignore_signals()
