"""Impostors: hand-made connections that ask for links in the name of somebody else."""

import contextlib
import socket
import threading

from gossip.addresses import Address
from tests.tools.hands import End

PAUSE = 0.05  # seconds until an impostor that was sent away comes back


class Impostor:
    """Asks one peer for a link in the name of an address, again and again, with the lines that
    `words(peer)` returns. As long as it is a neighbour it answers all that it is asked."""

    def __init__(self, peer: Address, name: Address, words):
        self.tried = self.accepted = 0
        self._peer, self._name, self._words = peer, name, words
        self._over = threading.Event()
        self._end: End | None = None
        self._thread = threading.Thread(target=self._go_on)
        self._thread.start()

    def _go_on(self) -> None:
        while not self._over.is_set():
            with contextlib.suppress(OSError):
                self._pose()
            self._over.wait(PAUSE)

    def _pose(self) -> None:
        end = self._end = End(socket.create_connection(self._peer.dial, 5))
        try:
            end.say(*self._words(self._peer))
            while not self._over.is_set() and (line := end.hear()) is not None:
                self.tried += line.startswith("connection")
                self.accepted += line.startswith("connection accepted:")
                if line.startswith("Liveness Request:"):
                    end.say(f"Liveness Reply:{line.partition(':')[2]}:{self._name}")
        finally:
            end.close()

    def close(self) -> None:
        self._over.set()
        with contextlib.suppress(OSError, AttributeError):
            self._end.sock.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)
