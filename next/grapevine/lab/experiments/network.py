"""A whole network on this machine: `runner.py --peers N`.

All seeds of config.txt are in one process, and the peers in few (`--processes`), each a worker with
a loop. A peer that is to be killed has a process of its own. The runner asks workers for counts,
and tells when all peers are registered, when all have a neighbour, and when all know everything.
With `--malicious` some peers attack, and the network gossips on until they should be found out.
"""

import contextlib
import glob
import json
import math
import os
import random
import socket
import subprocess
import sys
import time

from grapevine.addresses import Address, address_of
from grapevine.lab.attackers import WORDS, Attack, deal, parse_attacks
from grapevine.lab.demo import FIRST_PORT, check, say, start
from grapevine.settings import majority
from grapevine.terminal.command_line import (
    FAILED, HOME, OF_PEERS, CommandError, Parser, add_common, add_settings, count,
    load_seeds, run_command, settings_of)
from grapevine.terminal.starting import seed_addresses, take_signals

OUTPUTS = os.path.join(HOME, "outputs", "network")
LOOK = 0.2  # seconds between two questions for counts
ENDED = "a worker has ended; its error stands above"
PERIODS = 24  # of a network with attackers, once all are linked
PER_CORE = 20  # peers whose periods of a second a core can hold
PER_PERIOD = 25  # messages that all peers say together
FOR_EVER = 1_000_000_000  # messages of a peer that gossips without end
REMOVED_WITHIN = 30.0  # seconds beyond the misses, until seeds have removed who was killed


def network_main(arguments: list[str]) -> int:
    return run_command("runner.py", run_network, arguments)


def network_parser() -> Parser:
    parser = Parser(usual=("--peers", "--kill", "--once", "--outputs"), prog="runner.py",
                    description="The seeds of config.txt, and many peers.")
    parser.add_argument("--peers", type=count(1), metavar="N", required=True, help="how many")
    parser.add_argument("--processes", type=count(1), metavar="N", default=2,
                        help="in how many processes (%(default)s)")
    parser.add_argument("--kill", type=count(0), metavar="K", default=0,
                        help="once gossip is delivered, K peers more are killed (0)")
    parser.add_argument("--malicious", type=parse_attacks, metavar="KIND:COUNT[:SHARE],…",
                        help="peers that attack, or none; all watch, and gossip without end")
    parser.add_argument("--once", action="store_true",
                        help="end when all is delivered, and the dead are removed, and check")
    add_common(parser, OUTPUTS)
    add_settings(parser, OF_PEERS)
    return parser


def run_network(arguments: list[str]) -> int:
    args = network_parser().parse_args(arguments)
    os.makedirs(args.outputs, exist_ok=True)
    for path in glob.glob(os.path.join(args.outputs, "*_*.txt")):
        os.remove(path)
    if args.malicious is not None:
        watch(args)
    take_signals()
    with Network(args) as network:
        network.begin()
        network.await_delivery() if args.malicious is None else network.await_verdicts()
        if args.kill:
            network.kill()
        network.tell_cost()
        if not args.once:
            say("Ctrl-C ends it.")
            network.watch()
    return check(args.outputs) if args.once else 0


def watch(args) -> None:
    """Set what a network with attackers needs: its pace is what this machine can hold."""
    args.monitor, args.gossip_count = True, FOR_EVER
    args.report_interval = max(1.0, args.peers / (PER_CORE * (os.cpu_count() or 1)))
    args.gossip_interval = args.report_interval * args.peers / PER_PERIOD
    if any(attack.kind == "forbidden" for attack in args.malicious):
        args.filter = WORDS


def free_addresses(seeds: list[Address], wanted: int) -> list[Address]:
    """Return addresses at the IP of the seeds where nobody listens. CommandError if that is too
    many."""
    free = []
    for port in range(FIRST_PORT, 65_536):
        if len(free) == wanted:
            return free
        address = address_of(seeds[0].ip, port)
        if address not in seeds:
            with contextlib.suppress(OSError), socket.socket(address.family) as sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                sock.bind((address.ip, port))
                free.append(address)
    raise CommandError(f"only {len(free)} ports are free, and not {wanted}", FAILED)


class WorkerProcess:
    """A worker (worker.py), and the pipes to it."""

    def __init__(self, stack: contextlib.ExitStack, flags: list[str]):
        command = [sys.executable, os.path.join(HOME, "runner.py"), "worker", *flags]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, bufsize=1)
        stack.callback(self.process.stdout.close)
        stack.callback(self.process.wait)
        stack.callback(self._end)

    def _end(self) -> None:
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()

    def order(self, *orders: str) -> None:
        try:
            self.process.stdin.write("".join(f"{order}\n" for order in orders))
        except BrokenPipeError:
            raise CommandError(ENDED, FAILED) from None

    def answer(self) -> dict[str, float]:
        line = self.process.stdout.readline()
        if not line:
            raise CommandError(ENDED, FAILED)
        return json.loads(line)


