"""The benchmark of a network on this machine, each peer a process: `runner.py bench`.

Every measurement is of a new network: messages at a steady rate, a burst of one peer, and rest.
Times come from the output files, copies from the peers' counters, and CPU, memory and threads from
the system (on Linux alone).
"""

import argparse
import collections
import json
import os
import pathlib
import random
import statistics
import subprocess
import tempfile
import time

from grapevine.lab.experiments.bench_library import bench_library
from grapevine.lab.experiments.following import Progress
from grapevine.lab.experiments.hosts import Host, usage
from grapevine.lab.experiments.network import Network
from grapevine.lab.experiments.ports import BASE_PORT, choose_ports, take_turn
from grapevine.lab.experiments.steps import Steps
from grapevine.lab.proof.delivery import timed
from grapevine.lab.proof.evidence import quantile
from grapevine.lab.proof.records import Records
from grapevine.settings import WAYS, parse_way
from grapevine.terminal.command_line import (
    FAILED, OF_PEERS, CommandError, Parser, add_common, add_settings, count, number,
    parse_port, settings_of, show)
from grapevine.terminal.starting import take_signals

LONGEST = 65_400  # bytes of a message: with its head it fits into a gossip line
SIZE = number(1, f"a whole number from 1 to {LONGEST}", int, most=LONGEST)
RATE, STEADY_MESSAGES = 5, 100  # messages a second, and how many, in the first phase
QUIET = 15.0  # seconds from the last first link until the network is at rest
REST = 15.0  # seconds of rest that are measured
LIMIT = 120.0  # seconds without progress after which a measurement is given up
COPIES = ("duplicates", "messages in our name")  # counters
FIGURES = {  # what each is, and its format
    "to the last peer, median, ms": ".2f", "to the last peer, 99 %, ms": ".2f",
    "to each peer, median, ms": ".2f", "to each peer, 99 %, ms": ".2f",
    "burst, deliveries/s": ",.0f", "CPU per delivery, µs": ".2f",
    "transmissions per delivery, copies": ".2f", "memory of a peer, idle, MiB": ".1f",
    "memory of a peer, after burst, MiB": ".1f", "threads of a peer": ".1f",
    "CPU at rest, of a peer, % of a core": ".3f"}


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = Parser(prog="runner.py bench", description="How fast and how large a network is.")
    add_common(parser, idle=("--outputs", "--quiet"))
    add_settings(parser, tuple(name for name in OF_PEERS if name != "spread"))
    parser.add_argument("--spread", type=parse_way, metavar="WAY",
                        help=f"the way of spreading that is measured: {', '.join(WAYS)} (each)")
    for name, kind, usual, what in (
            ("peers", count(2), 40, "peers, each a process"),
            ("runs", count(1), 3, "networks for each way"),
            ("messages", count(1), 5000, "messages of a burst"),
            ("size", SIZE, 64, "bytes of each message"),
            ("base-port", parse_port, BASE_PORT, "the first peer's port")):
        parser.add_argument(f"--{name}", type=kind, default=usual, metavar="N",
                            help=f"{what} ({usual})")
    parser.add_argument("--json", metavar="FILE", help="write all figures into a file, too")
    parser.add_argument("--library", action="store_true",
                        help="the library instead, beside a bare flood")
    parser.set_defaults(host=None, seeds=None, plain=True, gossip_count=0, rate=0)
    return parser.parse_args(arguments)


def run_bench(arguments: list[str]) -> None:
    """Measure `--runs` networks for every way of spreading, or for one."""
    args, results = _parse(arguments), {}
    if args.json is not None:
        open(args.json, "a").close()  # now, because an error at the end would lose all figures
    take_signals()
    if args.library:
        bench_library()
        return
    ways = [args.spread] if args.spread else WAYS
    if os.isatty(1):
        show(f"measures {len(ways) * args.runs} networks, about a minute each")
    for way in ways:
        for number in range(1, args.runs + 1):
            with tempfile.TemporaryDirectory(prefix="grapevine-") as folder:
                args.outputs = pathlib.Path(folder)
                settings = settings_of(args)._replace(spread=way)
                with take_turn() as turn, Network(choose_ports(args), settings, args.outputs, None,
                                                  {}, turn) as network:
                    network.start(subprocess.PIPE)
                    degree, figures = Measured(Records(args.outputs), network, settings,
                                               Steps(args)).measure(args)
            if not results:
                show(f"{args.peers} peers, each a process, mean degree {degree:.1f}; burst of "
                     f"{args.messages} messages of {args.size} bytes")
            results.setdefault(way, []).append(figures)
            show(f"{way}, run {number} of {args.runs}: {figures['burst, deliveries/s']:,.0f} "
                 "deliveries/s")
    for way, networks in results.items():
        show(table(way, networks))
    if args.json is not None:
        pathlib.Path(args.json).write_text(json.dumps(results, indent=2) + "\n")


