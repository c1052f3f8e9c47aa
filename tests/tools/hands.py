"""Ends of connections in the hands of a test: they say and hear lines."""

import socket
import threading

from gossip.addresses import Address
from gossip.signing.grammar import Signer, linking


class End:
    """One end of a connection, in the hands of a test: says lines and hears lines."""

    def __init__(self, sock: socket.socket):
        self.sock = sock
        self._file = sock.makefile("rb")

    def say(self, *lines: str) -> None:
        self.send("".join(line + "\n" for line in lines).encode())

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def hear(self, timeout: float = 30.0) -> str | None:
        """The next line; None at the end of the stream or when it was reset."""
        self.sock.settimeout(timeout)
        try:
            line = self._file.readline()
        except ConnectionResetError:
            return None
        return line.decode().rstrip("\n") if line else None

    def hear_until(self, start: str, timeout: float = 30.0) -> str:
        """Skip lines until one begins with `start`, and return it."""
        while (line := self.hear(timeout)) is not None:
            if line.startswith(start):
                return line
        raise AssertionError(f"the connection ended without {start!r}")

    def hear_end(self, timeout: float = 30.0) -> bool:
        """Skip lines until the end of the stream."""
        while self.hear(timeout) is not None:
            pass
        return True

    def close(self) -> None:
        self._file.close()
        self.sock.close()


def link_proof(signer: Signer, own: Address, other: Address, time: str) -> str:
    """The proof that stands before what a peer says to another when a link begins."""
    return signer.proof(linking(own, other, time), time).decode().rstrip("\n")


class FakePeer:
    """An address that accepts connections and answers Liveness Requests as it is told to."""

    def __init__(self, address: Address, answers: bool = True):
        self.address = address
        self.answers = answers
        self.signer: Signer | None = None  # proves its run, once it is set
        self.heard: list[str] = []  # every line that came
        self._listener = socket.create_server(address.dial)
        self._ends: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self._ends.append(sock)
            thread = threading.Thread(target=self._serve, args=(sock,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket) -> None:
        try:
            with sock, sock.makefile("rb") as lines:
                for line in lines:
                    self.heard.append(line.decode().rstrip("\n"))
                    reply = self.reply(self.heard[-1])
                    if reply and self.answers:
                        sock.sendall(reply.encode())
        except OSError:
            pass  # the other end is gone

    def reply(self, line: str) -> str:
        """The answer to a line, with its end; empty for none."""
        if line.startswith("Liveness Request:"):
            reply = f"Liveness Reply:{line[len('Liveness Request:'):]}:{self.address}"
            proof = self.signer.proof(reply).decode() if self.signer else ""
            return f"{proof}{reply}\n"
        if line.startswith("Connection with Peer:"):
            return f"connection refused:{self.address}:full\n"
        return ""

    def asking(self, other: Address, time: str) -> list[str]:
        """The lines that ask another peer for a link, with a proof of the run if there is one."""
        ask = f"Connection with Peer:{self.address}"
        return [link_proof(self.signer, self.address, other, time), ask] if self.signer else [ask]

    def dialled(self) -> int:
        """How often somebody wanted to become its neighbour."""
        return sum(line.startswith("Connection with Peer:") for line in list(self.heard))

    def close(self) -> None:
        for sock in (self._listener, *self._ends):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it has ended already
        self._listener.close()
        for thread in list(self._threads):
            thread.join(5)


class FakeSeed(FakePeer):
    """A seed that registers nobody, and lies about runs: it names the STARTs that `lie(address,
    start)` returns, after `late` seconds; None: it does not answer."""

    def __init__(self, address: Address, lie, late: float = 0.0):
        self._lie, self._late = lie, late
        self.asked = 0  # questions about runs
        self._closed = threading.Event()
        super().__init__(address)

    def reply(self, line: str) -> str:
        kind, _, rest = line.partition(":")
        if kind == "register":
            return "registration refused:full\n"
        if kind != "runs":
            return ""
        self.asked += 1
        address, _, start = rest.rpartition(":")
        starts = self._lie(address, int(start))
        self._closed.wait(self._late)
        return "" if starts is None else f"runs:{address}:{','.join(map(str, starts))}\n"

    def close(self) -> None:
        self._closed.set()
        super().close()