class Network:
    """Seeds, peers, and what is known of them. Use it with `with`."""

    def __init__(self, args):
        self._args, self._settings = args, settings_of(args)
        self._stack = contextlib.ExitStack()
        self._begun = time.monotonic()
        self._seeds = seed_addresses(None, load_seeds(args.config))
        peers = free_addresses(self._seeds, args.peers + args.kill)
        self._peers, self._victims = peers[:args.peers], peers[args.peers:]
        attacks: tuple[Attack, ...] = args.malicious or ()
        self._roles = deal(attacks, self._peers, random.Random())
        self._processes: list[subprocess.Popen] = []  # of victims
        self.workers: list[WorkerProcess] = []
        self.counts: dict[str, float] = {}

    def __enter__(self) -> "Network":
        return self

    def __exit__(self, *exception) -> None:
        self._stack.close()

    def begin(self) -> None:
        """Start all nodes, and tell when all peers have seeds and neighbours."""
        flags = ["--config", self._args.config, "--outputs", self._args.outputs]
        flags += [text for name in OF_PEERS if name not in ("filter", "sign", "monitor")
                  for text in (f"--{name.replace('_', '-')}", str(getattr(self._args, name)))]
        flags += [f"--{name}" for name in ("sign", "monitor") if getattr(self._args, name)]
        flags += ["--filter", self._filter_file()] if self._args.filter else []
        self._start_worker(flags, "seed", self._seeds)
        self._await("nodes", len(self._seeds))
        self._begun = time.monotonic()
        size = math.ceil(len(self._peers) / self._args.processes)
        for at in range(0, len(self._peers), size):
            self._start_worker(flags, "peer", self._peers[at:at + size])
        self._processes = [start(self._stack, "peer.py", str(peer.port), "--host", peer.ip,
                                 "--quiet", *flags) for peer in self._victims]
        say(f"{len(self._peers) + len(self._victims)} peers and {len(self._seeds)} seeds, "
            f"files in {self._args.outputs}")
        self._await("registered", len(self._peers))
        self._await("linked", len(self._peers))

    def _start_worker(self, flags: list[str], kind: str, addresses: list[Address]) -> None:
        self.workers.append(WorkerProcess(self._stack, flags))
        self.workers[-1].order(*(f"{kind} {address} {self._roles.get(address, '')}".rstrip()
                                 for address in addresses))

    def _filter_file(self) -> str:
        """Write the words of the filter into a file for all nodes."""
        path = os.path.join(self._args.outputs, "filter.txt")
        with open(path, "w", encoding="utf-8") as file:
            file.write("".join(f"{word}\n" for word in self._args.filter))
        return path

    def look(self) -> None:
        """Ask all workers for their counts."""
        for worker in self.workers:
            worker.order("count")
        answers = [worker.answer() for worker in self.workers]
        self.counts = {name: sum(answer[name] for answer in answers) for name in answers[0]}

    def _await(self, what: str, wanted: int, longest: float = math.inf) -> None:
        """Wait until a count is what is wanted, and say so. CommandError if it takes too long."""
        until = time.monotonic() + longest
        while self.look() or self.counts[what] != wanted:
            if time.monotonic() > until:
                raise CommandError(f"after {longest:.0f} s {what} {self.counts[what]:.0f}, and not "
                                   f"{wanted}", FAILED)
            time.sleep(LOOK)
        say(f"{time.monotonic() - self._begun:6.1f} s  {what}: {wanted:,}")

    def await_delivery(self) -> None:
        everybody = len(self._peers) + len(self._victims)
        messages = everybody * self._settings.gossip_count
        self._await("known", len(self._peers) * messages)

    def await_verdicts(self) -> None:
        """Wait until attackers should have been kicked."""
        seconds = PERIODS * self._args.report_interval
        say(f"{len(self._roles)} peers attack; for {seconds:.0f} s all watch, and gossip …")
        time.sleep(seconds)
        self.look()
        say(f"{time.monotonic() - self._begun:6.1f} s  kicked: {self.counts['kicked']:.0f}")

    def kill(self) -> None:
        """Kill the victims, and wait until seeds have removed, and neighbours reported them."""
        for process in self._processes:
            process.kill()
        say(f"{time.monotonic() - self._begun:6.1f} s  killed: {len(self._processes)}")
        longest = REMOVED_WITHIN + (
            self._settings.liveness_interval * (self._settings.liveness_misses + 2))
        self._await("listed", len(self._peers) * majority(len(self._seeds)), longest)
        self._await("broken", 0, longest)

    def tell_cost(self) -> None:
        say(f"{time.monotonic() - self._begun:6.1f} s  CPU: {self.counts['cpu']:.0f} s, memory: "
            f"{self.counts['memory'] / 1024:,.0f} MiB")

    def watch(self) -> None:
        """Wait until a worker ends, or Ctrl-C."""
        while all(worker.process.poll() is None for worker in self.workers):
            time.sleep(LOOK)
