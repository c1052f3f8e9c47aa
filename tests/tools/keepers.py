"""Seeds that keep rows in virtual time, peers that report to them, and what befalls the seeds.

The seeds are the real ones. A peer here is only what a seed sees of it: a registration and a report
each period; when its seed is lost, all reports of the last six periods go to another one.
"""

import random

from gossip.addresses import address_of
from gossip.lab.experiments.virtual_network import VirtualNetwork
from gossip.lab.simulation.virtual_links import Cables
from gossip.monitoring import grammar
from gossip.settings import Settings
from seed import Seed
from tests.tools.monitoring_seeds import prove

PERIOD = 1.0
SETTINGS = Settings(monitor=True, report_interval=PERIOD, liveness_interval=1e6)
KEPT = 6  # reports that a peer keeps
WINDOW = 12  # periods for which seeds keep rows
QUIET = 10 * PERIOD  # after this much time without a change, everything is in its place
ACCIDENTS = ("kill", "lose_power", "freeze", "cut", "reset", "start")


def seed_addresses(number):
    return [address_of("127.0.0.1", 5000 + one) for one in range(number)]


class Registration:
    """Stands for the connection on which a peer is registered."""

    def __init__(self, peer):
        self.peer = peer

    def send(self, data):
        """The peer is not interested."""

    def close(self, reason):
        """Nor in this."""


class ReportingPeer:
    """One peer: what it reports, to which life of a seed, and what it keeps."""

    def __init__(self, keepers, address, neighbours):
        self.keepers = keepers
        self.address = address
        self.neighbours = neighbours
        self.seed = None  # the node, a life of a seed
        self.kept = []  # (when, report) of the last six periods
        self.given = {}  # PERIOD -> seeds to which its report was said
        self.period = 0

    def turn(self):
        """Report, and again in a period."""
        self.period += 1
        entries = tuple(grammar.Entry(peer, 10, 0, 1, 5 if peer in self.keepers.tampering else 0, 0)
                        for peer in self.neighbours)
        report = grammar.Report(7, self.period, entries)
        self.kept = [*self.kept, (self.keepers.time.now, report)][-KEPT:]
        if self.seed is not None:
            self.say(report)
        self.keepers.time.at(self.keepers.time.now + PERIOD, self.turn)

    def find_seed(self, lost=None):
        """Register with a seed that is up, if this one is lost."""
        if self.seed is not lost:
            return
        self.seed = self.keepers.some_seed()
        if self.seed is None:
            self.keepers.time.at(self.keepers.time.now + 0.5, self.find_seed)
            return
        prove(self.seed, [peer.address for peer in self.keepers.peers])
        link = self.link = Registration(self.address)
        self.call(self.seed.registry.register, self.address, link, self.keepers.time.now)
        for _, report in reversed(self.kept):
            self.say(report)

    def say(self, report):
        self.given.setdefault(report.period, []).append(self.seed)
        self.call(self.seed.keeping.on_report, self.link, report)

    def call(self, call, *arguments):
        """Call the seed, as bytes of this peer's connection would: one that is frozen later, one
        without power never."""
        self.keepers.time.at(self.keepers.time.now, self.seed.world._do, self.link, call,
                             *arguments)


