"""Liars: hand-made peers that want to be somebody's neighbours, and come back when they are sent
away."""

import contextlib
import socket
import threading

from gossip.addresses import Address
from tests.tools.hands import End

PAUSE = 0.05  # seconds until a liar that was sent away comes back


class Liar:
    """Announces an address again and again over fresh connections, by the lines that
    `words(victim)` returns if they are given, and answers on the connection whatever it is asked.
    Whether somebody else listens at the address is not its business."""

    def __init__(self, victim: Address, address: Address, words=None):
        self.address = address
        self.tried = self.accepted = 0  # how often it was answered, and became a neighbour
        self._victim = victim
        self._words = words or (lambda _: [f"Connection with Peer:{address}"])
        self._over = threading.Event()
        self._end: End | None = None
        self._thread = threading.Thread(target=self._lie)
        self._thread.start()

    def _lie(self) -> None:
        while not self._over.is_set():
            with contextlib.suppress(OSError, AssertionError):
                self._be_neighbour()
            self._over.wait(PAUSE)

    def _be_neighbour(self) -> None:
        source = (self.address.ip, 0)
        end = self._end = End(socket.create_connection(self._victim.dial, 5, source_address=source))
        try:
            if self._over.is_set():
                return
            end.say(*self._words(self._victim))
            while (line := end.hear()) is not None:
                self.tried += line.startswith("connection")
                self.accepted += line.startswith("connection accepted:")
                if line.startswith("Liveness Request:"):
                    end.say(f"Liveness Reply:{line.partition(':')[2]}:{self.address}")
        finally:
            end.close()

    def close(self) -> None:
        self._over.set()
        with contextlib.suppress(OSError, AttributeError):
            self._end.sock.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)


def around(address: Address, addresses: list[Address], number: int) -> list[Address]:
    """So many of these addresses that are next to an address on the ring, half on either side."""
    ordered = sorted({address, *addresses})
    at = ordered.index(address)
    return ordered[at - number // 2:at] + ordered[at + 1:at + 1 + number - number // 2]
