"""The benchmark: what a network of processes on this machine does per second, and costs.

Every measurement is of a new network, in which each peer is a process, and has three phases:
messages at a steady rate (how long until each peer, and the last one, has a message), a burst said
by one peer (deliveries per second; CPU and transmissions per delivery), and rest. Flooding and
rumor mongering are measured in turn, and each once more without anti-entropy, which shows how much
of the steady messages spreading delivers alone. Times come from the output files, transmissions
from what peers say they received; CPU, memory and threads come from the accounting of the system
(on Linux; elsewhere they are left out).
"""

import json
import os
import pathlib
import platform
import random
import statistics
import subprocess
import tempfile
import time
from typing import NamedTuple

from gossip.experiments.network import Network
from gossip.experiments.progress import Progress
from gossip.proof.evidence import quantile
from gossip.proof.records import Records
from gossip.proof.runs import PeerRun
from gossip.settings import Settings
from gossip.terminal.command_line import FAILED, CommandError, show
from gossip.terminal.signals import End

RATE, STEADY_MESSAGES = 5, 100  # messages a second, and how many, in the first phase
REST = 15.0  # seconds of rest that are measured
QUIET = 15.0  # seconds without a change of links after which the network is at rest
LIMIT = 120.0  # seconds that a phase may take
STILL = 3.0  # seconds without a delivery after which no more will come
COPIES = ("messages that were old", "messages in our name")  # of messages that came once more


class Figure(NamedTuple):
    """One row of the table."""

    name: str
    what: str  # the words before the number
    form: str  # how the number is shown


FIGURES = [
    Figure("last_median", "to the last peer, median, ms", ".2f"),
    Figure("last_p99", "to the last peer, 99 %, ms", ".2f"),
    Figure("each_median", "to each peer, median, ms", ".2f"),
    Figure("each_p99", "to each peer, 99 %, ms", ".2f"),
    Figure("deliveries_per_second", "burst, deliveries/s", ",.0f"),
    Figure("cpu_per_delivery", "CPU per delivery, µs", ".2f"),
    Figure("transmissions", "transmissions per delivery, copies", ".2f"),
    Figure("share", "without anti-entropy, % delivered", ".2f"),
    Figure("share_transmissions", "and its transmissions, copies", ".2f"),
    Figure("memory_idle", "memory of a peer, idle, MiB", ".1f"),
    Figure("memory_after", "memory of a peer, after burst, MiB", ".1f"),
    Figure("threads", "threads of a peer", ".1f"),
    Figure("cpu_at_rest", "CPU at rest, of a peer, % of a core", ".3f"),
]


def measure(args, peers, seeds, local, settings: Settings, spreads: list[str]) -> int:
    """Measure `args.runs` networks of these peers for every way of spreading; print the table,
    write the JSON file."""
    end, results = End(), {}
    for spread in spreads:
        for number in range(args.runs + 1):
            alone = number == args.runs
            chosen = settings._replace(
                spread=spread,
                antientropy_interval=0.0 if alone else settings.antientropy_interval)
            figures = _one_network(args, peers, seeds, local, chosen, end, alone)
            if figures is None:
                return FAILED
            if not results:
                show(f"{args.peers} peers, each a process, mean degree {figures['degree']:.1f}; "
                     f"burst of {args.messages} messages of {args.size} bytes")
            if not alone:
                show(f"{spread}, run {number + 1} of {args.runs}: "
                     f"{figures['deliveries_per_second']:,.0f} deliveries/s")
            results.setdefault(spread, []).append(figures)
    show("\n".join(table(results)))
    if args.json is not None:
        _write_json(args, settings, results)
    return 0


def _one_network(args, peers, seeds, local, settings: Settings, end: End,
                 alone: bool) -> dict[str, float] | None:
    """The figures of one network, or (`alone`) those of spreading without anti-entropy."""
    with tempfile.TemporaryDirectory(prefix="grapevine-") as folder:
        outputs = pathlib.Path(folder)
        with Network(seeds, local, peers, settings, args.config, outputs) as network:
            network.start(network.plan(None), subprocess.PIPE)
            measured = _MeasuredNetwork(network, Records(outputs), settings, args, end)
            return measured.measure_alone() if alone else measured.measure()