class Keepers:
    """A network of seeds that keep rows; what happens follows from `number`."""

    def __init__(self, number, seeds, peers=4, degree=3, up=None, cables=None):
        self.rng = random.Random(f"{number}:keepers")
        cables = cables or Cables(jitter=self.rng.choice((0.0, 0.05, 0.3)))
        self.addresses = seed_addresses(seeds)
        self.network = VirtualNetwork(number, {"seed": Seed}, self.addresses, SETTINGS, cables,
                                      lag=0.002)
        self.time = self.network.time
        self.changed = 0.0  # when something happened last
        self.tampering = []  # peers of which a third of all copies is corrupt
        self.written = []  # (when, seed, event)
        self.shared_out = 0.0  # when the seeds have last made a new tree
        self.network.hear = self.heard
        self.story = []  # what happened, for who reads a failure
        for address in self.addresses[:up]:
            self.network.start(address)
        names = [address_of("127.0.0.2", 6000 + one) for one in range(peers)]
        self.peers = [ReportingPeer(self, name, self.rng.sample(
            [other for other in names if other != name], min(degree, peers - 1)))
            for name in names]
        for peer in self.peers:
            self.time.at(self.rng.uniform(0, 2 * PERIOD), peer.find_seed)
            self.time.at(self.rng.uniform(0, PERIOD), peer.turn)

    # What befalls them.

    def some_seed(self):
        """A seed that is up and not frozen; None when there is none."""
        up = [seed for seed in self.network.living_seeds() if not seed.world.is_frozen()]
        return self.rng.choice(up) if up else None

    def run(self, seconds):
        self.time.run(self.time.now + seconds)

    def heard(self, address, event):
        """A seed has written something: a new tree is a change."""
        self.written.append((self.time.now, address, event))
        if event.startswith("tree:"):
            self.shared_out = self.time.now

    def note(self, what, *about):
        self.changed = self.time.now
        self.story.append(f"{self.time.now:.3f} {what} {' '.join(map(str, about))}")

    def accident(self):
        """Something happens to the seeds, and most of it ends after a while."""
        kind, seed = self.rng.choice(ACCIDENTS), self.rng.choice(self.addresses)
        back = self.time.now + self.rng.choice((0.2, 1.0, 2.5, 5.0, 9.0)) * self.rng.random()
        self.note(kind, seed, f"until {back:.3f}")
        getattr(self, kind)(seed, back)

    def kill(self, address, back):
        self._end(address, self.network.kill, 0.0)
        self.time.at(back, self.start, address, back)

    def lose_power(self, address, back):
        self._end(address, self.network.lose_power, 3 * self.rng.random())
        self.time.at(back, self.start, address, back)

    def _end(self, address, end, notice):
        """A seed ends; peers that report to it find out later, and look for another."""
        node = self.network.nodes.get(address)
        end(address)
        for peer in self.peers:
            if peer.seed is node is not None:
                self.time.at(self.time.now + notice, peer.find_seed, node)

    def start(self, address, back):
        if address not in self.network.nodes:
            self.note("starts", address)
            self.network.start(address)

    def freeze(self, address, back):
        self.network.freeze(address)
        self.time.at(back, self.thaw, address)

    def thaw(self, address):
        self.note("goes on", address)
        self.network.thaw(address)

    def cut(self, address, back):
        side = frozenset(self.rng.sample(self.addresses, len(self.addresses) // 2))
        self.network.cut(side)
        self.time.at(back, self.mend, side)

    def mend(self, side):
        self.note("mended")
        self.network.mend(side)

    def reset(self, address, back):
        self.network.reset(address, self.rng.randrange(100), self.rng.random() < 0.5)

    # What is true of them.

    def seeds(self):
        return self.network.living_seeds()

    def wait_for_quiet(self):
        """Go on until nothing has happened for a while."""
        while (until := max(self.changed + QUIET, self.shared_out + 2 * PERIOD)) > self.time.now:
            self.run(until - self.time.now)

    def faults(self):
        """What is wrong with the seeds' rows and trees, now that it is quiet."""
        return [*self._faults_of_trees(), *self._faults_of_rows()]

    def _faults_of_trees(self):
        living = {seed.address for seed in self.seeds()}
        trees = {(seed.keeping.tree.version, seed.keeping.tree.author)
                 for seed in self.seeds()}
        if len(trees) != 1:
            yield f"different trees {sorted(trees)}"
        for seed in self.seeds():
            if set(seed.keeping.tree.seeds()) != living:
                yield f"{seed.address} has a tree with others than the living"

    def _faults_of_rows(self):
        holders = {}
        for seed in self.seeds():
            for row in seed.keeping._held.all():
                holders.setdefault(row.identity, []).append(seed.address)
                if seed.keeping.tree.owner(row.key) != seed.address:
                    yield f"{row.identity} at {seed.address}, which does not own it"
        for identity in self.rows_expected():
            if identity not in holders:
                yield f"lost: {identity}"
        for identity, seeds in holders.items():
            if len(seeds) > 1:
                yield f"double: {identity} at {seeds}"

    def rows_expected(self):
        """The rows that must be held: of reports that a seed has taken in which is still up."""
        up = self.seeds()
        for peer in self.peers:
            for period, seeds in peer.given.items():
                young = peer.period - period
                if not 1 <= young < WINDOW - 2 or not any(seed in up for seed in seeds):
                    continue
                for other in peer.neighbours:
                    yield grammar.ABOUT, peer.address, 7, period, other
                    yield grammar.BY, peer.address, 7, period, other


def play(number):
    """A random network with random accidents; return what is wrong, with what happened."""
    rng = random.Random(number)
    size = rng.randint(2, 6)
    keepers = Keepers(number, size, up=rng.randint(1, size))
    keepers.run(3 * PERIOD)
    for _ in range(rng.randint(1, 3)):
        for _ in range(rng.randint(1, 3)):
            keepers.accident()
            keepers.run(rng.choice((0.1, 1.0, 4.0)) * rng.random())
        keepers.wait_for_quiet()
        faults = keepers.faults()
        if faults:
            return [*keepers.story, f"{keepers.time.now:.3f}", *faults]
    return []
