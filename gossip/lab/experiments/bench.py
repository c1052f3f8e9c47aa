"""The benchmark of a network on this machine, each peer a process.

Every measurement is of a new network, and has three phases: messages at a steady rate, a burst of
one peer, and rest. Each way of spreading is measured once more without anti-entropy, in the first
phase alone, because that shows which share of the steady messages it delivers by itself. Times come
from the output files, copies from the peers' counters, and CPU, memory and threads from the system
(on Linux alone).
"""

import argparse
import collections
import itertools
import dataclasses
import json
import os
import pathlib
import platform
import random
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable

from gossip.lab.experiments.following import Progress
from gossip.lab.experiments.network import Network
from gossip.lab.experiments.steps import Steps
from gossip.lab.proof.delivery import timed
from gossip.lab.proof.evidence import quantile
from gossip.lab.proof.records import Records
from gossip.settings import Settings
from gossip.terminal.command_line import FAILED, show
from gossip.terminal.input import End

RATE, STEADY_MESSAGES = 5, 100  # messages a second, and how many, in the first phase
REST = 15.0  # seconds of rest that are measured
QUIET = 15.0  # seconds without a change of links after which the network is at rest
LIMIT = 120.0  # seconds that a phase may take
STILL = 3.0  # seconds without a delivery after which no more will come
COPIES = ("messages that were old", "messages in our name")  # counters of duplicates

FIGURES = [  # a row for each: its name, its label, its format
    ("last_median", "to the last peer, median, ms", ".2f"),
    ("last_p99", "to the last peer, 99 %, ms", ".2f"),
    ("each_median", "to each peer, median, ms", ".2f"),
    ("each_p99", "to each peer, 99 %, ms", ".2f"),
    ("deliveries_per_second", "burst, deliveries/s", ",.0f"),
    ("cpu_per_delivery", "CPU per delivery, µs", ".2f"),
    ("transmissions", "transmissions per delivery, copies", ".2f"),
    ("share", "without anti-entropy, % delivered", ".2f"),
    ("share_transmissions", "and its transmissions, copies", ".2f"),
    ("memory_idle", "memory of a peer, idle, MiB", ".1f"),
    ("memory_after", "memory of a peer, after burst, MiB", ".1f"),
    ("threads", "threads of a peer", ".1f"),
    ("cpu_at_rest", "CPU at rest, of a peer, % of a core", ".3f"),
]


def time_left(planned: list[float]) -> Callable[[], float]:
    """Return a function that tells how many of these seconds are left."""
    began = time.monotonic()
    return lambda: max(0.0, planned[0] + began - time.monotonic()) + sum(planned[1:])


def measure(args, peers, seeds, local, settings: Settings, spreads: list[str]) -> int:
    """Measure `args.runs` networks, and one alone, for every way of spreading."""
    if args.json is not None:
        args.json.open("a").close()  # or it says why not, before minutes have passed
    least = settings.liveness_interval + QUIET + STEADY_MESSAGES / RATE  # seconds of a network
    planned = [*[least + REST] * args.runs, least] * len(spreads)
    end, steps, results = End(), Steps(args), {}
    if steps.are_shown:
        steps.say(f"{args.peers} peers, each a process; {len(planned)} networks of them are "
                  "measured one after the other.\n")
    for spread in spreads:
        chosen = settings._replace(spread=spread)
        for number in range(args.runs + 1):
            which = f"{number + 1} of {args.runs}" if number < args.runs else "alone"
            steps.begin(f"{spread} {which}", str, time_left(planned))
            planned = planned[1:]
            try:
                figures = _measure_one(args, peers, seeds, local, chosen, which, end, steps)
            finally:
                steps.end()
            if figures is None:
                return FAILED
            if not (results or steps.are_shown):
                steps.say(_heading(args, figures))
            results.setdefault(spread, []).append(figures)
            if number < args.runs and not steps.are_shown:
                steps.say(f"{spread}, run {which}: {_rate(figures)}")
    if steps.are_shown:
        steps.say("\n" + _heading(args, results[spreads[0]][0]))
    for spread in spreads:
        show(table(spread, results[spread]))
    if args.json is not None:
        _write_json(args, settings, results)
    return 0


