"""The experiment `runner.py module`: a network of gossip modules, proved by what clients are told.

Every module is a process with one client, which subscribes and validates. Every client announces;
the bootstrapper and a third of the others are killed; when the living modules are one piece again,
every client announces again. The neighbours of a module are read from its output file.
"""

import collections
import pathlib
import random
import tempfile
import threading
import time
from collections.abc import Callable

from gossip.addresses import Address, address_of
from gossip.experiments.hosts import Host
from gossip.proof.pieces import Pieces
from gossip.proof.records import parse_line
from gossip.settings import Settings
from gossip.terminal.command_line import FAILED, ROOT, CommandError, show
from gossip.terminal.folders import OF_MODULES, clear_outputs
from gossip.terminal.input import End
from gossip.voidphone.client import Client

DATA_TYPE = 1337  # of all data that clients announce
UP_LIMIT = 60.0  # seconds that a module has until it listens
END_LIMIT = 10.0  # seconds that modules have to end before they are killed
LOOK = 0.05  # seconds between two looks at whether something has happened
JOIN_LIMIT = 60.0  # seconds that modules have to become one piece
DELIVER_LIMIT = 30.0  # seconds that announcements have to reach all clients
STILL = 1.0  # seconds at the end in which nothing may come twice


class Processes:
    """Modules by number, each a process with a client; module 0 is the bootstrapper. Module N has
    the ports base+2N (for peers) and base+2N+1 (for clients). `close` ends those that live."""

    def __init__(self, base_port: int, inis: pathlib.Path, outputs: pathlib.Path,
                 file_limit: int = Settings().file_limit):
        self._base = base_port
        self._inis = inis
        self._outputs = outputs
        self._file_limit = file_limit  # MiB
        self.running: dict[int, Host] = {}
        self.clients: dict[int, Client] = {}

    def address(self, number: int) -> Address:
        """Where other modules find this one."""
        return address_of("127.0.0.1", self._base + 2 * number)

    def start(self, count: int, degree: int, pow_bits: int,
              on_data: Callable[[int], Callable[[bytes], bool]]) -> None:
        """Start so many modules, and a client of each as soon as it listens; `on_data(number)`
        returns what a client calls with data. CommandError when a module does not listen."""
        for number in range(count):
            ini = self._inis / f"{number}.ini"
            ini.write_text(f"[gossip]\ncache_size = 100\ndegree = {degree}\n"
                           f"pow_bits = {pow_bits}\nbootstrapper = {self.address(0)}\n"
                           f"p2p_address = {self.address(number)}\n"
                           f"api_address = 127.0.0.1:{self._base + 2 * number + 1}\n")
            self.running[number] = Host(
                f"module {number}",
                [str(ROOT / "peer.py"), "-c", str(ini), "--quiet", "--outputs", str(self._outputs),
                 "--file-limit", str(self._file_limit), "--end-with-input"], [self.address(number)])
        for number in range(count):
            self._connect(number, on_data(number))

    def _connect(self, number: int, on_data: Callable[[bytes], bool]) -> None:
        """Connect a client as soon as its module listens."""
        deadline = time.monotonic() + UP_LIMIT
        while number not in self.clients:
            try:
                self.clients[number] = Client(
                    ("127.0.0.1", self._base + 2 * number + 1), DATA_TYPE, on_data)
            except OSError:
                if self.running[number].ended() is not None or time.monotonic() > deadline:
                    raise CommandError(f"module {number} did not start", FAILED) from None
                time.sleep(LOOK)

    def links(self) -> dict[str, set[str]]:
        """The neighbours of each living module, by its output file."""
        links = {}
        for number in self.running:
            address = self.address(number)
            path, linked = self._outputs / f"module_{address.file_part}.txt", set()
            links[str(address)] = linked
            for line in path.read_text().splitlines() if path.exists() else ():
                _, event, rest = parse_line(line) or (0.0, "", "")
                if event == "connected":
                    linked.add(rest)
                elif event == "disconnected":
                    linked.discard(":".join(rest.split(":")[:2]))
        return links

    def kill(self, numbers: list[int]) -> None:
        """Kill these modules, without a word to anyone."""
        for number in numbers:
            self.running.pop(number).die()
            self.clients.pop(number).close()

    def close(self) -> None:
        """End the modules that live, and the clients."""
        until = time.monotonic() + END_LIMIT
        for host in self.running.values():
            host.end()
        for host in self.running.values():
            host.wait(until)
        for client in self.clients.values():
            client.close()


