"""The experiment runner.py module: a network of gossip modules, proved by what clients are told.

Every module is a process with one client, which subscribes and validates. Everyone announces;
the bootstrapper and a third of the others are killed; when the view of the others is one piece
again, everyone announces again. Who is whose neighbour is read from the output files.
"""

import collections
import pathlib
import random
import subprocess
import sys
import tempfile
import threading
import time

from gossip.command_line import FAILED, ROOT, CommandError, show
from gossip.module.client import Client
from gossip.pieces import Pieces
from gossip.signals import End

DATA_TYPE = 1337
LOOK = 0.05  # seconds between two looks at the output files
UP_LIMIT = 30.0  # seconds until all listen
JOIN_LIMIT = 60.0  # seconds until the view is one piece
DELIVER_LIMIT = 30.0  # seconds until all is delivered
STILL = 1.0  # seconds in which nothing may come twice at the end


class Experiment:
    """Modules, their clients, and what those were told."""

    def __init__(self, args, folder: pathlib.Path, end: End):
        self._args = args
        self._folder = folder
        self._end = end
        self._rng = random.Random()
        self._processes: dict[int, subprocess.Popen] = {}
        self._clients: dict[int, Client] = {}
        self._lock = threading.Lock()  # guards _told
        self._told: dict[int, collections.Counter] = {}  # number -> data it was told of
        self._rows: list[tuple[str, bool, str]] = []

    def run(self) -> bool:
        """The whole story; answer whether everything held."""
        try:
            self._start()
            self._show_view("view", time.monotonic())
            self._announce("broadcast")
            self._kill()
            self._announce("broadcast")
            return all(holds for _, holds, _ in self._rows)
        finally:
            for client in self._clients.values():
                client.close()
            for process in self._processes.values():
                process.stdin.close()
            for process in self._processes.values():
                process.wait(10)

    def _port(self, number: int, api: bool = False) -> int:
        return self._args.base_port + 2 * number + api

    def _start(self) -> None:
        args, bootstrapper = self._args, f"127.0.0.1:{self._port(0)}"
        for number in range(args.peers):
            ini = self._folder / f"{number}.ini"
            ini.write_text(
                f"[gossip]\ncache_size = 100\ndegree = {args.degree}\n"
                f"bootstrapper = {bootstrapper}\npow_bits = {args.pow_bits}\n"
                f"p2p_address = 127.0.0.1:{self._port(number)}\n"
                f"api_address = 127.0.0.1:{self._port(number, api=True)}\n")
            self._processes[number] = subprocess.Popen(
                [sys.executable, str(ROOT / "peer.py"), "-c", str(ini), "--quiet",
                 "--outputs", str(args.outputs), "--end-with-input"], stdin=subprocess.PIPE)
        for number in range(args.peers):
            self._connect(number)
        show(f"{args.peers} modules are up; the bootstrapper is {bootstrapper}")

    def _connect(self, number: int) -> None:
        """Connect a client as soon as its module listens."""
        told = self._told[number] = collections.Counter()

        def on_data(data: bytes) -> bool:
            with self._lock:
                told[data] += 1
            return True

        deadline = time.monotonic() + UP_LIMIT
        while True:
            try:
                address = "127.0.0.1", self._port(number, api=True)
                self._clients[number] = Client(address, DATA_TYPE, on_data)
                return
            except OSError:
                if self._processes[number].poll() is not None or time.monotonic() > deadline:
                    raise CommandError(f"module {number} did not start", FAILED) from None
                self._end.pause(LOOK)

    def _show_view(self, name: str, since: float) -> None:
        """Wait until the view is one piece, and say how long that took."""
        deadline = time.monotonic() + JOIN_LIMIT
        while (pieces := self._pieces()) > 1 and time.monotonic() < deadline:
            self._end.pause(LOOK)
        degrees = sorted(map(len, self._links().values()))
        self._note(name, pieces == 1,
                   f"{pieces} pieces after {time.monotonic() - since:.1f} s; neighbours: minimum "
                   f"{degrees[0]}, median {degrees[len(degrees) // 2]}, maximum {degrees[-1]}")

    def _links(self) -> dict[str, set[str]]:
        """Whom each living module calls its neighbours, by its output file."""
        links = {}
        for number in self._processes:
            own = f"127.0.0.1:{self._port(number)}"
            path = self._args.outputs / f"module_{own.replace(':', '_')}.txt"
            linked = links[own] = set()
            for line in path.read_text().splitlines() if path.exists() else ():
                event, _, rest = line[27:].partition(":")
                if event == "connected":
                    linked.add(rest)
                elif event == "disconnected":
                    linked.discard(":".join(rest.split(":")[:2]))
        return links

    def _pieces(self) -> int:
        links, pieces = self._links(), Pieces()
        for own in links:
            pieces.add(own)
        for own, linked in links.items():
            for other in linked:
                if own in links.get(other, ()):
                    pieces.link(own, other)
        return len(pieces)

    def _announce(self, name: str) -> None:
        """Everyone announces; every other one has to be told of it, once."""
        said = {number: f"from {number} {self._rng.getrandbits(64):016x}".encode()
                for number in self._clients}
        for number, data in said.items():
            self._clients[number].announce(data)
        due = [(number, data) for number in said for other, data in said.items()
               if number != other]
        deadline = time.monotonic() + DELIVER_LIMIT
        while time.monotonic() < deadline and not all(self._count(*one) for one in due):
            self._end.pause(LOOK)
        self._end.pause(STILL)
        counts = [self._count(*one) for one in due]
        own = sum(self._count(*one) for one in said.items())
        self._note(name, counts.count(1) == len(due) and not own,
                   f"{counts.count(1)} of {len(due)} told once, {counts.count(0)} not, "
                   f"{sum(count > 1 for count in counts)} more than once, {own} of one's own")

    def _count(self, number: int, data: bytes) -> int:
        with self._lock:
            return self._told[number][data]

    def _kill(self) -> None:
        """The bootstrapper and a third of the others die, without a word."""
        others = [number for number in self._processes if number != 0]
        victims = [0, *self._rng.sample(others, len(others) // 3)]
        for number in victims:
            self._processes[number].kill()
        since = time.monotonic()
        for number in victims:
            self._processes.pop(number).wait()
            self._clients.pop(number).close()
        show(f"killed: the bootstrapper and {len(victims) - 1} others")
        self._show_view("view", since)

    def _note(self, name: str, holds: bool, figures: str) -> None:
        self._rows.append((name, holds, figures))
        show(f"{name:<10} {'holds' if holds else 'FAILS':<6} {figures}")


def run_experiment(args) -> int:
    """Run it; 1 when something did not hold."""
    args.outputs.mkdir(parents=True, exist_ok=True)
    for path in args.outputs.glob("module_*.txt"):
        path.unlink()
    with tempfile.TemporaryDirectory(prefix="grapevine-") as folder:
        return 0 if Experiment(args, pathlib.Path(folder), End()).run() else FAILED
