"""Programs as a person starts them: real processes, free ports, output files, terminals.

    with Network(tmp_path, seeds=2) as network:     a folder with a config.txt; ends what it started
        network.start_seeds()                       all seeds, in one process
        peer = network.start_peer("--quiet")
        peer.type("say hello")
        peer.event("generated:")                    waits for the next such event of its file

Every wait has a deadline, after which it fails and shows what there is instead.
"""

import atexit
import contextlib
import itertools
import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]  # where peer.py, seed.py and runner.py are
PORTS = range(10_000, 32_000)  # below those from which kernels draw the ports of dials
PART = 500  # of them for each pytest, or another would take a port that was found free
DEADLINE = 20.0  # seconds for anything, on a busy machine
POLL = 0.01  # seconds between two looks
STAMP = len("2000-01-01 00:00:00.000000:")  # of a line in an output file
QUICK = ("--gossip-count", "0", "--liveness-interval", "0.4", "--antientropy-interval", "0.5",
         "--capacity", "fixed:4")
ONE_NODE = """
import os, socket, sys, time
sys.path.insert(0, sys.argv[1])
from grapevine.addresses import address_of
from grapevine.output import Output
from grapevine.peer import Peer
from grapevine.settings import Settings
from grapevine.worlds.threads import ThreadWorld
port = int(sys.argv[2])
address, world = address_of("127.0.0.1", port), ThreadWorld(address_of("127.0.0.1", port))
output = Output(open(sys.argv[3], "ab", buffering=0))
world.begin(Peer(address, Settings(), output, world, [address_of("127.0.0.1", 9)]))
"""  # the beginning of a program with a peer of its own, which no seed answers


def own_ports(holder: socket.socket):
    """Return the ports of this pytest, in turn and without end. `holder` holds the first of them,
    which tells others that they are taken."""
    for first in PORTS[::PART]:
        with contextlib.suppress(OSError):
            holder.bind(("127.0.0.1", first))
            return itertools.cycle(range(first + 1, first + PART))
    raise OSError("other tests have all ports; try again when they have ended")


HOLDER = socket.socket()
atexit.register(HOLDER.close)
OWN_PORTS = own_ports(HOLDER)


def free_ports(count: int, ip: str = "127.0.0.1") -> list[int]:
    """Return ports on which nobody listens, and that no dial gets by chance."""
    return [free_range(1, ip=ip) for _ in range(count)]


def free_range(count: int, kind: socket.SocketKind = socket.SOCK_STREAM, ip: str = "127.0.0.1"
               ) -> int:
    """Return the first of so many free ports in a row, of TCP or UDP."""
    family = socket.AF_INET6 if ":" in ip else socket.AF_INET
    while True:
        ports = list(itertools.islice(OWN_PORTS, count))
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            for port in ports:
                stack.enter_context(socket.socket(family, kind)).bind((ip, port))
            if ports[-1] - ports[0] == count - 1:  # else they go around the end
                return ports[0]


