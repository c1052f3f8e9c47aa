"""Processes that host nodes, as the runner holds them and from inside.

The standard input of each process is a pipe from the runner. A process ends when its input ends, so
all end with the runner, however it ends. The runner writes lines of the console to a peer in its
own process, and these lines to a worker:

    start IP:PORT                            start a node
    start IP:PORT KIND SHARE IP:PORT ...     start an attacker, which knows its accomplices
    ready                                    say `ready` on standard output when all of them listen
    kill IP:PORT IP:PORT ...                 let nodes die: no last line in a file, sockets shut
    say IP:PORT TEXT                         let a peer gossip a text

The main thread of a worker reads, and another thread lets new nodes begin, one after the other.
"""

import contextlib
import gc
import os
import pathlib
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable

from gossip.addresses import Address, parse_address
from gossip.lab.experiments.accidents import Role
from gossip.lab.experiments.attackers import misbehaving
from gossip.node.node import die_together
from gossip.programs.starting import prepare_node
from gossip.settings import LATE_FROM
from gossip.terminal.command_line import FAILED, ROOT, CommandError, show
from gossip.terminal.input import Keyboard, ctrl_c_withheld

PACE, PACE_LIMIT = 0.05, 1.0  # seconds between two starts, and for all of them, in a process that
# is on time, because nodes that start at once join at once, and their generators stay in step
SLOWEST = 0.1  # seconds for each start at most, on average, however late this process is
SWITCH_INTERVAL = 0.5  # seconds that a thread may hold the interpreter while others wait for it;
SWITCH_SHARE = 0.02  # at least this for each node. Each waiting thread wakes up once in this time:
# with the usual 5 ms, hundreds of threads do nothing else, and with 0.5 s thousands
SET_FUTEX_HASH, SLOTS = (78, 1), 8192  # PR_FUTEX_HASH, PR_FUTEX_HASH_SET_SLOTS; a power of two


class Host:
    """A process that hosts nodes, and the pipe that keeps it alive."""

    def __init__(self, what: str, arguments: list[str], addresses: list[Address], stdout=None):
        self.what = what
        self.addresses = addresses
        with ctrl_c_withheld():  # -S: nothing but the standard library, so it starts sooner
            self._process = subprocess.Popen([sys.executable, "-S", *arguments],
                                             stdin=subprocess.PIPE, stdout=stdout)
        self.id = self._process.pid
        self._thawer: subprocess.Popen | None = None  # while the process is frozen

    def write(self, text: str) -> None:
        """Write lines to the process, if it has not ended."""
        with contextlib.suppress(OSError):
            self._process.stdin.write(text.encode())
            self._process.stdin.flush()

    def takes_lines(self) -> bool:
        """Tell whether up to 4 KiB can be written without waiting."""
        return os.name != "posix" or bool(select.select([], [self._process.stdin], [], 0)[1])

    def freeze(self) -> None:
        """Stop the process (SIGSTOP). A shell waits for the end of its input in its place, and lets
        it go on then."""
        with ctrl_c_withheld():
            self._thawer = subprocess.Popen(["/bin/sh", "-c", f"read line; kill -CONT {self.id}"],
                                            stdin=subprocess.PIPE)
        self._process.send_signal(signal.SIGSTOP)

    def is_frozen(self) -> bool:
        return self._thawer is not None

    def thaw(self) -> None:
        if self._thawer is not None:
            self._process.send_signal(signal.SIGCONT)
            with self._thawer as thawer:
                thawer.kill()
            self._thawer = None

    def read_line(self) -> str:
        """Wait for a line of the standard output. Empty at its end."""
        return self._process.stdout.readline().decode()

    def die(self) -> None:
        self._process.kill()
        self._process.wait()
        self.end()

    def ended(self) -> int | None:
        """Return the exit code, None while the process runs."""
        return self._process.poll()

    def cpu(self) -> float:
        """Return the CPU seconds so far. 0 where the system does not tell."""
        fields = self._read("stat").rpartition(")")[2].split()
        return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK") if fields else 0.0

    def size(self) -> tuple[float, int]:
        """Return resident memory (MiB) and threads. (0, 0) where the system does not tell."""
        fields = dict(line.split(":", 1) for line in self._read("status").splitlines())
        return (int(fields.get("VmRSS", "0 kB").split()[0]) / 1024, int(fields.get("Threads", 0)))

    def _read(self, name: str) -> str:
        try:
            return pathlib.Path(f"/proc/{self.id}/{name}").read_text()
        except OSError:
            return ""

    def end(self) -> None:
        """End the input of the process, so that it ends."""
        self.thaw()
        with contextlib.suppress(OSError):  # it has ended already
            self._process.stdin.close()

    def wait(self, until: float) -> None:
        """Wait for the end of the process `until` then, or kill it."""
        try:
            self._process.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.die()
        if self._process.stdout is not None:
            self._process.stdout.close()