class Experiment:
    """Modules, their clients, and the data that clients were told of."""

    def __init__(self, args, folder: pathlib.Path, end: End):
        self._args = args
        self._end = end
        self._rng = random.Random()
        self._processes = Processes(args.base_port, folder, args.outputs, args.file_limit)
        self._lock = threading.Lock()  # guards _told
        self._told: dict[int, collections.Counter] = {}  # number -> data it was told of
        self._rows: list[bool] = []  # what held so far

    def carry_out(self) -> bool:
        """Carry out all steps; answer whether all of them held."""
        try:
            since, args = time.monotonic(), self._args
            self._processes.start(args.peers, args.degree, args.pow_bits, self._taker)
            show(f"{args.peers} modules are up; the bootstrapper is {self._processes.address(0)}")
            self._show_view(since)
            self._announce()
            self._kill()
            self._announce()
            return all(self._rows)
        finally:
            self._processes.close()

    def _taker(self, number: int):
        """Return what a client calls with data: it counts the data and calls it valid."""
        told = self._told[number] = collections.Counter()

        def on_data(data: bytes) -> bool:
            with self._lock:
                told[data] += 1
            return True
        return on_data

    def _show_view(self, since: float) -> None:
        """Wait until the modules are one piece, and show how long that took."""
        deadline = time.monotonic() + JOIN_LIMIT
        while (pieces := self._pieces()) > 1 and time.monotonic() < deadline:
            self._end.pause(LOOK)
        degrees = sorted(map(len, self._processes.links().values()))
        self._note("view", pieces == 1,
                   f"{pieces} pieces after {time.monotonic() - since:.1f} s; neighbours: minimum "
                   f"{degrees[0]}, median {degrees[len(degrees) // 2]}, maximum {degrees[-1]}")

    def _pieces(self) -> int:
        links, pieces = self._processes.links(), Pieces()
        for own in links:
            pieces.add(own)
        for own, linked in links.items():
            for other in linked:
                if own in links.get(other, ()):
                    pieces.link(own, other)
        return len(pieces)

    def _announce(self) -> None:
        """Every client announces; every other client has to be told of it, once."""
        said = {number: f"from {number} {self._rng.getrandbits(64):016x}".encode()
                for number in self._processes.clients}
        for number, data in said.items():
            self._processes.clients[number].announce(data)
        due = [(number, data) for number in said for other, data in said.items()
               if number != other]
        deadline = time.monotonic() + DELIVER_LIMIT
        while time.monotonic() < deadline and not all(self._count(*one) for one in due):
            self._end.pause(LOOK)
        self._end.pause(STILL)
        counts = [self._count(*one) for one in due]
        own = sum(self._count(*one) for one in said.items())
        self._note("broadcast", counts.count(1) == len(due) and not own,
                   f"{counts.count(1)} of {len(due)} told once, {counts.count(0)} not, "
                   f"{sum(count > 1 for count in counts)} more than once, {own} of one's own")

    def _count(self, number: int, data: bytes) -> int:
        with self._lock:
            return self._told[number][data]

    def _kill(self) -> None:
        """Kill the bootstrapper and a third of the others, without a word to anyone."""
        others = [number for number in self._processes.running if number != 0]
        victims = [0, *self._rng.sample(others, len(others) // 3)]
        since = time.monotonic()
        self._processes.kill(victims)
        show(f"killed: the bootstrapper and {len(victims) - 1} others")
        self._show_view(since)

    def _note(self, name: str, holds: bool, figures: str) -> None:
        self._rows.append(holds)
        show(f"{name:<10} {'holds' if holds else 'FAILS':<6} {figures}")


def run_experiment(args) -> int:
    """Run the experiment; exit code 1 if something did not hold."""
    clear_outputs(args.outputs, OF_MODULES)
    with tempfile.TemporaryDirectory(prefix="grapevine-") as folder:
        return 0 if Experiment(args, pathlib.Path(folder), End()).carry_out() else FAILED