@contextlib.contextmanager
def silent_port(port: int = 0):
    """Have a port that answers no dial, because the queue of its listener is full."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", port), backlog=0))
        for _ in range(4):
            sock = stack.enter_context(socket.socket())
            sock.setblocking(False)
            sock.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


def wait_until(is_so, seconds: float = DEADLINE, what=lambda: ""):
    """Wait until a call returns something true, and return that. `what()` is shown if none does."""
    until = time.monotonic() + seconds
    while not (found := is_so()):
        assert time.monotonic() < until, f"not within {seconds:g} s: {what()}"
        time.sleep(POLL)
    return found


class OutputFile:
    """The output file of a node, read while it is written."""

    def __init__(self, path: pathlib.Path):
        self.path = path
        self._passed = 0  # events that `event` has passed

    def events(self, start: str = "") -> list[str]:
        """Return the events so far that begin so, each whole."""
        try:
            text = self.path.read_text()
        except FileNotFoundError:
            return []
        events = [line[STAMP:] for line in text[:text.rfind("\n") + 1].splitlines()]
        return [event for event in events if event.startswith(start)]

    def event(self, start: str, seconds: float = DEADLINE) -> str:
        """Wait for the next event that begins so, behind the one found last, and return it."""
        def found() -> list[int]:
            events = self.events()
            return [at + 1 for at in range(self._passed, len(events))
                    if events[at].startswith(start)]

        self._passed = wait_until(found, seconds, lambda: f"{start!r} in {self.path.name}: "
                                                          f"{self.events()[self._passed:]}")[0]
        return self.events()[self._passed - 1]

    def has(self, start: str, count: int = 1, seconds: float = DEADLINE) -> None:
        """Wait until so many events begin so."""
        wait_until(lambda: len(self.events(start)) >= count, seconds,
                   lambda: f"{count} of {start!r} in {self.path.name}: {self.events()[-30:]}")


class Program:
    """A process, the text that it has shown, and what is typed."""

    def __init__(self, arguments: list, screen: pathlib.Path, **options):
        self.screen = screen
        with open(screen, "wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, *map(str, arguments)],
                **{"stdin": subprocess.PIPE, "stdout": file, "stderr": subprocess.STDOUT,
                   **options})

    def type(self, *lines: str) -> None:
        data = "".join(f"{line}\n" for line in lines).encode()
        typist = threading.Thread(target=self._type, args=(data,), daemon=True)
        typist.start()
        typist.join(DEADLINE)
        assert not typist.is_alive(), f"it reads no input: {self.shown()[-2000:]}"

    def _type(self, data: bytes) -> None:
        with contextlib.suppress(OSError):  # it has ended
            self.process.stdin.write(data)
            self.process.stdin.flush()

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def shown(self) -> str:
        return self.screen.read_text(errors="replace")

    def shows(self, text: str, seconds: float = DEADLINE) -> None:
        """Wait until it has shown a text."""
        wait_until(lambda: text in self.shown(), seconds,
                   lambda: f"{text!r} on the screen: {self.shown()[-2000:]}")

    def code(self, seconds: float = DEADLINE) -> int:
        """Wait for its end, and return the exit code."""
        wait_until(lambda: self.process.poll() is not None, seconds,
                   lambda: f"it runs on: {self.shown()[-2000:]}")
        return self.process.returncode

    def close(self) -> None:
        self.kill()
        if self.process.stdin is not None:
            with contextlib.suppress(OSError):
                self.process.stdin.close()


class Node(Program, OutputFile):
    """The process of one node, with its output file."""

    def __init__(self, arguments: list, screen: pathlib.Path, address: str, output: pathlib.Path,
                 **options):
        Program.__init__(self, arguments, screen, **options)
        OutputFile.__init__(self, output)
        self.address = address


def link_all(peers: list) -> None:
    """Wait until the output file of each peer tells of links to all others."""
    for one, other in itertools.permutations(peers, 2):
        one.has(f"connected:{other.address}")


class Network:
    """Seeds and peers of a test on one IP. What is still running at the end is killed."""

    def __init__(self, folder: pathlib.Path, seeds: int = 1, ip: str = "127.0.0.1"):
        self.folder, self.ip = folder, ip
        self.wrapper: list = []  # arguments that stand before the name of each program
        self.config, self.outputs = folder / "config.txt", folder / "outputs"
        self.seed_addresses = [self._address(port) for port in free_ports(seeds, ip)]
        self.config.write_text("".join(f"{seed}\n" for seed in self.seed_addresses))
        self.seeds = [OutputFile(self._output("seed", seed)) for seed in self.seed_addresses]
        self.peers: list[Node] = []
        self.programs: list[Program] = []

    def _address(self, port: int) -> str:
        return f"[{self.ip}]:{port}" if ":" in self.ip else f"{self.ip}:{port}"

    def _output(self, kind: str, address: str) -> pathlib.Path:
        host, _, port = address.rpartition(":")
        return self.outputs / f"{kind}_{host.strip('[]').replace(':', '-')}_{port}.txt"

    def _arguments(self, program: str, *flags) -> list:
        return [*self.wrapper, ROOT / program, "--config", self.config, "--outputs", self.outputs,
                *flags]

    def _screen(self) -> pathlib.Path:
        return self.folder / f"screen_{len(self.programs)}.txt"

    def start(self, program: str, *flags, **options) -> Program:
        """Start a program of this network."""
        return self.start_python(*self._arguments(program, *flags), **options)

    def start_python(self, *arguments, **options) -> Program:
        """Start any program, which ends with the network."""
        self.programs.append(Program(arguments, self._screen(), **options))
        return self.programs[-1]

    def start_node(self, program: str, port: int, output: str = os.devnull, *before) -> Program:
        """Start a program that begins as ONE_NODE; `before` are arguments of Python's own."""
        file = self.folder / "program.py"
        file.write_text(ONE_NODE + program)
        return self.start_python(*before, file, ROOT, port, output)

    def start_seeds(self) -> Program:
        """Start all seeds in one process, and wait until they are up."""
        program = self.start("seed.py", "--quiet", "--liveness-interval", "0.5")
        for seed in self.seeds:
            seed.event("started:")
        return program

    def start_peer(self, *flags, port: int = 0, **options) -> Node:
        """Start a peer that gossips quickly and says nothing on its own account."""
        port = port or free_ports(1, self.ip)[0]
        address = self._address(port)
        where = [port] if self.ip == "127.0.0.1" else [self.ip, port]
        peer = Node(self._arguments("peer.py", *where, *QUICK, *flags), self._screen(), address,
                    self._output("peer", address), **options)
        self.programs.append(peer)
        self.peers.append(peer)
        return peer

    def start_peers(self, count: int, *flags) -> list[Node]:
        """Start peers, and wait until each is linked to all others."""
        peers = [self.start_peer(*flags) for _ in range(count)]
        link_all(peers)
        return peers

    def __enter__(self) -> "Network":
        return self

    def __exit__(self, *_) -> None:
        for program in self.programs:
            program.close()


def is_clean(text: str) -> bool:
    """Tell whether a program has shown neither a traceback nor an error of the interpreter."""
    return not any(word in text for word in ("Traceback", "Exception", "Fatal Python", "Error"))
