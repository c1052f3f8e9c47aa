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

from gossip.experiments.voidphone_processes import LOOK, Processes
from gossip.proof.pieces import Pieces
from gossip.terminal.command_line import FAILED, show
from gossip.terminal.folders import OF_MODULES, clear_outputs
from gossip.terminal.signals import End

JOIN_LIMIT = 60.0  # seconds that modules have to become one piece
DELIVER_LIMIT = 30.0  # seconds that announcements have to reach all clients
STILL = 1.0  # seconds at the end in which nothing may come twice


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
