"""Tools of the tests: free ports, waiting, networks in one process, hand-made ends of links."""

import itertools
import os
import pathlib
import random
import socket
import subprocess
import sys
import threading
import time

from gossip.addresses import Address, address_of
from gossip.node.output_file import OutputFile
from gossip.settings import Settings
from peer import Peer
from seed import Seed

ROOT = pathlib.Path(__file__).resolve().parent.parent
FAST = Settings(gossip_count=0, gossip_interval=0.05, liveness_interval=0.5,
                antientropy_interval=0.5, probe_limit=1.0, grace=2.0)

FIRST_PORT = 10_000 + 10_000 * int(os.environ.get("TEST_SLOT", 0))  # below the ephemeral ones
_ports = itertools.count(random.randrange(10_000))


def free_port() -> int:
    """A port that nobody listens on, another one at every call."""
    for number in _ports:
        port = FIRST_PORT + number % 10_000
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                sock.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("unreachable")


def free_udp_range(size):
    """The first of so many UDP ports in a row that nobody has."""
    while True:
        first = free_port()
        socks = [socket.socket(type=socket.SOCK_DGRAM) for _ in range(size)]
        try:
            for port, sock in enumerate(socks, first):
                sock.bind(("127.0.0.1", port))
            return first
        except OSError:
            continue
        finally:
            for sock in socks:
                sock.close()


def free_address(ip: str = "127.0.0.1") -> Address:
    return address_of(ip, free_port())


def free_addresses(count: int) -> list[Address]:
    """Addresses in ascending order."""
    return sorted(free_address() for _ in range(count))


def listens(port):
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return False
    return True


def wait_until(predicate, timeout: float = 20.0, what: str = "something", pause: float = 0.01):
    """Wait until the predicate holds and return its value; fail when it does not in time."""
    end = time.monotonic() + timeout
    while not (value := predicate()):
        assert time.monotonic() < end, f"waited {timeout} s in vain for {what}"
        time.sleep(pause)
    return value


class Net:
    """Seeds and peers inside this process, on free ports, their files in a folder."""

    def __init__(self, folder: pathlib.Path, settings: Settings = FAST):
        self.folder = folder
        self.settings = settings
        self.nodes: list = []
        self.ends: list = []  # hand-made ends, closed with the rest
        self.seed_addresses: list[Address] = []

    def seeds(self, count: int) -> list[Seed]:
        """Start seeds that know each other."""
        self.seed_addresses = free_addresses(count)
        return [self.seed(address) for address in self.seed_addresses]

    def seed(self, address: Address) -> Seed:
        return self._start(Seed, address, {})

    def peer(self, address: Address | None = None, **changes) -> Peer:
        """Start a peer; changes are to the fast settings."""
        return self._start(Peer, address or free_address(), changes)

    def peers(self, count: int, **changes) -> list[Peer]:
        return [self.peer(address, **changes) for address in free_addresses(count)]

    def _start(self, kind, address, changes):
        node = kind(address, self.seed_addresses, self.settings._replace(**changes),
                    OutputFile(self.folder / f"{kind.kind}_{address.file_part}.txt"))
        node.start()
        self.nodes.append(node)
        return node

    def end(self, node, reason: str = "interrupted") -> None:
        """Stop one node abruptly."""
        node.stop(reason)
        self.nodes.remove(node)

    def kill(self, nodes) -> None:
        """End nodes at once and without a word, as a worker does."""
        for node in nodes:
            node.output.finish()
        for node in nodes:
            node.hang_up()
        for node in nodes:
            self.end(node)

    def stop(self) -> None:
        for end in self.ends:
            end.close()
        for node in self.nodes:
            node.stop()

    def failures(self) -> list[str]:
        """What threads died of, in any node's file."""
        return [line for path in self.folder.glob("*.txt") for line in
                path.read_text().splitlines() if ":failed:" in line[26:40]]

    def dial(self, node, ip: str = "127.0.0.1") -> "End":
        """A hand-made connection to a node."""
        end = End(socket.create_connection(node.address.dial, 5, source_address=(ip, 0)))
        self.ends.append(end)
        return end

    def neighbour(self, node, fake: "FakePeer") -> "End":
        """A hand-made neighbour: dial and be accepted."""
        end = self.dial(node)
        end.say(f"Connection with Peer:{fake.address}")
        assert end.hear() == f"connection accepted:{node.address}"
        return end

    def fake(self, **behaviour) -> "FakePeer":
        fake = FakePeer(free_address(), **behaviour)
        self.ends.append(fake)
        return fake


