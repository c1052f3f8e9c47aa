"""Network namespaces made by tests: machines with networks of their own, and cables to cut.

A namespace belongs to a thread of the test; what that thread opens or starts lives in it. Nothing
is named, so nothing is left behind: the kernel takes a namespace, and every interface in it, away
with the last thread, process and socket. Tests are skipped where none can be made.
"""

import concurrent.futures
import ctypes
import itertools
import os
import pathlib
import shutil
import subprocess
import sys
import threading

import pytest

CLONE_NEWNET, CLONE_NEWNS = 0x40000000, 0x00020000


class Namespace:
    """A network of its own, with a loopback and nothing else, and the thread that is in it."""

    def __init__(self):
        if sys.platform != "linux" or shutil.which("ip") is None:
            pytest.skip("network namespaces need Linux, and the command ip")
        self._worker = concurrent.futures.ThreadPoolExecutor(1, "namespace")
        try:
            self.do(_unshare, CLONE_NEWNET)
        except OSError as error:
            self.close()
            pytest.skip(f"a network namespace cannot be made here: {error.strerror}")
        self.ip("link", "set", "lo", "up")

    def do(self, function, *args, **options):
        """Call a function within; sockets and processes that it makes stay there."""
        return self._worker.submit(function, *args, **options).result()

    def ip(self, *arguments: str) -> None:
        """Call the command ip within."""
        try:
            self.do(subprocess.run, ["ip", *arguments], check=True, capture_output=True, text=True,
                    timeout=10)
        except subprocess.CalledProcessError as error:
            if arguments[:2] != ("link", "add"):
                raise
            pytest.skip(f"interfaces cannot be made here: {error.stderr.strip()}")

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

    def native_id(self) -> str:
        return str(self.do(threading.get_native_id))

    def close(self) -> None:
        self._worker.shutdown()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def _unshare(what: int) -> None:
    """Give the calling thread, and only it, a new network, or mounts of its own."""
    if ctypes.CDLL(None, use_errno=True).unshare(what):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


class Switch:
    """An Ethernet switch, to which machines are connected: a namespace each. Addresses outlast a
    cable that is cut, so programs on one machine go on talking."""

    def __init__(self):
        self._own, self._ports = Namespace(), itertools.count()
        self._own.ip("link", "add", "switch", "type", "bridge")
        self._own.ip("link", "set", "switch", "up")

    def machine(self, ip: str) -> Namespace:
        """Make a machine with this address, and connect it."""
        machine, port = Namespace(), f"port{next(self._ports)}"
        there = self._own.native_id()
        machine.ip("link", "add", "eth0", "type", "veth", "peer", port, "netns", there)
        machine.ip("address", "add", f"{ip}/24", "dev", "eth0")
        machine.ip("link", "set", "eth0", "up")
        self._own.ip("link", "set", port, "master", "switch", "up")
        return machine

    def cut(self, number: int) -> None:
        """Cut the cable of a machine, counted from 0."""
        self._own.ip("link", "set", f"port{number}", "down")

    def mend(self, number: int) -> None:
        self._own.ip("link", "set", f"port{number}", "up")

    def close(self) -> None:
        self._own.close()