def end_all(hosts: list[Host], seconds: float) -> None:
    """End processes together, and kill processes that take longer than `seconds`."""
    until = time.monotonic() + seconds
    for host in hosts:
        host.end()
    for host in hosts:
        host.wait(until)


class PeerProcess(Host):
    """The process of a single peer, peer.py."""

    def __init__(self, address: Address, flags: list[str], stdout=subprocess.DEVNULL):
        super().__init__(f"peer {address}", [str(ROOT / "peer.py"), str(address.port),
                                             "--quiet", "--end-with-input", *flags],
                         [address], stdout)

    def kill(self, addresses: list[Address]) -> None:
        self.die()

    def say(self, address: Address, text: str) -> None:
        self.write(f"say {text}\n")


class WorkerProcess(Host):
    """The process of several seeds, or peers, with the roles of attackers."""

    def __init__(self, kind: str, addresses: list[Address], flags: list[str],
                 roles: dict[Address, Role]):
        super().__init__(f"worker of {len(addresses)} {kind}s",
                         [str(ROOT / "runner.py"), "worker", kind, *flags],
                         addresses, subprocess.PIPE)
        self._roles = roles
        self.start(*addresses)

    def wait_ready(self) -> None:
        self.write("ready\n")
        if not self.read_line():
            raise CommandError(f"a {self.what} could not start", FAILED)

    def kill(self, addresses: list[Address]) -> None:
        """Kill nodes. A frozen worker is thawed, so that it reads the order."""
        self.write(f"kill {' '.join(map(str, addresses))}\n")
        self.thaw()

    def start(self, *addresses: Address) -> None:
        """Start nodes, which then begin in turn."""
        self.write("".join(f"start {address} {self._roles.get(address, '')}\n"
                           for address in addresses))

    def say(self, address: Address, text: str) -> None:
        self.write(f"say {address} {text}\n")


class Worker:
    """The nodes of this process, made by `make_node(node_class, address)`."""

    def __init__(self, node_class: type, make_node: Callable):
        self._node_class = node_class
        self._make_node = make_node
        self._nodes: dict[str, object] = {}  # address -> node
        self._starters: list[threading.Thread] = []  # each lets some of them begin, and ends

    def host(self) -> None:
        """Do what the input says, then end all nodes and the process."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the runner, which ends us
        gc.disable()  # hundreds of nodes are millions of objects to search while all nodes stand
        # still, and next to none of these objects are in cycles
        widen_futex_table()
        keyboard = Keyboard()
        while (lines := keyboard.lines()) is not None:
            self._carry_out([line.decode(errors="replace") for line in lines])
        for node in self._nodes.values():
            node.stopping = True  # thousands of threads that begin would delay the lines
        for node in self._nodes.values():
            node.output.finish("stopped:interrupted")
        os._exit(0)

    def _carry_out(self, lines: list[str]) -> None:
        started = []
        for line in lines:
            word, _, rest = line.partition(" ")
            if word == "start":
                named, *role = rest.split()
                node_class = (misbehaving(self._node_class, Role.parse(*role)) if role
                              else self._node_class)
                node = self._nodes[named] = self._make_node(node_class, parse_address(named))
                node.all_begun = lambda: not any(starter.is_alive() for starter in self._starters)
                prepare_node(node)  # its threads wait for `go`
                started.append(node)
            elif word == "kill":  # together, so that no file tells of the end of another node
                die_together([self._nodes.pop(address) for address in rest.split()])
            elif word == "say":
                address, _, text = rest.partition(" ")
                self._nodes[address].gossip([text])
            elif word == "ready":
                show("ready")
        sys.setswitchinterval(max(SWITCH_INTERVAL, SWITCH_SHARE * len(self._nodes)))
        if started:
            self._starters.append(threading.Thread(target=begin_in_turn, args=(started,),
                                                   name="starter", daemon=True))
            self._starters[-1].start()


def widen_futex_table() -> None:
    """Give this process a larger table of threads that wait for locks.

    Since Linux 6.16 each process has its own, of 16 slots on two processors, so that each release
    of a lock walks past hundreds of threads that wait for others. An older Linux refuses the call.
    """
    if sys.platform.startswith("linux"):
        # a Python or a system without it works, but slower
        with contextlib.suppress(ImportError, MemoryError, OSError, AttributeError):
            import ctypes
            ctypes.CDLL(None).prctl(*SET_FUTEX_HASH, ctypes.c_ulong(SLOTS), ctypes.c_ulong(0))


def begin_in_turn(nodes: list) -> None:
    """Let nodes begin to work, each once this process is on time. Then a short sleep does not last
    much longer than it should."""
    pace, latest = min(PACE, PACE_LIMIT / len(nodes)), time.monotonic()
    for node in nodes:
        if not node.stopping:
            node.go()
        latest += SLOWEST
        late = True
        while late and (now := time.monotonic()) < latest:
            time.sleep(pace)
            late = time.monotonic() - now > pace + LATE_FROM