def events(node) -> list[str]:
    """The events in a node's output file, without their times."""
    return [line[27:] for line in
            pathlib.Path(node.output.path).read_text().splitlines()]


def count(node, start: str) -> int:
    """How many events of a node begin like that."""
    return sum(event.startswith(start) for event in events(node))


def wait_event(node, start: str, timeout: float = 20.0) -> str:
    """Wait for an event that begins like that and return it."""
    wait_until(lambda: count(node, start), timeout, f"{start!r} in {node.output.path}")
    return next(event for event in events(node) if event.startswith(start))


def neighbours(node) -> set[Address]:
    return set(node.neighbours.addresses())


def connected(peers) -> bool:
    """Whether the peers form one graph by what their tables say."""
    links = {peer.address: neighbours(peer) for peer in peers}
    reached, todo = set(), [peers[0].address]
    while todo:
        address = todo.pop()
        if address in links and address not in reached:
            reached.add(address)
            todo += links[address]
    return len(reached) == len(peers)


def ring_whole(peers) -> bool:
    """Whether everyone is linked to the next address among them."""
    ordered = sorted(peers, key=lambda peer: peer.address)
    return len(ordered) == 1 or all(
        after.address in neighbours(before)
        for before, after in zip(ordered, ordered[1:] + ordered[:1]))


def holds_all(peers, total: int) -> bool:
    return all(peer.messages.count() == total for peer in peers)


def lines_of(path):
    return [line[27:] for line in path.read_text().splitlines()] if path.exists() else []


def received(peer):
    return [event.split(":gmessage:", 1)[1] for event in events(peer)
            if event.startswith("received:")]


class End:
    """One end of a connection, in the hands of a test: says lines and hears lines."""

    def __init__(self, sock: socket.socket):
        self.sock = sock
        self._file = sock.makefile("rb")

    def say(self, *lines: str) -> None:
        self.send("".join(line + "\n" for line in lines).encode())

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def hear(self, timeout: float = 10.0) -> str | None:
        """The next line; None at the end of the stream or when it was reset."""
        self.sock.settimeout(timeout)
        try:
            line = self._file.readline()
        except ConnectionResetError:
            return None
        return line.decode().rstrip("\n") if line else None

    def hear_until(self, start: str, timeout: float = 10.0) -> str:
        """Skip lines until one begins like that."""
        while (line := self.hear(timeout)) is not None:
            if line.startswith(start):
                return line
        raise AssertionError(f"the connection ended without {start!r}")

    def hear_end(self, timeout: float = 10.0) -> bool:
        """Skip lines until the end of the stream."""
        while self.hear(timeout) is not None:
            pass
        return True

    def close(self) -> None:
        self._file.close()
        self.sock.close()


class FakePeer:
    """An address that accepts connections and answers Liveness Requests as it is told to."""

    def __init__(self, address: Address, answers: bool = True):
        self.address = address
        self.answers = answers
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
                    reply = self.reply(line.decode().rstrip("\n"))
                    if reply and self.answers:
                        sock.sendall(reply.encode())
        except OSError:
            pass  # the other end is gone

    def reply(self, line: str) -> str:
        """The answer to a line, with its end; empty for none."""
        if line.startswith("Liveness Request:"):
            return f"Liveness Reply:{line[len('Liveness Request:'):]}:{self.address}\n"
        if line.startswith("Connection with Peer:"):
            return f"connection refused:{self.address}:full\n"
        return ""

    def close(self) -> None:
        for sock in (self._listener, *self._ends):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it has ended already
        self._listener.close()
        for thread in list(self._threads):
            thread.join(5)


class Program:
    """A command of this project as a process, its input and output in the test's hands."""

    def __init__(self, *arguments, **popen):
        popen = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE,
                 "stderr": subprocess.PIPE, "cwd": ROOT} | popen
        self.process = subprocess.Popen(
            [sys.executable, "-B", *map(str, arguments)], **popen)

    def type(self, text: str) -> None:
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def finish(self, text: str = "", timeout: float = 30.0) -> tuple[int, str, str]:
        """End its input and return (exit code, output, errors)."""
        out, err = self.process.communicate(text.encode() or None, timeout)
        return self.process.returncode, out.decode(), err.decode()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        if self.process.poll() is None:
            self.process.kill()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream is not None:
                try:
                    stream.close()
                except OSError:
                    pass  # what was typed last never reached it
        self.process.wait(10)


def write_config(folder: pathlib.Path, addresses) -> pathlib.Path:
    path = folder / "config.txt"
    path.write_text("".join(f"{address}\n" for address in addresses))
    return path


def environment(**changes) -> dict[str, str]:
    return {**os.environ, **changes}
