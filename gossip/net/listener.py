"""The listener: one thread per node that accepts connections and passes them on.

It survives a connection that is already gone. If descriptors or memory are short, it has a
connection ended, and waits a moment.
"""

import errno
import os
import socket
import threading

from gossip.addresses import Address

BACKLOG = 4096  # connections that may wait in the kernel
SHORT_REST = 0.1  # seconds to wait while descriptors are short
SHORT = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL,
         errno.EAGAIN}  # of a machine short of descriptors, memory, ports or threads


def listening(address: Address) -> socket.socket:
    """Return a socket that listens at an address; OSError if it is not available."""
    sock = socket.socket(address.family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":  # elsewhere it would let two processes share the port
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address.dial)
        sock.listen(BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock


def is_local(address: Address) -> bool:
    """Return whether this machine has an IP, as far as it can tell."""
    try:
        with socket.socket(address.family, socket.SOCK_STREAM) as sock:
            sock.bind((address.ip, 0))
    except OSError as error:
        return error.errno in SHORT and error.errno != errno.EADDRNOTAVAIL
    return True


class Listener:
    """A listening socket; `accept_all` is the thread."""

    def __init__(self, address: Address, stopping: threading.Event,
                 sock: socket.socket | None = None):
        """Listen at once, so that a port in use raises OSError here; or take a listening socket."""
        self._address = address
        self._stopping = stopping
        self._sock = sock or listening(address)

    def accept_all(self, handle, make_room) -> None:
        """Call `handle(socket, (IP, port))` per connection, `make_room(reason)` in a shortage."""
        while not self._stopping.is_set():
            try:
                sock, remote = self._sock.accept()
            except OSError as error:
                if self._stopping.is_set():
                    return
                if error.errno in SHORT:
                    make_room(error.strerror)
                    self._stopping.wait(SHORT_REST)
                continue
            handle(sock, remote[:2])

    def close(self) -> None:
        """Stop listening and wake the thread, after `stopping` was set. May be called twice."""
        if self._sock.fileno() < 0:
            return
        try:
            self._sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            self._wake()
        self._sock.close()

    def abandon(self) -> None:
        """Close the socket in a child process, while the parent goes on to listen."""
        self._sock.close()

    def _wake(self) -> None:
        """End `accept` by a connection, on systems where `shutdown` does not end it."""
        try:
            with socket.create_connection(self._address.dial, 1):
                pass
        except OSError:
            pass  # it was not accepting any more
