"""The benchmark of the library beside a bare flood: `runner.py bench --library`.

Ten programs (programs.py), each a process, at loopback addresses of their own; three of them serve
the seeds. Measured are a burst that one program says message by message, what a program gets that
joins after the origin was killed, what one gets that was frozen meanwhile, and when a kill is told.
"""

import contextlib
import json
import random
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator

from grapevine.lab.experiments.hosts import Host, usage
from grapevine.terminal.command_line import FAILED, CommandError, show

PROGRAMS, SERVING = 10, 3
LINKS = 3  # that each program of a flood makes
BURST, SIZE, BURSTS = 5_000, 64, 5  # messages, characters of each, and times
OLD = 1_000  # messages that a late program has missed
LARGE = 1_024  # characters of those that a frozen program misses
FROZEN, KILLS = 20.0, 5  # seconds; times
LIMIT, ANSWER_POLL = 60.0, 0.2  # seconds: for what is awaited, between two looks
STILL = 4.0  # seconds until all programs are linked, and rest
AFTERWARDS = 15.0  # seconds in which what was missed can come
KINDS = "library", "flood"


class Program(Host):
    """A process of programs.py."""

    def __init__(self, kind: str, own: str, others: list[str]):
        super().__init__(f"program {own}", ["runner.py", "program", kind, own, *others],
                         subprocess.PIPE)
        self.own = own

    def answer(self) -> dict:
        """Return what it has received, as it prints next. CommandError if it has ended."""
        if line := self.process.stdout.readline():
            return json.loads(line)
        raise CommandError(f"the {self.what} has ended", FAILED)

    def say(self, count: int = 0, size: int = 0) -> dict:
        """Have it say messages, each of so many characters; return what it has received then."""
        self.write(f"{count} {size}\n")
        return self.answer()


class Fleet:
    """Programs of one kind."""

    def __init__(self, kind: str):
        self._kind, self._rng = kind, random.Random(1)
        with socket.socket() as one, socket.socket() as other:
            one.bind(("127.0.0.1", 0))
            other.bind(("127.0.0.1", 0))
            self._port, seed_port = one.getsockname()[1], other.getsockname()[1]
        self._seeds = [f"127.0.0.{number}:{seed_port}" for number in range(1, SERVING + 1)]
        self.programs: list[Program] = []

    def add(self) -> Program:
        """Start a program, and wait until it listens. Those of a flood are told of neighbours,
        because they have no seeds."""
        others = self._seeds
        if self._kind == "flood":
            living = [each.own for each in self.programs if each.process.poll() is None]
            others = self._rng.sample(living, min(LINKS, len(living)))
        own = f"127.0.0.{len(self.programs) + 1}:{self._port}"
        self.programs.append(Program(self._kind, own, others))
        self.programs[-1].answer()
        return self.programs[-1]


@contextlib.contextmanager
def running(kind: str) -> Iterator[Fleet]:
    """Run a fleet that is linked."""
    fleet = Fleet(kind)
    try:
        for _ in range(PROGRAMS):
            fleet.add()
        time.sleep(STILL)
        yield fleet
    finally:
        for program in fleet.programs:
            program.die()


def received(programs: list[Program], count: int, seconds: float = LIMIT) -> list[dict]:
    """Wait until programs have so many messages, some seconds at most; return what they have."""
    until = time.monotonic() + seconds
    while True:
        got = [program.say() for program in programs]
        if min(each["count"] for each in got) >= count or time.monotonic() > until:
            return got
        time.sleep(ANSWER_POLL)


def burst(kind: str) -> tuple[str, str]:
    """Return deliveries a second, and µs of CPU for each, of messages said one by one: medians."""
    rates, costs = [], []
    with running(kind) as fleet:
        origin, *others = fleet.programs
        for number in range(1, BURSTS + 1):
            (before, _, _), began = usage(fleet.programs), time.time()
            origin.say(BURST, SIZE)
            got = received(others, number * BURST)
            count = sum(each["count"] for each in got) - (number - 1) * BURST * len(others)
            rates.append(count / (max(each["at"] for each in got) - began))
            costs.append((usage(fleet.programs)[0] - before) / count * 1e6)
    return f"{statistics.median(rates):,.0f}", f"{statistics.median(costs):.1f}"


def late(kind: str) -> tuple[str]:
    """Return how many messages one gets that joins after their origin was killed."""
    with running(kind) as fleet:
        origin, *others = fleet.programs
        origin.say(OLD, SIZE)
        received(others, OLD)
        origin.die()
        return f"{received([fleet.add()], OLD, AFTERWARDS)[0]['count']:,}",


def frozen(kind: str) -> tuple[str, str]:
    """Return how many messages all others get while a program is frozen, and it itself later."""
    with running(kind) as fleet:
        origin, *others, sleeper = fleet.programs
        sleeper.freeze()
        origin.write(f"{BURST} {LARGE}\n")  # a flood waits for the sleeper
        time.sleep(FROZEN)
        meanwhile = min(each["count"] for each in received(others, BURST, 0.0))
        sleeper.thaw()
        return f"{meanwhile:,}", f"{received([sleeper], BURST, AFTERWARDS)[0]['count']:,}"


def kill(kind: str) -> tuple[str]:
    """Return after how many ms the last of all others is told of a kill: the median."""
    if kind == "flood":
        return "-",
    took = []
    with running(kind) as fleet:
        for _ in range(KILLS):
            *others, victim = fleet.programs
            victim.die()
            began, told = time.time(), [None]
            while None in told:
                if time.time() > began + LIMIT:
                    raise CommandError(f"the death of {victim.own} is not told to all", FAILED)
                time.sleep(ANSWER_POLL)
                told = [each.say()["deaths"].get(victim.own) for each in others]
            took.append(max(told) - began)
            fleet.programs.remove(victim)
    return f"{statistics.median(took) * 1000:.0f}",


def bench_library() -> None:
    """Measure, and show a table. CommandError where programs have no addresses of their own, or
    cannot be frozen."""
    if sys.platform != "linux":
        raise CommandError("--library needs Linux: 127.0.0.2 and on, and SIGSTOP", FAILED)
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
