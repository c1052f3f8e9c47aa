"""Networks of gossip modules, for `runner.py module` and `runner.py bench --module`.

Every module is a process with a client, a thread here, which subscribes and validates. In the proof
all clients announce, the bootstrapper and a third of the others are killed, and when the living
modules are one piece again, all announce again. In the benchmark the first client announces, and a
latency is the time from its send to the reading of another client.
"""

import collections
import contextlib
import functools
import pathlib
import random
import statistics
import struct
import tempfile
import time
from collections.abc import Callable

from gossip.addresses import Address, address_of
from gossip.lab.experiments.worker import Host, end_all
from gossip.lab.proof.evidence import Row, quantile
from gossip.lab.proof.graph import Pieces
from gossip.lab.proof.records import parse_line
from gossip.lab.proof.runs import PeerRun
from gossip.programs.starting import check_free
from gossip.settings import Settings
from gossip.terminal.command_line import FAILED, ROOT, CommandError, show
from gossip.terminal.folders import OF_MODULES, clear_outputs, reserved
from gossip.terminal.input import End
from gossip.voidphone.messages import Client

DATA_TYPE = 1337  # of all data that clients announce
UP_LIMIT = 60.0  # seconds that a module has until it listens
END_LIMIT = 10.0  # seconds that modules have to end before they are killed
LOOK = 0.05  # seconds between two looks at whether something has happened
NOTED = 64  # bytes of the data of each notification that are kept

JOIN_LIMIT = 60.0  # seconds that modules have to become one piece
DELIVER_LIMIT = 30.0  # seconds that announcements have to reach all clients
STILL = 1.0  # seconds at the end in which nothing may come twice

STAMP = struct.Struct(">dQ")  # time and number: measured data begins with these
ONE_BY_ONE = 500  # messages for the latency
PAUSE = 0.004  # seconds between them
DEGREE, POW_BITS = 6, 8  # of measured modules
LIMIT = 120.0  # seconds that a part of a measurement may take


class Modules:
    """Modules by number, each a process with a client. Module 0 is the bootstrapper; module N has
    the ports base+2N (for peers) and base+2N+1 (for clients)."""

    def __init__(self, base_port: int, inis: pathlib.Path, outputs: pathlib.Path,
                 file_limit: int = Settings().file_limit):
        self._base = base_port
        self._inis = inis
        self._outputs = outputs
        self._file_limit = file_limit  # MiB
        self.pause = End().pause
        self._running: dict[int, Host] = {}
        self._clients: dict[int, Client] = {}
        # (module, beginning of the data in a notification to its client, when), from threads
        self._told: list[tuple[int, bytes, float]] = []

    def _take(self, number: int, data: bytes) -> bool:
        """Note a notification to a module's client, and validate it."""
        self._told.append((number, data[:NOTED], time.perf_counter()))
        return True

    def _address(self, number: int) -> Address:
        return address_of("127.0.0.1", self._base + 2 * number)

    def start(self, count: int, degree: int, pow_bits: int) -> None:
        """Start modules and their clients, in an empty folder. CommandError if a port is in use, or
        a module does not listen."""
        for port in range(self._base, self._base + 2 * count):
            check_free(address_of("127.0.0.1", port))
        clear_outputs(self._outputs, OF_MODULES)
        for number in range(count):
            ini = self._inis / f"{number}.ini"
            ini.write_text(f"[gossip]\ncache_size = 100\ndegree = {degree}\npow_bits = {pow_bits}\n"
                           f"bootstrapper = {self._address(0)}\n"
                           f"p2p_address = {self._address(number)}\n"
                           f"api_address = 127.0.0.1:{self._base + 2 * number + 1}\n")
            self._running[number] = Host(f"module {number}", [
                str(ROOT / "peer.py"), "-c", str(ini), "--quiet", "--outputs", str(self._outputs),
                "--file-limit", str(self._file_limit), "--end-with-input"], [self._address(number)])
        for number, host in self._running.items():
            self.until(lambda: self._connect(number) or host.ended() is not None, UP_LIMIT)
            if number not in self._clients:
                raise CommandError(f"module {number} did not start", FAILED)

    def _connect(self, number: int) -> bool:
        """Connect a client to its module, and return whether that worked."""
        with contextlib.suppress(OSError):
            self._clients[number] = Client(("127.0.0.1", self._base + 2 * number + 1), DATA_TYPE,
                                           functools.partial(self._take, number))
        return number in self._clients

    def until(self, holds: Callable[[], bool], limit: float) -> bool:
        """Wait until something holds, and return whether it does."""
        deadline = time.monotonic() + limit
        while not (held := holds()) and time.monotonic() < deadline:
            self.pause(LOOK)
        return held

    def links(self) -> dict[str, set[str]]:
        """Return the neighbours of each living module, by its output file."""
        links = {}
        for address in map(self._address, self._running):
            run = PeerRun(str(address), 0.0)
            path = self._outputs / f"module_{address.file_part}.txt"
            for line in path.read_text().splitlines() if path.exists() else ():
                run.take(*(parse_line(line) or (0.0, "", "")))
            links[run.address] = run.linked
        return links

    def close(self) -> None:
        end_all(list(self._running.values()), END_LIMIT)
        for client in self._clients.values():
            client.close()