def table(way: str, networks: list[dict[str, float]]) -> str:
    """Return the median, least and most of each figure, as a table."""
    rows = [("", [way]), ("", ["median", "least", "most"])]
    for what, form in FIGURES.items():
        values = [figures[what] for figures in networks]
        rows.append((what, [f"{value:{form}}" for value in (
            statistics.median(values), min(values), max(values))]))
    return "\n".join(f"{what:<36}{''.join(f'{cell:>12}' for cell in cells)}"
                     for what, cells in rows)


class Measured(Progress):
    """A network under measurement."""

    def measure(self, args) -> tuple[float, dict[str, float]]:
        """Return the mean degree, and all figures. CommandError if it fails."""
        text = f"say {'x' * args.size}\n"
        self._await(self.linked)
        time.sleep(QUIET)
        _, idle, threads = usage(self._hosts())
        took = collections.defaultdict(list)  # message -> milliseconds to each peer
        for each in self._deliveries([text] * STEADY_MESSAGES, 1 / RATE):
            took[each.message].append(1e3 * (each.at - each.made))
        last, all_took = [*map(max, took.values())], sum(took.values(), [])
        copies, (begun, _, _) = self._copies(), usage(self._hosts())
        burst = self._deliveries([text * args.messages], 0.0)
        (ended, after, _), copies = usage(self._hosts()), self._copies() - copies
        time.sleep(REST)
        seconds = max(each.at for each in burst) - min(each.made for each in burst)
        return statistics.fmean(len(run.linked) for run in self.records.peers), dict(zip(FIGURES, (
            quantile(last, 0.5), quantile(last, 0.99), quantile(all_took, 0.5),
            quantile(all_took, 0.99), len(burst) / seconds, (ended - begun) / len(burst) * 1e6,
            1 + copies / len(burst), idle, after, threads,
            (usage(self._hosts())[0] - ended) / REST / args.peers * 100)))

    def _await(self, done) -> None:
        if not self.settle(done, LIMIT):
            raise CommandError("the peers did not find each other, or lack messages", FAILED)

    def _deliveries(self, inputs: list[str], pause: float) -> list:
        """Type inputs, each to a random peer, and return the deliveries once all have come."""
        before = {message for run in self.records.peers for message in run.generated}
        rng, began, seen = random.Random(1), time.monotonic(), -1.0
        for number, text in enumerate(inputs, 1):
            rng.choice(self._hosts()).write(text)
            time.sleep(max(0.0, began + number * pause - time.monotonic()))
        while (cpu := usage(self._hosts())[0]) - seen > 0.05:
            seen = cpu  # a look at the files takes CPU from them
            time.sleep(1.0)
        due = len(before) + "".join(inputs).count("\n")
        self._await(lambda: all(len(run.received) + len(run.generated) == due
                                for run in self.records.peers))
        return [each for each in timed(self.records.peers) if each.message not in before]

    def _copies(self) -> int:
        """Return how many duplicates the peers say that they have received."""
        total = 0
        for host in self._hosts():
            host.write("status\n")
            for line in iter(host.process.stdout.readline, b""):
                name, _, value = line.decode().partition(": ")
                total += int(value) if name in COPIES else 0
                if name == "lines not shown":  # the last of the answer
                    break
        return total

    def _hosts(self) -> list[Host]:
        """Return the processes of all peers."""
        return [self._network.hosts[peer] for peer in self._network.peers]
