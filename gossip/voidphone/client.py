"""A client of the API: subscribes, announces, and validates notifications."""

import contextlib
import socket
import threading

from gossip.voidphone import messages


class Client:
    """One connection to a gossip module; a thread reads it until `close`."""

    def __init__(self, address: tuple[str, int], data_type: int, on_data):
        """Subscribe to a type; `on_data(data)` is called with notified data, and validates it."""
        self._on_data = on_data
        self._sock = socket.create_connection(address, 5)
        self._sock.settimeout(None)
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sock.sendall(messages.Notify(data_type).pack())
        self._type = data_type
        self._thread = threading.Thread(target=self._read, name="API client", daemon=True)
        self._thread.start()

    def announce(self, data: bytes, ttl: int = 0) -> None:
        self._sock.sendall(messages.Announce(ttl, self._type, data).pack())

    def _read(self) -> None:
        frames = messages.Frames()
        with contextlib.suppress(OSError):  # the module is gone
            while received := self._sock.recv(65_536):
                answers = []
                for frame in frames.feed(received):
                    message = messages.parse(frame)
                    valid = self._on_data(message.data)
                    answers.append(messages.Validation(message.id, valid).pack())
                self._sock.sendall(b"".join(answers))

    def close(self) -> None:
        with contextlib.suppress(OSError):  # the module is gone
            self._sock.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._sock.close()
