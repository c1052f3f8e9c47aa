"""Networks over loopback that look for malicious peers, and what happens in them."""

import collections
import functools

from gossip import wire
from gossip.capacity import fixed
from gossip.lab.experiments.attackers import misbehaving
from gossip.monitoring.rows import rows_of
from gossip.signing import grammar
from gossip.signing.grammar import Signer, registering
from peer import Peer
from tests.tools.files import events
from tests.tools.hands import FakePeer
from tests.tools.monitoring_seeds import agree, rows_at
from tests.tools.nets import neighbours
from tests.tools.ports import free_address, free_addresses
from tests.tools.waiting import wait_until

NO_END = 1_000_000_000  # messages
SENTENCES = ("verdict:", "kicked:", "unconfirmed:")
REASONS = (":malicious:", ":kicked", ":unconfirmed")  # of a removal, or of the end of a link
FATE = ("removed:", "verdict:", "kicked:", "unconfirmed:", "disconnected:", "unregistered:",
        "dead:", "corrupt:")  # beginnings of lines about what befalls a peer


def check_once(monkeypatch):
    """A signature that one node has checked is checked for all nodes of this process."""
    monkeypatch.setattr(grammar, "check", functools.lru_cache(100_000)(grammar.check))


class Watched:
    """Seeds that monitor, and honest peers that gossip until the end."""

    def __init__(self, net, seeds, absent=0, period=0.5, **changes):
        """`absent` more seeds are in the config, and do not run."""
        self.net = net
        net.settings = net.settings._replace(**{
            "monitor": True, "sign": True, "report_interval": period, "settle": period,
            "gossip_count": NO_END, "gossip_interval": period / 4, **changes})
        net.seed_addresses = free_addresses(seeds + absent)
        self.seeds = [net.seed(address) for address in net.seed_addresses[:seeds]]
        self.honest = []
        self.attackers = []

    def start(self, count, roles=()):
        """Start honest peers, and one attacker for each role; wait until all are linked."""
        addresses = free_addresses(count + len(roles))
        hostile = dict(zip(addresses[1::2], roles))  # not side by side on the ring
        for address in addresses:
            self.start_peer(address, hostile.get(address))
        peers = [*self.honest, *self.attackers]
        wait_until(lambda: all(peer.joining.has_seed() and neighbours(peer) for peer in peers)
                   and agree(self.seeds), what="everybody to be registered and linked")

    def start_peer(self, address=None, role=None, **changes):
        """Start one peer."""
        kind = Peer if role is None else misbehaving(Peer, role)
        peer = self.net._start(kind, address or free_address(), changes)
        (self.honest if role is None else self.attackers).append(peer)
        return peer

    def kill_seed(self, seed):
        """A seed dies at once and without a word."""
        self.seeds.remove(seed)
        self.net.kill([seed])

    def start_seed(self, address):
        """A seed of the config begins to run."""
        self.seeds.append(self.net.seed(address))

    def periods(self):
        """Periods that honest peers have reported, the youngest of them the fewest."""
        return min(peer.reporting._period for peer in self.honest)

    def let_pass(self, periods):
        """Wait until so many further periods are over, by the reports of all honest peers."""
        until = self.periods() + periods
        wait_until(lambda: self.periods() >= until, what=f"{periods} periods")

    def fates(self, *others):
        """What befell anybody but these, by the files of all nodes that are honest."""
        names = [str(other) for other in others]
        return [f"{node.address} {event}" for node in [*self.seeds, *self.honest]
                for event in events(node) if event.startswith(FATE)
                and not any(name in event for name in names)]

    def sentences(self):
        """What befell honest peers as if they were malicious."""
        names = [str(peer.address) for peer in self.attackers]
        return [f"{node.address} {event}" for node in [*self.seeds, *self.honest]
                for event in events(node)
                if event.startswith(SENTENCES) or event.startswith(("removed:", "disconnected:"))
                and any(reason in event for reason in REASONS)
                if not event.partition(":")[2].startswith(tuple(names))]


def rows_reported(peers, besides=()):
    """The identities of the rows of the reports that these peers still keep, with two sides each,
    but not of those about others that were kicked."""
    rows = set()
    for peer in peers:
        for line in list(peer.reporting._kept):
            report = wire.parse(line.rstrip(b"\n"))
            rows |= {row.identity for row in rows_of(report, peer.address, 0.0)
                     if not {row.subject, row.other} & set(besides)}
    return rows


def rows_held(seeds):
    """How many of these seeds hold each row, by its identity."""
    return collections.Counter(row.identity for seed in seeds for row in rows_at(seed))


def all_linked(net, seeds, peers, **changes):
    """A network in which all honest peers are linked to one another."""
    watched = Watched(net, seeds, capacity=fixed(peers + 1), **changes)
    watched.start(peers)
    wait_until(lambda: all(len(neighbours(peer)) >= peers - 1 for peer in watched.honest),
               what="everybody to be linked to everybody")
    return watched


class Liar(FakePeer):
    """A peer with a key of its own, whose registrations are in the hands of a test. It accepts one
    neighbour, if it is to have one, says nothing to it, and answers it."""

    def __init__(self, net, has_neighbour=False):
        self.neighbour = None  # its address, as said by that one
        self._is_free = has_neighbour
        self._net = net
        super().__init__(free_address())
        self.signer = Signer(self.address, bytes(32))
        net.ends.append(self)

    def reply(self, line):
        kind, _, rest = line.partition(":")
        if kind == "Connection with Peer" and self._is_free:
            self._is_free, self.neighbour = False, rest
            return f"connection accepted:{self.address}\n"
        reply = super().reply(line)
        if kind == "Liveness Request" and rest.partition(":")[2] == self.neighbour:
            return reply.partition("\n")[2]  # neighbours prove nothing
        return reply

    def register(self, seed):
        """Register properly; return the end of that connection."""
        end = self._net.dial(seed)
        proof = self.signer.proof(registering(self.address, seed.address)).decode().rstrip("\n")
        end.say(proof, f"register:{self.address}")
        assert end.hear() == "registered successfully"
        return end

    def report(self, period, entries):
        return f"report:{self.signer.start}:{period}:{entries}"


def calumny(addresses, counts="1000,0,0,1000,1000"):
    """Entries that say the worst of these."""
    return " ".join(f"{address.listed}={counts}" for address in addresses)
