"""The benchmark: what a network of processes on this machine does per second, and costs.

Three phases on one network: messages at a steady rate (how long until the last peer has
each), a burst said by one peer (deliveries per second, CPU per delivery), and rest. Times come
from the output files, CPU and memory from the system's own accounting (Linux; elsewhere they
are left out).
"""

import os
import pathlib
import random
import tempfile
import time

from gossip.check import quantile
from gossip.command_line import FAILED, show
from gossip.network import Network
from gossip.progress import Progress
from gossip.records import Records
from gossip.settings import Settings
from gossip.signals import End

RATE, STEADY_MESSAGES = 5, 100  # messages a second, and how many, in the first phase
REST = 15.0  # seconds of rest that are measured
QUIET = 15.0  # seconds without a change of links after which the network is at rest
LIMIT = 120.0  # seconds for any phase


def measure(peers, args, seed_class, seeds, local, settings: Settings) -> int:
    """Run the benchmark on a network of peers with these addresses and print its table."""
    settings = settings._replace(gossip_count=0)
    with tempfile.TemporaryDirectory(prefix="grapevine-") as folder:
        outputs = pathlib.Path(folder)
        with Network(seed_class, seeds, args.config, outputs) as network:
            network.check(local, peers)
            network.start(local, peers, settings)
            return _Measurement(network, Records(outputs), settings, args).run()


class _Measurement:
    """One network under measurement."""

    def __init__(self, network: Network, records: Records, settings: Settings, args):
        self._network = network
        self._end = End()
        self._records = records
        self._progress = Progress(records, args.peers, settings, self._end, quiet=True)
        self._args = args
        self._said = 0

    def run(self) -> int:
        args = self._args
        if not self._progress.settle(self._progress.linked, LIMIT, self._network):
            show("the peers did not find each other")
            return FAILED
        self._settle()
        idle_memory = self._memory()
        show(f"{args.peers} peers, each a process, {self._degrees()}")
        if not (self._steady() and self._burst()):
            show("not every message arrived")
            return FAILED
        self._rest()
        if idle_memory:
            show(f"memory per peer      {idle_memory / 2**20:.1f} MiB idle, "
                 f"{self._memory() / 2**20:.1f} MiB after the burst")
        return 0

    def _settle(self) -> None:
        """Let the ring close, the places fill and the surplus be given up, which takes up to
        two liveness rounds: wait until no link has come or gone for a while."""
        seen, quiet_since = None, time.monotonic()
        end = quiet_since + LIMIT
        while time.monotonic() - quiet_since < QUIET and time.monotonic() < end:
            self._end.pause(1)
            self._records.refresh()
            links = [(run.address, sorted(run.linked)) for run in self._records.peers]
            if links != seen:
                seen, quiet_since = links, time.monotonic()

    def _degrees(self) -> str:
        self._records.refresh()
        linked = [len(run.linked) for run in self._records.peers]
        return f"degree {min(linked)} to {max(linked)}, mean {sum(linked) / len(linked):.1f}"

    def _all_delivered(self) -> bool:
        return all(len(run.received) + len(run.generated) == self._said
                   for run in self._records.peers)

    def _say(self, peer, count: int, text: str) -> None:
        self._said += count
        peer.type("".join(f"say {text}\n" for _ in range(count)))

    def _steady(self) -> bool:
        """Messages one by one, each from a random peer."""
        rng = random.Random(1)
        began = time.monotonic()
        for number in range(STEADY_MESSAGES):
            self._say(rng.choice(self._network.peers), 1, "x" * self._args.size)
            self._end.pause(max(0, began + (number + 1) / RATE - time.monotonic()))
        if not self._progress.settle(self._all_delivered, LIMIT, self._network):
            return False
        last = [self._last(message) - at for run in self._records.peers
                for message, at in run.generated.items()]
        each = [delivery.at - origin.generated[message] for origin in self._records.peers
                for run in self._records.peers
                for message, delivery in run.received.items() if message in origin.generated]
        show(f"to the last peer     median {quantile(last, 0.5) * 1e3:.2f} ms, "
             f"99 % {quantile(last, 0.99) * 1e3:.2f} ms  ({RATE} messages a second)")
        show(f"to each peer         median {quantile(each, 0.5) * 1e3:.2f} ms, "
             f"99 % {quantile(each, 0.99) * 1e3:.2f} ms")
        return True

    def _last(self, message: str) -> float:
        return max(run.received[message].at for run in self._records.peers
                   if message in run.received)

    def _burst(self) -> bool:
        """Many messages said by one peer at once."""
        args = self._args
        speaker = self._network.peers[0]
        run = next(run for run in self._records.peers if run.address == str(speaker.address))
        before = set(run.generated)
        cpu = self._cpu()
        self._say(speaker, args.messages, "x" * args.size)
        if not self._wait_quietly():
            return False
        cpu = self._cpu() - cpu
        burst = [message for message in run.generated if message not in before]
        began = min(run.generated[message] for message in burst)
        took = max(self._last(message) for message in burst) - began
        deliveries = len(burst) * (args.peers - 1)
        show(f"burst                {deliveries / took:,.0f} deliveries a second "
             f"({args.messages} messages of {args.size} bytes in {took:.2f} s)")
        if cpu:
            show(f"CPU per delivery     {cpu / deliveries * 1e6:.2f} µs")
        return True

    def _wait_quietly(self) -> bool:
        """Wait until no process has used CPU for a second: looking at files would cost some."""
        used, end = self._cpu(), time.monotonic() + LIMIT
        self._end.pause(1)
        while self._cpu() - used > 0.05 and time.monotonic() < end:
            used = self._cpu()
            self._end.pause(1)
        return self._progress.settle(self._all_delivered, LIMIT, self._network)

    def _rest(self) -> None:
        """Nobody says anything."""
        cpu = self._cpu()
        self._end.pause(REST)
        cpu = self._cpu() - cpu
        if self._memory():
            show(f"CPU at rest          {cpu / REST / self._args.peers * 100:.3f} % of a core "
                 f"per peer")

    def _cpu(self) -> float:
        """CPU seconds of all peers so far; 0 where the system does not tell."""
        total = 0
        for peer in self._network.peers:
            stat = _read(f"/proc/{peer.id}/stat")
            if stat:
                fields = stat.rpartition(")")[2].split()
                total += int(fields[11]) + int(fields[12])
        return total / os.sysconf("SC_CLK_TCK") if total else 0.0

    def _memory(self) -> float:
        """Mean resident bytes of a peer; 0 where the system does not tell."""
        sizes = [int(line.split()[1]) * 1024 for peer in self._network.peers
                 for line in _read(f"/proc/{peer.id}/status").splitlines()
                 if line.startswith("VmRSS:")]
        return sum(sizes) / len(sizes) if sizes else 0.0


def _read(path: str) -> str:
    try:
        return pathlib.Path(path).read_text()
    except OSError:
        return ""
