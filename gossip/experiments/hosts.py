"""Hosts: the processes of a network, as the runner holds them.

The standard input of each is a pipe from here, and each ends when its input ends: so all end with
this process, however it ends. What is written there are lines: to a worker those of worker.py, to a
peer in a process of its own those of its console.
"""

import os
import pathlib
import select
import signal
import subprocess
import sys
import time

from gossip.addresses import Address
from gossip.experiments.malice import Role
from gossip.terminal.command_line import FAILED, ROOT, CommandError
from gossip.terminal.input import ctrl_c_withheld


class Host:
    """A process that hosts nodes, and the pipe that keeps it alive."""

    def __init__(self, what: str, arguments: list[str], addresses: list[Address], stdout=None):
        self.what = what
        self.addresses = addresses
        with ctrl_c_withheld():
            self._process = subprocess.Popen([sys.executable, *arguments], stdin=subprocess.PIPE,
                                             stdout=stdout)
        self.id = self._process.pid
        self._thawer: subprocess.Popen | None = None  # while the process is frozen

    def write(self, text: str) -> None:
        """Write lines to the standard input of the process, if it still reads them."""
        try:
            self._process.stdin.write(text.encode())
            self._process.stdin.flush()
        except OSError:
            pass  # it has ended: `ended` tells

    def takes_lines(self) -> bool:
        """Whether a line of up to 4 KiB can be written without waiting."""
        return bool(select.select([], [self._process.stdin], [], 0)[1])

    def freeze(self) -> None:
        """Stop the process where it stands (SIGSTOP). It does not notice the end of its input then:
        a shell waits for that instead, and lets it go on."""
        with ctrl_c_withheld():
            self._thawer = subprocess.Popen(["/bin/sh", "-c", f"read line; kill -CONT {self.id}"],
                                            stdin=subprocess.PIPE)
        self._process.send_signal(signal.SIGSTOP)

    def is_frozen(self) -> bool:
        """Whether the process stands still."""
        return self._thawer is not None

    def thaw(self) -> None:
        """Let the process go on, if it is frozen."""
        if self._thawer is not None:
            self._process.send_signal(signal.SIGCONT)
            self._thawer.kill()
            self._thawer.wait()
            self._thawer.stdin.close()
            self._thawer = None

    def read_line(self) -> str:
        """Wait for a line of the standard output; empty at its end."""
        return self._process.stdout.readline().decode()

    def die(self) -> None:
        """End the process without a word."""
        self._process.kill()
        self._process.wait()
        self.end()

    def ended(self) -> int | None:
        """The exit code of a process that has ended, None while it runs."""
        return self._process.poll()

    def cpu(self) -> float:
        """CPU seconds so far; 0 where the system does not tell."""
        fields = self._read("stat").rpartition(")")[2].split()
        return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK") if fields else 0.0

    def size(self) -> tuple[float, int]:
        """Resident memory in MiB, and threads; (0, 0) where the system does not tell."""
        fields = dict(line.split(":", 1) for line in self._read("status").splitlines())
        return (int(fields.get("VmRSS", "0 kB").split()[0]) / 1024, int(fields.get("Threads", 0)))

    def _read(self, name: str) -> str:
        """Return the figures that the system has of the process; empty without any."""
        try:
            return pathlib.Path(f"/proc/{self.id}/{name}").read_text()
        except OSError:
            return ""

    def end(self) -> None:
        """End the input of the process, so that it ends; a frozen one goes on before."""
        self.thaw()
        try:
            self._process.stdin.close()
        except OSError:
            pass  # it has ended already

    def wait(self, until: float) -> None:
        """Wait for the end of the process until that monotonic time, then kill it."""
        try:
            self._process.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


class PeerProcess(Host):
    """A process of one peer: peer.py."""

    def __init__(self, address: Address, flags: list[str], stdout=subprocess.DEVNULL):
        super().__init__(f"peer {address}", [str(ROOT / "peer.py"), str(address.port),
                                             "--quiet", "--end-with-input", *flags],
                         [address], stdout)

    def kill(self, addresses: list[Address]) -> None:
        """End the peer without a word."""
        self.die()

    def say(self, address: Address, text: str) -> None:
        """Let the peer gossip a text of one line."""
        self.write(f"say {text}\n")


class WorkerProcess(Host):
    """A process of several nodes of one kind, `seed` or `peer`: a worker (worker.py)."""

    def __init__(self, kind: str, addresses: list[Address], flags: list[str],
                 roles: dict[Address, Role] | None = None):
        """`roles` has those that are to attack the network."""
        roles = roles or {}
        super().__init__(f"worker of {len(addresses)} {kind}s",
                         [str(ROOT / "runner.py"), "worker", kind, *flags],
                         addresses, subprocess.PIPE)
        self.write("".join(_start(address, roles.get(address)) for address in addresses))

    def wait_ready(self) -> None:
        """Wait until all nodes listen."""
        self.write("ready\n")
        if not self.read_line():
            raise CommandError(f"a {self.what} could not start", FAILED)

    def kill(self, addresses: list[Address]) -> None:
        """End these peers at once, without a word; a frozen one, when it reads that."""
        self.write(f"kill {' '.join(map(str, addresses))}\n")
        self.thaw()

    def start(self, address: Address, role: Role | None) -> None:
        """Start a node here that has died here."""
        self.write(_start(address, role))

    def say(self, address: Address, text: str) -> None:
        """Let a peer gossip a text of one line."""
        self.write(f"say {address} {text}\n")


def _start(address: Address, role: Role | None) -> str:
    """The line that starts a node."""
    return f"start {address}{'' if role is None else f' {role}'}\n"
