"""Modules in a line or a ring: hand-made peers that carry news from one to the next."""

import socket
import threading

from tests.tools.module_words import told, validate


class Carrier:
    """A verified peer of two modules that carries 511s, which are news, from each to the other."""

    def __init__(self, modules, one, other):
        self.carried: list[tuple[int, bytes]] = []  # (TTL, data)
        self._ends = modules.neighbour(one), modules.neighbour(other)
        self._threads = [threading.Thread(target=self._carry, args=ends)
                         for ends in (self._ends, self._ends[::-1])]
        for thread in self._threads:
            thread.start()
        modules.ends.insert(0, self)

    def _carry(self, source, sink):
        try:
            while (message := source.hear_bytes(3600)) is not None:
                if message[2:4] == (511).to_bytes(2, "big"):
                    self.carried.append((message[4], message[10:]))
                    sink.sock.sendall(message)
        except OSError:
            pass  # the other module has ended

    def close(self):
        for end in self._ends:
            try:
                end.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # its module has ended
        for thread in self._threads:
            thread.join(10)


def passed_on(subscribers):
    """Let each subscriber in turn hear a notification and validate it; return all their data."""
    data = []
    for end in subscribers:
        notified = told(end)
        validate(end, notified)
        data.append(notified.data)
    return data
