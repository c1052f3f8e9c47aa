"""The benchmark `runner.py bench --module`: how fast gossip modules are, and how large.

Modules are processes; their clients are threads here, one per module, which validate everything.
A latency is the time from the send of one client to the reading of another.
"""

import pathlib
import socket
import statistics
import struct
import tempfile
import threading
import time

from gossip.addresses import address_of
from gossip.experiments.voidphone_experiment import LOOK, Processes
from gossip.proof.evidence import quantile
from gossip.terminal.command_line import FAILED, CommandError, show
from gossip.voidphone import messages

STAMP = struct.Struct(">dQ")  # time and number: the data of every message begins with these
ONE_BY_ONE = 500  # messages whose latency is measured
PAUSE = 0.004  # seconds between them
DEGREE, POW_BITS = 6, 8
LIMIT = 120.0  # seconds that a part may take
HANDSHAKES = 30_000  # handshakes that are begun and given up


class MeasuredModules:
    """`count` modules in one view, each with a client."""

    def __init__(self, count: int, base_port: int, folder: pathlib.Path):
        self._count = count
        self._base = base_port
        self._processes = Processes(base_port, folder, folder)
        self._changed = threading.Condition()  # guards the next two; notified when one came
        self._came = 0
        self._latencies: dict[int, list[float]] = {}  # number of a message -> of its deliveries

    def start(self) -> None:
        """Start the modules and wait until each has as many neighbours as it dials."""
        self._processes.start(self._count, DEGREE, POW_BITS, lambda number: self._take)
        enough, deadline = min(DEGREE, self._count - 1) // 2, time.monotonic() + LIMIT
        while min(map(len, self._processes.links().values())) < max(1, enough):
            if time.monotonic() > deadline:
                raise CommandError("the modules did not find each other", FAILED)
            time.sleep(LOOK)

    def _take(self, data: bytes) -> bool:
        said, number = STAMP.unpack_from(data)
        took = time.perf_counter() - said
        with self._changed:
            self._latencies.setdefault(number, []).append(took)
            self._came += 1
            self._changed.notify()
        return True

    def announce(self, count: int, size: int,
                 pause: float) -> tuple[float, list[list[float]]] | None:
        """Announce so many messages on the first module; (seconds until every client was told of
        every message, latencies per message), or None if not all came."""
        with self._changed:
            self._came, self._latencies = 0, {}
        begun, rest = time.perf_counter(), bytes(size - STAMP.size)
        for number in range(count):
            self._processes.clients[0].announce(STAMP.pack(time.perf_counter(), number) + rest)
            if pause:
                time.sleep(pause)
        due = count * (self._count - 1)
        with self._changed:
            if not self._changed.wait_for(lambda: self._came >= due, LIMIT):
                show(f"{self._came} of {due} came")
                return None
            return time.perf_counter() - begun, list(self._latencies.values())

    def memory(self) -> float:
        """Mean resident memory of a module, MiB; 0 where the system does not tell."""
        return statistics.fmean(host.size()[0] for host in self._processes.running.values())

    def begin_handshakes(self, count: int) -> None:
        """Say HELLO to the first module and hang up, so many times."""
        for number in range(count):
            with socket.create_connection(("127.0.0.1", self._base)) as sock:
                address = address_of("127.0.0.1", 1 + number % 60_000)
                sock.sendall(messages.Hello(address).pack())

    def close(self) -> None:
        self._processes.close()


def measure_modules(base_port: int) -> int:
    """Measure two modules, then ten; print the table."""
    for count in (2, 10):
        with tempfile.TemporaryDirectory(prefix="grapevine-") as folder:
            modules = MeasuredModules(count, base_port, pathlib.Path(folder))
            try:
                modules.start()
                if not _measure(modules, count):
                    return FAILED
            finally:
                modules.close()
    return 0


def _measure(modules: MeasuredModules, count: int) -> bool:
    show(f"{count} modules, every message validated by every client:")
    idle = modules.memory()
    slow = modules.announce(ONE_BY_ONE, 64, PAUSE)
    fast = modules.announce(200_000 if count == 2 else 20_000, 64, 0.0)
    if slow is None or fast is None:
        return False
    last = [max(latencies) for latencies in slow[1]]
    _row("to the last client, median", f"{quantile(last, 0.5) * 1e3:.2f} ms")
    _row("to the last client, 99 %", f"{quantile(last, 0.99) * 1e3:.2f} ms")
    _row("announces of 64 bytes", f"{len(fast[1]) / fast[0]:,.0f} a second")
    if count == 2:
        large = modules.announce(5_000, 60_000, 0.0)
        if large is None:
            return False
        _row("announces of 60,000 bytes", f"{len(large[1]) / large[0]:,.0f} a second")
    _row("memory of a module, idle", f"{idle:.1f} MiB")
    _row("and afterwards", f"{modules.memory():.1f} MiB")
    if count == 2:
        before = modules.memory()
        modules.begin_handshakes(HANDSHAKES)
        _row(f"and after {HANDSHAKES:,} handshakes given up",
             f"{modules.memory():.1f} MiB ({modules.memory() - before:+.1f})")
    return True


def _row(what: str, figure: str) -> None:
    show(f"  {what:<42}{figure:>20}")
