"""Network namespaces made by tests: networks of their own that lose, delay, and can be cut.

A namespace belongs to a thread of the test; what that thread opens or starts lives in it. Nothing
is named or mounted, so nothing is left behind: the kernel takes a namespace, and every interface
in it, away with the last thread, process and socket. Tests are skipped where none can be made.
"""

import collections
import concurrent.futures
import ctypes
import heapq
import itertools
import os
import pathlib
import random
import selectors
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time

import pytest

fcntl = pytest.importorskip("fcntl")

CLONE_NEWNET, CLONE_NEWNS = 0x40000000, 0x00020000
SIOCSIFFLAGS, IFF_UP = 0x8914, 1
LARGEST = 65_536  # bytes: no datagram is longer


class Namespace:
    """A network of its own, with a loopback and nothing else, and the thread that is in it."""

    def __init__(self):
        if sys.platform != "linux":
            pytest.skip("only Linux has network namespaces")
        self._worker = concurrent.futures.ThreadPoolExecutor(1, "namespace")
        try:
            self.do(_unshare, CLONE_NEWNET)
            self.do(_bring_loopback_up)
        except OSError as error:
            self.close()
            pytest.skip(f"a network namespace cannot be made here: {error.strerror}")

    def do(self, function, *args, **options):
        """Call a function within; sockets and processes that it makes stay there."""
        return self._worker.submit(function, *args, **options).result()

    def udp_socket(self, port: int) -> socket.socket:
        """A datagram socket on a port of the loopback."""
        sock = self.do(socket.socket, socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind(("127.0.0.1", port))
        return sock

    def ip(self, *arguments: str) -> None:
        """Call the command ip within."""
        self.do(subprocess.run, ["ip", *arguments], check=True, capture_output=True, text=True,
                timeout=10)

    def know_hosts(self, file: pathlib.Path) -> None:
        """From now on names of hosts are looked up in that file alone, which may change."""
        try:
            self.do(_unshare, CLONE_NEWNS)
            for command in (["--make-rprivate", "/"], ["--bind", str(file), "/etc/hosts"],
                            ["--bind", os.devnull, "/etc/resolv.conf"]):
                self.do(subprocess.run, ["mount", *command], check=True, capture_output=True,
                        text=True, timeout=10)
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"mounts cannot be made here: {getattr(error, 'stderr', error)}")

    def close(self) -> None:
        self._worker.shutdown()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()


