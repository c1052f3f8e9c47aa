"""Seeds that monitor, over loopback, and what their tables say."""

from gossip.addresses import address_of
from tests.tools.hands import FakePeer
from tests.tools.ports import free_address
from tests.tools.waiting import wait_until

PERIOD = 0.25


def monitoring_seeds(net, number, period=PERIOD):
    """Seeds that have found each other: one tree with all of them."""
    seeds = net.seeds(number, monitor=True, report_interval=period)
    wait_until(lambda: agree(seeds), what="one tree with all seeds")
    for seed in seeds:
        prove(seed, map(subject, range(200)))
    return seeds


def prove(seed, peers):
    """These have proved a run at a seed."""
    for peer in peers:
        seed.vouching.proved(peer, 7)


def beside(net, other, **changes):
    """A seed that monitors, on a network with another seed, which is in the hands of a test."""
    address = free_address()
    net.seed_addresses = sorted([other, address])
    return net.seed(address, monitor=True, report_interval=PERIOD, **changes)


def agree(seeds):
    """Whether these seeds have one tree, and are all in it."""
    first = seeds[0].keeping.tree
    return (all(seed.keeping.tree == first for seed in seeds)
            and set(first.seeds()) == {seed.address for seed in seeds})


def listens(seed, other):
    """Whether another seed takes what a seed says."""
    way = seed.seed_links._ways[other.address]
    return way.link is not None and way.nonce is None


def held(*seeds):
    """How many rows these seeds hold."""
    return sum(seed.keeping._held.count() for seed in seeds)


def rows_at(seed):
    """The rows that a seed holds, read between two turns."""
    with seed.turn:
        return seed.keeping._held.all()


def entries(numbers, counts="10,1,2,0,0"):
    """Entries about peers of these numbers."""
    return " ".join(f"{subject(number).listed}={counts}" for number in numbers)


def subject(number):
    return address_of("127.0.0.2", 10_000 + number)


class FakeSeed(FakePeer):
    """A seed in the hands of a test: says yes to the nonces in `said`, and listens to nobody."""

    def __init__(self, address):
        self.said = []
        self.asked = []  # nonces that it was asked about
        self.hellos = []  # lines in which others introduced themselves
        super().__init__(address)

    def reply(self, line):
        kind, _, rest = line.partition(":")
        if kind == "seed":
            self.hellos.append(line)
        if kind == "seed check":
            nonce = rest.rpartition(":")[2]
            self.asked.append(nonce)
            if nonce in self.said:
                return f"seed checked:{nonce}\n"
        return super().reply(line)