def table(results: dict[str, list[dict[str, float]]]) -> list[str]:
    """The lines of the table: of each figure the median, the least and the most, in columns for
    every way of spreading. A figure that was measured once stands under the median."""
    heads = ["median", "least", "most"]
    rows = [f"{'':<36}" + "".join([f"{spread:>12}{'':24}" for spread in results]).rstrip(),
            f"{'':<36}" + "".join([f"{head:>12}" for _ in results for head in heads])]
    for name, what, form in FIGURES:
        row = f"{what:<36}"
        for networks in results.values():
            values = [figures[name] for figures in networks if name in figures]
            shown = [statistics.median(values), min(values), max(values)] if values else []
            cells = [f"{value:>12{form}}" for value in shown[:1 if len(values) == 1 else 3]]
            row += "".join(cells).ljust(12 * len(heads))
        if row.strip() != what:
            rows.append(row.rstrip())
    return rows


def _write_json(args, settings: Settings, results: dict[str, list[dict[str, float]]]) -> None:
    medians = {spread: _medians(networks) for spread, networks in results.items()}
    report = {"peers": args.peers, "messages": args.messages, "size": args.size,
              "settings": settings.words(), "python": platform.python_version(),
              "cores": os.cpu_count(), "median": medians, "runs": results}
    try:
        args.json.write_text(json.dumps(report, indent=2) + "\n")
    except OSError as error:
        raise CommandError(f"cannot write {args.json}: {error.strerror}", FAILED) from None


def _medians(networks: list[dict[str, float]]) -> dict[str, float]:
    names = {name for figures in networks for name in figures}
    return {name: statistics.median([figures[name] for figures in networks if name in figures])
            for name in names}