def _unshare(what: int) -> None:
    """Give the calling thread, and only it, a new network, or mounts of its own."""
    if ctypes.CDLL(None, use_errno=True).unshare(what):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def _bring_loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        fcntl.ioctl(sock, SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", IFF_UP))


class Cable:
    """An Ethernet cable between two namespaces, which can be cut and mended.

    Addresses outlast a cut, so programs at the same end go on talking. While it lasts, a dial
    from `one` fails at once, as there is no way across; a dial from `other` has no answer.
    """

    def __init__(self, one: Namespace, one_ip: str, other: Namespace, other_ip: str):
        if shutil.which("ip") is None:
            pytest.skip("a cable between namespaces needs the command ip")
        self._one = one
        there = str(other.do(threading.get_native_id))
        try:
            one.ip("link", "add", "cable", "type", "veth", "peer", "cable", "netns", there)
        except subprocess.CalledProcessError as error:
            pytest.skip(f"a cable between namespaces cannot be made here: {error.stderr.strip()}")
        for end, ip in ((one, one_ip), (other, other_ip)):
            end.ip("address", "add", f"{ip}/24", "dev", "cable")
            end.ip("link", "set", "cable", "up")

    def cut(self) -> None:
        self._one.ip("link", "set", "cable", "down")

    def mend(self) -> None:
        self._one.ip("link", "set", "cable", "up")


class Switch:
    """An Ethernet switch, to which machines are connected: a namespace each."""

    def __init__(self):
        if shutil.which("ip") is None:
            pytest.skip("a switch between namespaces needs the command ip")
        self._own = Namespace()
        self._ports = itertools.count()
        try:
            self._own.ip("link", "add", "switch", "type", "bridge")
        except subprocess.CalledProcessError as error:
            self.close()
            pytest.skip(f"a switch between namespaces cannot be made here: {error.stderr.strip()}")
        self._own.ip("link", "set", "switch", "up")

    def machine(self, *ips: str) -> Namespace:
        """Make a machine with these addresses, and connect it."""
        machine, port = Namespace(), f"port{next(self._ports)}"
        there = str(self._own.do(threading.get_native_id))
        machine.ip("link", "add", "eth0", "type", "veth", "peer", port, "netns", there)
        for ip in ips:
            length = ["64", "nodad"] if ":" in ip else ["24"]
            machine.ip("address", "add", f"{ip}/{length[0]}", "dev", "eth0", *length[1:])
        machine.ip("link", "set", "eth0", "up")
        self._own.ip("link", "set", port, "master", "switch", "up")
        return machine

    def cut(self, number: int) -> None:
        """Cut the cable of a machine, counted from 0; its addresses outlast that."""
        self._own.ip("link", "set", f"port{number}", "down")

    def mend(self, number: int) -> None:
        self._own.ip("link", "set", f"port{number}", "up")

    def close(self) -> None:
        self._own.close()


class Relay:
    """Carries datagrams between sockets in different namespaces, badly.

    One thread for all of them. `counts` tells how many it has taken, and of those how many were
    silenced, lost, doubled and delayed.
    """

    def __init__(self, rng: random.Random, lost: float = 0.2, doubled: float = 0.1,
                 delayed: float = 0.2, longest: float = 0.02):
        self._rng = rng
        self._lost, self._doubled, self._delayed = lost, doubled, delayed
        self._longest = longest  # seconds of delay
        self.counts = collections.Counter()
        self.silent = False  # while set, everything is lost
        self._ways: dict[socket.socket, tuple] = {}  # where from -> (where to, for which address)
        self._later: list[tuple] = []  # a heap: (when, serial, where to, address, data)
        self._serials = itertools.count()  # datagrams due at the same time are not compared
        self._waker, self._woken = socket.socketpair()
        self._thread = threading.Thread(target=self._run, name="relay")

    def join(self, one: socket.socket, one_end: tuple[str, int],
             other: socket.socket, other_end: tuple[str, int]) -> None:
        """What comes to a socket goes out of the other one, to the address at that end. Called
        before `start`. From now on the relay owns the sockets."""
        for sock in (one, other):
            sock.setblocking(False)
        self._ways[one] = (other, other_end)
        self._ways[other] = (one, one_end)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._waker.close()
        if self._thread.is_alive():
            self._thread.join(10)
        for sock in (self._woken, *self._ways):
            sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def _run(self) -> None:
        with selectors.DefaultSelector() as selector:
            for sock in (self._woken, *self._ways):
                selector.register(sock, selectors.EVENT_READ)
            while True:
                wait = self._later[0][0] - time.monotonic() if self._later else None
                for key, _ in selector.select(None if wait is None else max(0.0, wait)):
                    if key.fileobj is self._woken:
                        return
                    self._take(key.fileobj)
                self._send_due()

    def _take(self, sock: socket.socket) -> None:
        """Decide what becomes of one datagram."""
        data = sock.recv(LARGEST)
        self.counts["taken"] += 1
        if self.silent:
            self.counts["silenced"] += 1
            return
        if self._happens("lost", self._lost):
            return
        copies = 2 if self._happens("doubled", self._doubled) else 1
        for _ in range(copies):
            if self._happens("delayed", self._delayed):
                due = time.monotonic() + self._rng.uniform(0.001, self._longest)
                heapq.heappush(self._later, (due, next(self._serials), *self._ways[sock], data))
            else:
                self._send(*self._ways[sock], data)

    def _happens(self, what: str, probability: float) -> bool:
        happens = self._rng.random() < probability
        self.counts[what] += happens
        return happens

    def _send_due(self) -> None:
        now = time.monotonic()
        while self._later and self._later[0][0] <= now:
            self._send(*heapq.heappop(self._later)[2:])

    def _send(self, sock: socket.socket, address, data: bytes) -> None:
        try:
            sock.sendto(data, address)
        except BlockingIOError:
            self.counts["lost"] += 1
