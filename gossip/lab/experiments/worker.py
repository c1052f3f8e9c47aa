"""Workers: processes that host nodes, as the runner holds them and from inside.

The standard input of each process is a pipe from the runner, and the process ends when its input
ends: so all end with the runner, however it ends. To a peer in a process of its own the runner
writes lines of the peer's console. To a worker it writes these:

    start IP:PORT                            start a node with this address
    start IP:PORT KIND SHARE IP:PORT ...     start a peer that attacks the network (ATTACKS in
                                             accidents.py), and knows these to do the same
    ready                                    say `ready` on standard output: all of them listen
    kill IP:PORT IP:PORT ...                 these nodes die: no last line in a file, sockets shut
    say IP:PORT TEXT                         this peer gossips a text

The main thread of a worker reads. A thread of its own lets new nodes begin, one after the other;
everything else is done by the nodes' own threads.
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

PACE, PACE_LIMIT = 0.05, 1.0  # seconds between two starts, and for all of them, on a process that
# is on time: nodes that start at once join at once, which is hardest, and their generators stay in
# step for ever
SLOWEST = 0.1  # seconds for each start at most, on average, however late this process is
SWITCH_INTERVAL = 0.5  # seconds that a thread may hold the interpreter while others wait for it;
SWITCH_SHARE = 0.02  # at least so many for each node. Each thread that waits wakes up once in this
# time: with the usual 5 ms, hundreds of them do nothing else; and thousands, with 0.5 s
SET_FUTEX_HASH, SLOTS = (78, 1), 8192  # PR_FUTEX_HASH, PR_FUTEX_HASH_SET_SLOTS; a power of two


# As the runner holds them.

class Host:
    """A process that hosts nodes, and the pipe that keeps it alive. It needs nothing but the
    standard library, and without a look for more (-S) it starts sooner."""

    def __init__(self, what: str, arguments: list[str], addresses: list[Address], stdout=None):
        self.what = what
        self.addresses = addresses
        with ctrl_c_withheld():
            self._process = subprocess.Popen([sys.executable, "-S", *arguments],
                                             stdin=subprocess.PIPE, stdout=stdout)
        self.id = self._process.pid
        self._thawer: subprocess.Popen | None = None  # while the process is frozen

    def write(self, text: str) -> None:
        """Write lines to the standard input of the process; lost if it has ended."""
        with contextlib.suppress(OSError):
            self._process.stdin.write(text.encode())
            self._process.stdin.flush()

    def takes_lines(self) -> bool:
        """Return whether a line of up to 4 KiB can be written without waiting."""
        return bool(select.select([], [self._process.stdin], [], 0)[1])

    def freeze(self) -> None:
        """Stop the process where it stands (SIGSTOP). It does not notice the end of its input then:
        a shell waits for that instead, and lets it go on."""
        with ctrl_c_withheld():
            self._thawer = subprocess.Popen(["/bin/sh", "-c", f"read line; kill -CONT {self.id}"],
                                            stdin=subprocess.PIPE)
        self._process.send_signal(signal.SIGSTOP)

    def is_frozen(self) -> bool:
        """Return whether the process stands still."""
        return self._thawer is not None

    def thaw(self) -> None:
        """Let the process go on, if it is frozen."""
        if self._thawer is not None:
            self._process.send_signal(signal.SIGCONT)
            with self._thawer as thawer:
                thawer.kill()
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
        """Return the exit code of a process that has ended, None while it runs."""
        return self._process.poll()

    def cpu(self) -> float:
        """Return the CPU seconds so far; 0 where the system does not tell."""
        fields = self._read("stat").rpartition(")")[2].split()
        return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK") if fields else 0.0

    def size(self) -> tuple[float, int]:
        """Return resident memory (MiB), and threads; (0, 0) where the system does not tell."""
        fields = dict(line.split(":", 1) for line in self._read("status").splitlines())
        return (int(fields.get("VmRSS", "0 kB").split()[0]) / 1024, int(fields.get("Threads", 0)))

    def _read(self, name: str) -> str:
        try:
            return pathlib.Path(f"/proc/{self.id}/{name}").read_text()
        except OSError:
            return ""

    def end(self) -> None:
        """End the input of the process, so that it ends; a frozen one goes on before."""
        self.thaw()
        with contextlib.suppress(OSError):  # it has ended already
            self._process.stdin.close()

    def wait(self, until: float) -> None:
        """Wait for the end of the process until that monotonic time, then kill it."""
        try:
            self._process.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.die()
        if self._process.stdout is not None:
            self._process.stdout.close()


def end_all(hosts: list[Host], seconds: float) -> None:
    """End processes together; kill those that have not ended after so many seconds."""
    until = time.monotonic() + seconds
    for host in hosts:
        host.end()
    for host in hosts:
        host.wait(until)


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
    """A worker: a process of several nodes of one kind, `seed` or `peer`."""

    def __init__(self, kind: str, addresses: list[Address], flags: list[str],
                 roles: dict[Address, Role]):
        """`roles` has those that are to attack the network."""
        super().__init__(f"worker of {len(addresses)} {kind}s",
                         [str(ROOT / "runner.py"), "worker", kind, *flags],
                         addresses, subprocess.PIPE)
        self._roles = roles
        self.start(*addresses)

    def wait_ready(self) -> None:
        """Wait until all nodes listen."""
        self.write("ready\n")
        if not self.read_line():
            raise CommandError(f"a {self.what} could not start", FAILED)

    def kill(self, addresses: list[Address]) -> None:
        """End these peers at once, without a word; a frozen one, when it reads that."""
        self.write(f"kill {' '.join(map(str, addresses))}\n")
        self.thaw()

    def start(self, *addresses: Address) -> None:
        """Start nodes, for the first time or after their death; together they begin in turn."""
        self.write("".join(f"start {address} {self._roles.get(address, '')}\n"
                           for address in addresses))

    def say(self, address: Address, text: str) -> None:
        """Let a peer gossip a text of one line."""
        self.write(f"say {address} {text}\n")


# From inside.

class Worker:
    """Nodes in one process, made by `make_node(node_class, address)`."""

    def __init__(self, node_class: type, make_node: Callable):
        self._node_class = node_class
        self._make_node = make_node
        self._nodes: dict[str, object] = {}  # address -> node
        self._starters: list[threading.Thread] = []  # each lets some of them begin, and ends

    def host(self) -> None:
        """Do what the input says until it ends; then end all nodes, and the process."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the runner, which ends us
        gc.disable()  # hundreds of nodes are millions of objects to look at, while all of them
        # stand still; and they leave next to nothing that only such a search would find
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
                started.append(self._prepare(*rest.split()))
            elif word == "kill":  # together, so that the file of none tells of the end of another
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

    def _prepare(self, named: str, *role: str):
        """Make a node and start its threads, which wait until `go` is called."""
        node_class = (misbehaving(self._node_class, Role.parse(*role)) if role
                      else self._node_class)
        node = self._nodes[named] = self._make_node(node_class, parse_address(named))
        node.all_begun = lambda: not any(starter.is_alive() for starter in self._starters)
        prepare_node(node)
        return node


def widen_futex_table() -> None:
    """Let Linux find one of thousands of threads that wait for locks without a search.

    Since Linux 6.16 each process has a hash table of its own for them, of 16 slots on two
    processors: whoever releases a lock walks past hundreds of threads that wait for other locks.
    An older Linux has one large table for all processes, and refuses the call.
    """
    if sys.platform.startswith("linux"):
        with contextlib.suppress(ImportError):  # a Python built without it works, but slower
            import ctypes
            ctypes.CDLL(None).prctl(*SET_FUTEX_HASH, ctypes.c_ulong(SLOTS), ctypes.c_ulong(0))


def begin_in_turn(nodes: list) -> None:
    """Let nodes begin to work, each as soon as this process is on time after the one before: when a
    short sleep does not last much longer than it should."""
    pace, latest = min(PACE, PACE_LIMIT / len(nodes)), time.monotonic()
    for node in nodes:
        if not node.stopping:
            node.go()
        latest += SLOWEST
        late = True
        while late and (now := time.monotonic()) < latest:
            time.sleep(pace)
            late = time.monotonic() - now > pace + LATE_FROM