def _measure_one(args, peers, seeds, local, settings: Settings, which: str, end: End,
                 steps: Steps) -> dict[str, float] | None:
    """Return the figures of a network. None if it did not work."""
    alone = which == "alone"
    if alone:
        settings = settings._replace(antientropy_interval=0.0)
    with tempfile.TemporaryDirectory(prefix="grapevine-") as folder:
        outputs = pathlib.Path(folder)
        with Network(seeds, local, peers, settings, args.config, outputs) as network:
            def look() -> None:
                steps.show()
                end.pause(0)

            steps.describe(lambda: f"{len(network.hosts)} of {args.peers} peers started")
            network.start(network.plan(None), subprocess.PIPE, look)
            measured = _MeasuredNetwork(Records(outputs), network, settings, end, steps, args)
            if not measured.come_to_rest():
                return None
            figures = measured.measure_alone() if alone else measured.measure()
    if figures is not None:
        steps.finish(f"{figures['share']:.2f} % delivered without anti-entropy" if alone
                     else _rate(figures))
    return figures


@dataclasses.dataclass
class _MeasuredNetwork(Progress):
    """A network under measurement."""

    _args: argparse.Namespace
    _said: int = 0
    _figures: dict[str, float] = dataclasses.field(default_factory=dict)

    def measure(self) -> dict[str, float] | None:
        """Return all figures, or say why there are none."""
        self._note_size("memory_idle")
        if not (self._steady() and self._burst()):
            self.steps.say("not every message arrived")
            return None
        self._note_size("memory_after")
        self.steps.describe(lambda: f"at rest for {REST:.0f} s")
        cpu = self._cpu()
        self._pause(REST)
        if cpu:
            self._figures["cpu_at_rest"] = (self._cpu() - cpu) / REST / self._args.peers * 100
        return self._figures

    def measure_alone(self) -> dict[str, float]:
        """Return the percentage of the steady messages that spreading delivers."""
        copies, before = self._copies(), self._delivered()
        self._say_steadily()
        self.settle(self._all_delivered, STILL)
        copies = self._copies() - copies
        due = STEADY_MESSAGES * (self._args.peers - 1)
        delivered = self._delivered() - before
        self._figures["share"] = delivered / due * 100
        self._figures["share_transmissions"] = (copies + delivered) / max(delivered, 1)
        return self._figures

    def come_to_rest(self) -> bool:
        """Wait until links rest for QUIET, or LIMIT is over. False if peers stay alone."""
        self.steps.describe(self.started)
        if not self.settle(self.linked, LIMIT):
            self.steps.say("the peers did not find each other")
            return False
        seen, quiet_since = [], time.monotonic()
        end = quiet_since + LIMIT
        self.steps.describe(lambda: f"{sum(map(len, seen)) // 2} links, the same for "
                            f"{time.monotonic() - quiet_since:.0f} of {QUIET:.0f} s")
        while time.monotonic() - quiet_since < QUIET and time.monotonic() < end:
            self._pause(1)
            links = [set(run.linked) for run in self._records.refresh().peers]
            if links != seen:
                seen, quiet_since = links, time.monotonic()
        self._figures["degree"] = statistics.fmean(map(len, seen))
        if self._settings.sign:
            self.steps.describe(lambda: "all keys become known")
            for host in self._network.hosts:
                self._say(host, 1)
            self.settle(self._all_delivered, LIMIT)
        return True

    def _pause(self, seconds: float) -> None:
        """Wait, and show the time left. KeyboardInterrupt when a signal comes."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.steps.show()
            self._end.pause(min(1.0, left))

    def _all_delivered(self) -> bool:
        return all(len(run.received) + len(run.generated) == self._said
                   for run in self._records.peers)

    def _messages(self) -> set[str]:
        return {message for run in self._records.peers for message in run.generated}

    def _delivered(self) -> int:
        return sum(len(run.received) for run in self._records.refresh().peers)

    def _say(self, host, count: int) -> None:
        self._said += count
        host.write(f"say {'x' * self._args.size}\n" * count)

    def _steady(self) -> bool:
        """Have random peers say messages one by one, and note the latencies."""
        before = self._messages()
        self._say_steadily()
        if not self.settle(self._all_delivered, LIMIT):
            return False
        came = [delivery for delivery in timed(self._records) if delivery.message not in before]
        took = collections.defaultdict(list)  # message -> seconds to each peer
        for delivery in came:
            took[delivery.message].append(delivery.at - delivery.made)
        for name, times in (("last", [*map(max, took.values())]),
                            ("each", [*itertools.chain(*took.values())])):
            self._figures[f"{name}_median"] = quantile(times, 0.5) * 1e3
            self._figures[f"{name}_p99"] = quantile(times, 0.99) * 1e3
        return True

    def _say_steadily(self) -> None:
        rng = random.Random(1)
        began, number = time.monotonic(), 0
        self.steps.describe(lambda: f"message {number} of {STEADY_MESSAGES}, one by one")
        for number in range(1, STEADY_MESSAGES + 1):
            self._say(rng.choice(self._network.hosts), 1)
            self._pause(began + number / RATE - time.monotonic())

    def _burst(self) -> bool:
        """Have a peer say many messages at once, and note the costs."""
        before, copies, cpu = self._messages(), self._copies(), self._cpu()
        self.steps.describe(lambda: f"{self._args.messages:,} messages at once")
        self._say(self._network.hosts[0], self._args.messages)
        seen, end = -1.0, time.monotonic() + LIMIT
        while (used := self._cpu()) - seen > 0.05 and time.monotonic() < end:
            seen = used
            self._pause(1)  # without a look at the files, which takes CPU from the peers
        if not self.settle(self._all_delivered, LIMIT):
            return False
        cpu, copies = self._cpu() - cpu, self._copies() - copies
        came = [delivery for delivery in timed(self._records) if delivery.message not in before]
        took = max(delivery.at for delivery in came) - min(delivery.made for delivery in came)
        self._figures["deliveries_per_second"] = len(came) / took
        self._figures["transmissions"] = (copies + len(came)) / len(came)
        if cpu:
            self._figures["cpu_per_delivery"] = cpu / len(came) * 1e6
        return True

    def _copies(self) -> int:
        """Return how many duplicates the peers have received."""
        total = 0
        for host in self._network.hosts:
            host.write("status\n")
            while (line := host.read_line()) and not line.startswith("lines not shown:"):
                name, _, value = line.partition(": ")
                total += int(value) if name in COPIES else 0
        return total

    def _cpu(self) -> float:
        return sum(host.cpu() for host in self._network.hosts)

    def _note_size(self, name: str) -> None:
        """Note the mean resident memory (MiB) and threads of a peer."""
        if sizes := [size for host in self._network.hosts if (size := host.size())[0]]:
            memory, threads = zip(*sizes)
            self._figures[name] = statistics.fmean(memory)
            self._figures["threads"] = statistics.fmean(threads)


def _heading(args, figures: dict[str, float]) -> str:
    return (f"{args.peers} peers, each a process, mean degree {figures['degree']:.1f}; "
            f"burst of {args.messages} messages of {args.size} bytes")


def _rate(figures: dict[str, float]) -> str:
    return f"{figures['deliveries_per_second']:,.0f} deliveries/s"


def table(spread: str, networks: list[dict[str, float]]) -> str:
    """Return the median, least and most of each figure, as a table."""
    rows = [("", [spread]), ("", ["median", "least", "most"])]
    rows += [(what, [f"{value:{form}}" for value in values])
             for name, what, form in FIGURES if (values := _summary(networks, name))]
    return "\n".join(f"{what:<36}{''.join(f'{cell:>12}' for cell in cells)}"
                     for what, cells in rows)


def _summary(networks: list[dict[str, float]], name: str) -> list[float]:
    """Return a figure's median, least and most, or its only value."""
    values = [figures[name] for figures in networks if name in figures]
    return [statistics.median(values), min(values), max(values)] if values[1:] else values


def _write_json(args, settings: Settings, results: dict[str, list[dict[str, float]]]) -> None:
    medians = {spread: {name: _summary(networks, name)[0] for name in set().union(*networks)}
               for spread, networks in results.items()}
    settings = settings._replace(spread=",".join(results))
    report = {"peers": args.peers, "messages": args.messages, "size": args.size,
              "settings": settings.words(), "python": platform.python_version(),
              "cores": os.cpu_count(), "median": medians, "runs": results}
    args.json.write_text(json.dumps(report, indent=2) + "\n")
