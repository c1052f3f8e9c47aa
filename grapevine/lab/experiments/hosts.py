"""Processes that host nodes, as the runner holds them.

The standard input of each is a pipe from the runner. A process ends when its input ends, so that
all end with the runner, however it ends (before Python 3.11, unless one is frozen).
"""

import contextlib
import os
import pathlib
import select
import signal
import subprocess
import sys
import time
from collections.abc import Collection

from grapevine.addresses import Address
from grapevine.lab.attackers import Role
from grapevine.terminal.command_line import FAILED, HOME, PYTHON, CommandError

CRASHES = {signal.SIGABRT, signal.SIGSEGV, signal.SIGILL, signal.SIGFPE}  # that end a process
CAN_FREEZE = hasattr(signal, "SIGSTOP")  # Windows has none
# Ctrl-C is for the runner. The system wakes and ends a frozen process of a group whose parent has
# died, but not one of a session of its own
APART = {"process_group": 0} if sys.version_info >= (3, 11) else {"start_new_session": True}


class Host:
    """A process that hosts nodes; `what` it is in words."""

    def __init__(self, what: str, arguments: list[str], stdout):
        self.what, self.is_frozen = what, False
        program, *others = arguments
        self.process = subprocess.Popen([*PYTHON, os.path.join(HOME, program), *others],
                                        stdin=subprocess.PIPE, stdout=stdout, **APART)

    def takes(self) -> bool:
        """Tell whether a line can be written without waiting, as far as the system says."""
        if not CAN_FREEZE:
            return True
        writable = select.poll()
        writable.register(self.process.stdin, select.POLLOUT)
        return bool(writable.poll(0))

    def write(self, text: str) -> None:
        """Write lines to the process, unless it has ended."""
        with contextlib.suppress(OSError):
            self.process.stdin.write(text.encode())
            self.process.stdin.flush()

    def freeze(self) -> None:
        self.is_frozen = True
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        if self.is_frozen:
            self.is_frozen = False
            self.process.send_signal(signal.SIGCONT)

    def die(self) -> None:
        self.process.kill()
        self.process.wait()
        self.is_frozen = False

    def has_failed(self) -> bool:
        """Tell whether the process ended by an error of its own, and nobody killed it."""
        code = self.process.poll() or 0
        return code > 0 or -code in CRASHES

    def end(self) -> None:
        """End the input of the process, so that it ends."""
        self.thaw()
        with contextlib.suppress(OSError):  # it has ended already
            self.process.stdin.close()


def end_all(hosts: Collection[Host], seconds: float) -> None:
    """End processes together, and kill those that take longer."""
    until = time.monotonic() + seconds
    for host in hosts:
        host.end()
    for host in hosts:
        try:
            host.process.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            host.die()
        if host.process.stdout is not None:
            host.process.stdout.close()


def usage(hosts: Collection[Host]) -> tuple[float, float, float]:
    """Return the CPU seconds of all processes, and the mean MiB and threads of one; zeros where the
    system does not tell."""
    paths = [pathlib.Path(f"/proc/{host.process.pid}/stat") for host in hosts]
    stats = [path.read_text().rpartition(")")[2].split() for path in paths if path.exists()]
    if not stats:
        return 0.0, 0.0, 0.0
    cpu, size, threads = (sum(int(stat[at]) for stat in stats for at in fields)
                          for fields in ((11, 12), (21,), (17,)))
    return (cpu / os.sysconf("SC_CLK_TCK"),
            size * os.sysconf("SC_PAGE_SIZE") / 2**20 / len(stats), threads / len(stats))


class PeerProcess(Host):
    """The process of a single peer, as a person starts it."""

    def __init__(self, address: Address, flags: list[str], stdout=subprocess.DEVNULL):
        super().__init__(f"peer {address}", ["peer.py", str(address.port), "--host", address.ip,
                                             "--quiet", "--end-with-input", *flags], stdout)

    def kill(self, addresses: list[Address]) -> None:
        self.die()

    def say(self, address: Address, text: str) -> None:
        self.write(f"say {text}\n")


class WorkerProcess(Host):
    """A worker (worker.py) with several seeds, or peers, of which some may attack."""

    def __init__(self, kind: str, addresses: list[Address], flags: list[str],
                 roles: dict[Address, Role]):
        super().__init__(f"worker of {len(addresses)} {kind}s", ["runner.py", "worker", *flags],
                         subprocess.PIPE)
        self._kind, self._roles = kind, roles
        self.start(*addresses)

    def start(self, *addresses: Address) -> None:
        self.write("".join(f"{self._kind} {address} {self._roles.get(address, '')}".rstrip() + "\n"
                           for address in addresses))

    def wait_ready(self) -> None:
        """Wait until all its nodes listen. CommandError if they cannot."""
        self.write("ready\n")
        if not self.process.stdout.readline():
            raise CommandError(f"a {self.what} could not start", FAILED)

    def kill(self, addresses: list[Address]) -> None:
        self.write(f"kill {' '.join(map(str, addresses))}\n")
        self.thaw()  # or it would not read that

    def say(self, address: Address, text: str) -> None:
        self.write(f"say {address} {text}\n")