class Experiment(Modules):
    """The proof: modules of which some are killed."""

    def carry_out(self, count: int, degree: int, pow_bits: int) -> bool:
        """Carry out all steps, and return whether all of them held."""
        since = time.monotonic()
        self.start(count, degree, pow_bits)
        show(f"{count} modules are up; the bootstrapper is {self._address(0)}")
        return all([self._view(since), self._announce(), self._kill(), self._announce()])

    def _view(self, since: float) -> bool:
        """Wait until the modules are one piece, and show the time."""
        pieces = 1 if self.until(lambda: self._pieces() == 1, JOIN_LIMIT) else self._pieces()
        degrees = sorted(map(len, self.links().values()))
        return _show("view", pieces == 1,
                     f"{pieces} pieces after {time.monotonic() - since:.1f} s; neighbours: minimum "
                     f"{degrees[0]}, median {degrees[len(degrees) // 2]}, maximum {degrees[-1]}")

    def _pieces(self) -> int:
        links = self.links()
        return len(Pieces({own: [other for other in linked if own in links.get(other, ())]
                           for own, linked in links.items()}))

    def _announce(self) -> bool:
        """Check that every other client is told once of every client's announcement."""
        said = {number: f"from {number} {random.getrandbits(64):016x}".encode()
                for number in self._clients}
        for number, data in said.items():
            self._clients[number].announce(data)
        due = [(number, data) for number in said for other, data in said.items() if number != other]
        self.until(lambda: all(self._counts(due)), DELIVER_LIMIT)
        self.pause(STILL)
        counts, own = self._counts(due), sum(self._counts(said.items()))
        return _show("broadcast", counts.count(1) == len(due) and not own,
                     f"{counts.count(1)} of {len(due)} told once, {counts.count(0)} not, "
                     f"{sum(count > 1 for count in counts)} more than once, {own} of one's own")

    def _counts(self, pairs) -> list[int]:
        """Return how often each client was told of this data."""
        told = collections.Counter((number, data) for number, data, _ in self._told[:])
        return [told[pair] for pair in pairs]

    def _kill(self) -> bool:
        """Kill the bootstrapper and a third of the other modules."""
        since, (first, *others) = time.monotonic(), self._running
        victims = random.sample(others, len(others) // 3)
        for number in first, *victims:
            self._running.pop(number).die()
            self._clients.pop(number).close()
        show(f"killed: the bootstrapper and {len(victims)} others")
        return self._view(since)


def _show(name: str, holds: bool, figures: str) -> bool:
    show(str(Row(name, holds, figures)))
    return holds


def run_experiment(args) -> int:
    """Run the experiment, and return 1 if something did not hold."""
    with (reserved(args.outputs), tempfile.TemporaryDirectory(prefix="grapevine-") as folder,
          contextlib.closing(Experiment(args.base_port, pathlib.Path(folder), args.outputs,
                                        args.file_limit)) as experiment):
        return 0 if experiment.carry_out(args.peers, args.degree, args.pow_bits) else FAILED


class MeasuredModules(Modules):
    """The benchmark, in which the first client announces."""

    def measure(self, count: int) -> bool:
        """Print the figures of some modules. False if messages were lost."""
        self.start(count, DEGREE, POW_BITS)
        enough = max(1, min(DEGREE, count - 1) // 2)
        if not self.until(lambda: min(map(len, self.links().values())) >= enough, LIMIT):
            raise CommandError("the modules did not find each other", FAILED)
        show(f"{count} modules, every message validated by every client:")
        idle = self._memory()
        slow = self._announce(ONE_BY_ONE, 64, PAUSE)
        fast = self._announce(200_000 if count == 2 else 20_000, 64)
        if slow is None or fast is None:
            return False
        (_, last), (per_second, _) = slow, fast
        _row("to the last client, median", f"{quantile(last, 0.5) * 1e3:.2f} ms")
        _row("to the last client, 99 %", f"{quantile(last, 0.99) * 1e3:.2f} ms")
        _row("announces of 64 bytes", f"{per_second:,.0f} a second")
        if count == 2:
            if (large := self._announce(5_000, 60_000)) is None:
                return False
            _row("announces of 60,000 bytes", f"{large[0]:,.0f} a second")
        _row("memory of a module, idle", f"{idle:.1f} MiB")
        _row("and afterwards", f"{self._memory():.1f} MiB")
        return True

    def _announce(self, count: int, size: int,
                  pause: float = 0.0) -> tuple[float, list[float]] | None:
        """Return (messages a second, seconds of each to the last client). None if any is lost."""
        self._told.clear()
        begun, rest = time.perf_counter(), bytes(size - STAMP.size)
        for message in range(count):
            self._clients[0].announce(STAMP.pack(time.perf_counter(), message) + rest)
            if pause:
                time.sleep(pause)
        due = count * (len(self._clients) - 1)
        if not self.until(lambda: len(self._told) >= due, LIMIT):
            show(f"{len(self._told)} of {due} came")
            return None
        last: dict[int, float] = {}  # number of a message -> seconds to the last client
        for _, data, at in self._told:
            said, message = STAMP.unpack_from(data)
            last[message] = max(last.get(message, 0.0), at - said)
        return count / (max(at for *_, at in self._told) - begun), list(last.values())

    def _memory(self) -> float:
        """Return the mean resident memory (MiB) of a module, or 0."""
        return statistics.fmean(host.size()[0] for host in self._running.values())


def measure_modules(base_port: int) -> int:
    """Measure two modules, then ten, and print the table."""
    for count in (2, 10):
        with (tempfile.TemporaryDirectory(prefix="grapevine-") as name,
              contextlib.closing(MeasuredModules(base_port, *[pathlib.Path(name)] * 2)) as modules):
            if not modules.measure(count):
                return FAILED
    return 0


def _row(what: str, figure: str) -> None:
    show(f"  {what:<42}{figure:>20}")