class _MeasuredNetwork:
    """One network under measurement."""

    def __init__(self, network: Network, records: Records, settings: Settings, args, end: End):
        self._network = network
        self._records = records
        self._end = end
        self._progress = Progress(records, network, settings, end, quiet=True)
        self._args = args
        self._signs = settings.sign
        self._said = 0
        self._greetings: set[str] = set()  # messages that are not measured
        self._figures: dict[str, float] = {}

    def measure(self) -> dict[str, float] | None:
        """The figures; None, after a line that says why, if the network did not do its work."""
        if not self._progress.settle(self._progress.linked, LIMIT):
            show("the peers did not find each other")
            return None
        self._settle()
        self._note_size("memory_idle")
        if not (self._steady() and self._burst()):
            show("not every message arrived")
            return None
        self._note_size("memory_after")
        self._rest()
        return self._figures

    def measure_alone(self) -> dict[str, float] | None:
        """The share of the steady messages that spreading alone delivers, in percent."""
        if not self._progress.settle(self._progress.linked, LIMIT):
            show("the peers did not find each other")
            return None
        self._settle()
        copies, before = self._copies(), self._delivered()
        self._say_steadily()
        self._progress.settle(self._all_delivered, STILL)
        copies = self._copies() - copies
        due = STEADY_MESSAGES * (self._args.peers - 1)
        delivered = self._delivered() - before
        self._figures["share"] = delivered / due * 100
        self._figures["share_transmissions"] = (copies + delivered) / delivered
        return self._figures

    def _settle(self) -> None:
        """Wait until no link has come or gone for 15 seconds: then the ring is closed, places are
        filled and surplus links given up. This takes up to two liveness rounds."""
        seen, quiet_since = None, time.monotonic()
        end = quiet_since + LIMIT
        while time.monotonic() - quiet_since < QUIET and time.monotonic() < end:
            self._end.pause(1)
            self._records.refresh()
            links = [(run.address, sorted(run.linked)) for run in self._records.peers]
            if links != seen:
                seen, quiet_since = links, time.monotonic()
        degrees = [len(run.linked) for run in self._records.peers]
        self._figures["degree"] = sum(degrees) / len(degrees)
        if self._signs:
            self._greet()

    def _greet(self) -> None:
        """Have every peer say one message, so that all keys are known when the measuring begins."""
        for host in self._network.hosts:
            self._say(host, 1)
        self._progress.settle(self._all_delivered, LIMIT)
        self._greetings = {message for run in self._records.peers for message in run.generated}

    def _all_delivered(self) -> bool:
        return all(len(run.received) + len(run.generated) == self._said
                   for run in self._records.peers)

    def _delivered(self) -> int:
        return sum(len(run.received) for run in self._records.refresh().peers)

    def _say(self, host, count: int) -> None:
        """Have a peer say so many messages at once."""
        self._said += count
        host.write(f"say {'x' * self._args.size}\n" * count)

    def _steady(self) -> bool:
        """Say messages one by one, each at a random peer; note how long they took."""
        self._say_steadily()
        if not self._progress.settle(self._all_delivered, LIMIT):
            return False
        last = [self._last(message) - at for run in self._records.peers
                for message, at in run.generated.items() if message not in self._greetings]
        each = [delivery.at - origin.generated[message] for origin in self._records.peers
                for run in self._records.peers
                for message, delivery in run.received.items()
                if message in origin.generated and message not in self._greetings]
        for name, times in (("last", last), ("each", each)):
            self._figures[f"{name}_median"] = quantile(times, 0.5) * 1e3
            self._figures[f"{name}_p99"] = quantile(times, 0.99) * 1e3
        return True

    def _say_steadily(self) -> None:
        rng = random.Random(1)
        began = time.monotonic()
        for number in range(STEADY_MESSAGES):
            self._say(rng.choice(self._network.hosts), 1)
            self._end.pause(max(0, began + (number + 1) / RATE - time.monotonic()))

    def _last(self, message: str) -> float:
        return max(run.received[message].at for run in self._records.peers
                   if message in run.received)

    def _burst(self) -> bool:
        """Have one peer say many messages at once; note what they cost."""
        args, speaker = self._args, self._network.hosts[0]
        run = next(run for run in self._records.peers
                   if run.address == str(speaker.addresses[0]))
        before, copies, cpu = set(run.generated), self._copies(), self._cpu()
        self._say(speaker, args.messages)
        if not self._wait_quietly():
            return False
        cpu, copies = self._cpu() - cpu, self._copies() - copies
        burst = [message for message in run.generated if message not in before]
        self._note_burst(run, burst, len(burst) * (args.peers - 1), copies, cpu)
        return True

    def _note_burst(self, run: PeerRun, burst: list[str], deliveries: int, copies: int,
                    cpu: float) -> None:
        began = min(run.generated[message] for message in burst)
        took = max(self._last(message) for message in burst) - began
        self._figures["deliveries_per_second"] = deliveries / took
        self._figures["transmissions"] = (copies + deliveries) / deliveries
        if cpu:
            self._figures["cpu_per_delivery"] = cpu / deliveries * 1e6

    def _wait_quietly(self) -> bool:
        """Wait until the peers have used no CPU for a second, then for the files: looking at them
        earlier would take CPU from the peers."""
        used, end = self._cpu(), time.monotonic() + LIMIT
        self._end.pause(1)
        while self._cpu() - used > 0.05 and time.monotonic() < end:
            used = self._cpu()
            self._end.pause(1)
        return self._progress.settle(self._all_delivered, LIMIT)

    def _rest(self) -> None:
        """Note the CPU of a peer while nothing is said."""
        cpu = self._cpu()
        self._end.pause(REST)
        if cpu:
            self._figures["cpu_at_rest"] = (self._cpu() - cpu) / REST / self._args.peers * 100

    def _copies(self) -> int:
        """How many messages came to peers that had them already, by the peers' own count."""
        total = 0
        for host in self._network.hosts:
            host.write("status\n")
            while (line := host.read_line()) and not line.startswith("lines not shown:"):
                name, _, value = line.partition(": ")
                total += int(value) if name in COPIES else 0
        return total

    def _cpu(self) -> float:
        """CPU seconds of all peers so far; 0 where the system does not tell."""
        total = 0
        for host in self._network.hosts:
            stat = _read(f"/proc/{host.id}/stat")
            if stat:
                fields = stat.rpartition(")")[2].split()
                total += int(fields[11]) + int(fields[12])
        return total / os.sysconf("SC_CLK_TCK") if total else 0.0

    def _note_size(self, name: str) -> None:
        """Note mean resident memory (MiB) and threads of a peer, where the system tells."""
        memory, threads = [], []
        for host in self._network.hosts:
            fields = process_status(host.id)
            if "VmRSS" in fields:
                memory.append(int(fields["VmRSS"].split()[0]) / 1024)
                threads.append(int(fields["Threads"]))
        if memory:
            self._figures[name] = sum(memory) / len(memory)
            self._figures["threads"] = sum(threads) / len(threads)


def process_status(pid: int) -> dict[str, str]:
    """The fields that the system tells of a process, by name; empty where it tells none."""
    return dict(line.split(":", 1) for line in _read(f"/proc/{pid}/status").splitlines())


def _read(path: str) -> str:
    try:
        return pathlib.Path(path).read_text()
    except OSError:
        return ""
