"""The benchmark of the library beside a bare flood: `runner.py bench --library`.

Ten programs (programs.py), each a process, at loopback addresses of their own; three of them serve
the seeds. Measured are a burst that one program says message by message, what a program gets that
joins after the origin was killed, what one gets that was frozen meanwhile, and when a kill is told.
"""

import contextlib
import queue
import random
import socket
import statistics
import subprocess
import threading
import time

from grapevine.addresses import parse_address
from grapevine.lab.experiments.hosts import Host, usage
from grapevine.terminal.command_line import FAILED, CommandError, show

PROGRAMS, SERVING = 10, 3
LINKS = 3  # that each program of a flood makes
BURST, SIZE, BURSTS = 5_000, 64, 5  # messages, characters of each, and times
OLD = 1_000  # messages that a late program has missed
LARGE = 1_024  # characters of those that a frozen program misses
FROZEN, KILLS = 20.0, 5  # seconds; times
LIMIT, LOOK = 60.0, 0.2  # seconds: for what is awaited, between two looks
STILL = 2.0  # seconds until a network has settled
AFTERWARDS = 15.0  # seconds in which what was missed can come
KINDS = "library", "flood"


class Program(Host):
    """A process of programs.py, and what it prints."""

    def __init__(self, kind: str, own: str, others: list[str]):
        super().__init__(f"program {own}", ["runner.py", "program", kind, own, *others],
                         [parse_address(own)], subprocess.PIPE)
        self.own = own
        self.deaths: dict[str, float] = {}  # who has died -> when that was told
        self._answers: queue.SimpleQueue[list[str]] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self.process.stdout:
            word, *values = line.decode().split()
            if word == "death":
                self.deaths[values[0]] = float(values[1])
            else:
                self._answers.put(values)

    def answer(self) -> list[str]:
        """Return the next answer. CommandError if none comes."""
        with contextlib.suppress(queue.Empty):
            return self._answers.get(timeout=LIMIT)
        raise CommandError(f"the {self.what} does not answer", FAILED)

    def received(self) -> tuple[int, float]:
        """Return how many messages have come, and when the last did, in Unix seconds."""
        self.write("count\n")
        count, at = self.answer()
        return int(count), float(at)


class Fleet:
    """Programs of one kind. As a context manager it ends with all of them."""

    def __init__(self, kind: str):
        self._kind, self._rng = kind, random.Random(1)
        with socket.socket() as one, socket.socket() as other:
            one.bind(("127.0.0.1", 0))
            other.bind(("127.0.0.1", 0))
            self._port, seed_port = one.getsockname()[1], other.getsockname()[1]
        self._seeds = [f"127.0.0.{number}:{seed_port}" for number in range(1, SERVING + 1)]
        self.programs: list[Program] = []

    def __enter__(self) -> "Fleet":
        with contextlib.ExitStack() as stack:
            stack.push(self)  # if one does not answer
            for _ in range(PROGRAMS):
                self.add()
            for program in self.programs:
                program.answer()
            time.sleep(STILL)  # all links stand
            stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        for program in self.programs:
            program.die()

    def add(self) -> Program:
        """Start a program. Those of a flood are told of neighbours, because they have no seeds."""
        others = self._seeds
        if self._kind == "flood":
            running = [each.own for each in self.programs if each.process.poll() is None]
            others = self._rng.sample(running, min(LINKS, len(running)))
        own = f"127.0.0.{len(self.programs) + 1}:{self._port}"
        self.programs.append(Program(self._kind, own, others))
        return self.programs[-1]

    def received(self, programs: list[Program], count: int, seconds: float = LIMIT
                 ) -> list[tuple[int, float]]:
        """Wait until programs have so many messages, some seconds at most; return what they
        have."""
        until = time.monotonic() + seconds
        while True:
            got = [program.received() for program in programs]
            if min(got)[0] >= count or time.monotonic() > until:
                return got
            time.sleep(LOOK)

    def cpu(self) -> float:
        """Return the CPU seconds of all programs; 0 where the system does not tell."""
        return usage(self.programs)[0]


def burst(kind: str) -> tuple[str, str]:
    """Return deliveries a second, and µs of CPU for each, of messages said one by one: medians."""
    rates, costs = [], []
    with Fleet(kind) as fleet:
        origin, *others = fleet.programs
        for number in range(1, BURSTS + 1):
            before, began = fleet.cpu(), time.time()
            origin.write(f"say {BURST} {SIZE}\n")
            origin.answer()
            got = fleet.received(others, number * BURST)
            count = sum(each for each, _ in got) - (number - 1) * BURST * len(others)
            rates.append(count / (max(at for _, at in got) - began))
            costs.append((fleet.cpu() - before) / count * 1e6)
    return f"{statistics.median(rates):,.0f}", f"{statistics.median(costs):.1f}"


def late(kind: str) -> tuple[str]:
    """Return how many messages one gets that joins after their origin was killed."""
    with Fleet(kind) as fleet:
        origin, *others = fleet.programs
        origin.write(f"say {OLD} {SIZE}\n")
        fleet.received(others, OLD)
        origin.die()
        joiner = fleet.add()
        joiner.answer()
        return f"{fleet.received([joiner], OLD, AFTERWARDS)[0][0]:,}",


def frozen(kind: str) -> tuple[str, str]:
    """Return how many messages all others get while a program is frozen, and it itself later."""
    with Fleet(kind) as fleet:
        origin, *others, sleeper = fleet.programs
        sleeper.freeze()
        origin.write(f"say {BURST} {LARGE}\n")
        time.sleep(FROZEN)
        meanwhile = min(count for count, _ in fleet.received(others, BURST, 0.0))
        sleeper.thaw()
        return f"{meanwhile:,}", f"{fleet.received([sleeper], BURST, AFTERWARDS)[0][0]:,}"


def kill(kind: str) -> tuple[str]:
    """Return after how many ms the last of all others is told of a kill: the median."""
    if kind == "flood":
        return "-",
    took = []
    with Fleet(kind) as fleet:
        for _ in range(KILLS):
            *others, victim = fleet.programs
            victim.die()
            began = time.time()
            while not all(victim.own in each.deaths for each in others):
                if time.time() > began + LIMIT:
                    raise CommandError(f"the death of {victim.own} is not told to all", FAILED)
                time.sleep(LOOK)
            took.append(max(each.deaths[victim.own] for each in others) - began)
            fleet.programs.remove(victim)
    return f"{statistics.median(took) * 1000:.0f}",


def bench_library() -> None:
    """Measure, and show a table."""
    show(f"{PROGRAMS} programs, each a process; a bare flood has no seeds, no liveness and no "
         "memory")
    show(f"{'':<62}{'library':>12}{'bare flood':>12}")
    for measure, *names in (
            (late, f"joins after the origin of {OLD:,} messages was killed: gets"),
            (frozen, f"{BURST:,} of {LARGE:,} bytes, one is frozen for {FROZEN:.0f} s: others get",
             "  and it, once it goes on"),
            (burst, f"burst of {BURST:,} by `say` one by one: deliveries a second",
             "  CPU for each, µs"),
            (kill, "a kill is told to all others after ms, median")):
        for name, cells in zip(names, zip(*map(measure, KINDS))):
            show(f"{name:<62}{''.join(f'{cell:>12}' for cell in cells)}")
