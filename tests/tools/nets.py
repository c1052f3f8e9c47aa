"""Networks of seeds and peers inside this process, and what their tables say."""

import contextlib
import errno
import os
import pathlib
import random
import socket
import time

from gossip import wire
from gossip.addresses import Address
from gossip.net.live_world import LiveWorld
from gossip.node.node import die_together
from gossip.settings import Settings
from gossip.signing.grammar import Signer
from peer import Peer
from seed import Seed
from tests.tools.files import open_file, received
from tests.tools.hands import End, FakePeer
from tests.tools.ports import free_address, free_addresses
from tests.tools.waiting import wait_until

SPREAD = os.environ.get("TEST_SPREAD", "flood")  # of tests that name no way of spreading
FAST = Settings(gossip_count=0, gossip_interval=0.05, liveness_interval=0.5,
                antientropy_interval=0.5, probe_limit=1.0, grace=2.0, spread=SPREAD)


class Net:
    """Seeds and peers inside this process, on free ports, their files in a folder."""

    def __init__(self, folder: pathlib.Path, settings: Settings = FAST):
        self.folder = folder
        self.settings = settings
        self.nodes: list = []
        self.ends: list = []  # hand-made ends, closed with the rest
        self.seed_addresses: list[Address] = []

    def seeds(self, count: int, **changes) -> list[Seed]:
        """Start seeds that know each other."""
        self.seed_addresses = free_addresses(count)
        return [self.seed(address, **changes) for address in self.seed_addresses]

    def seed(self, address: Address, **changes) -> Seed:
        """Start a seed. Its rounds are those of the program, as ends in the hands of a test do not
        repeat `register:`."""
        return self._start(Seed, address, {"liveness_interval": 13.0, **changes})

    def peer(self, address: Address | None = None, **changes) -> Peer:
        """Start a peer; changes are to the fast settings."""
        return self._start(Peer, address or free_address(), changes)

    def peers(self, count: int, **changes) -> list[Peer]:
        return [self.peer(address, **changes) for address in free_addresses(count)]

    def _start(self, kind, address, changes):
        node = kind(address, self.seed_addresses, self.settings._replace(**changes),
                    open_file(self.folder / f"{kind.kind}_{address.file_part}.txt"), LiveWorld)
        node.start()
        self.nodes.append(node)
        return node

    def end(self, node, reason: str = "interrupted") -> None:
        """Stop one node abruptly."""
        node.stop(reason)
        self.nodes.remove(node)

    def kill(self, nodes) -> None:
        """End nodes at once and without a word, as a worker does."""
        die_together(nodes)
        self.nodes = [node for node in self.nodes if node not in nodes]

    def stop(self) -> None:
        for end in self.ends:
            end.close()
        for node in self.nodes:
            node.stop()

    def failures(self) -> list[str]:
        """What threads died of, in any node's file."""
        return [line for path in self.folder.glob("*.txt") for line in
                path.read_text().splitlines() if ":failed:" in line[26:40]]

    def dial(self, node, ip: str = "127.0.0.1") -> "End":
        """A hand-made connection to a node."""
        end = End(socket.create_connection(node.address.dial, 30, source_address=(ip, 0)))
        self.ends.append(end)
        return end

    def neighbour(self, node, fake: "FakePeer") -> "End":
        """A hand-made neighbour: dial and be accepted, and be looked for if it answers; it has a
        key where gossip is signed. A node that has heard of it may be dialling it, too, and refuses
        it until it has been refused itself; where that node is slow to make sure of the key, it
        hangs up. Then dial again, as peers do."""
        deadline = time.monotonic() + 30
        if node.settings.sign:
            fake.signer = fake.signer or Signer(fake.address, random.randbytes(32))
        while True:
            end = self.dial(node)
            *proof, ask = fake.asking(node.address, wire.format_time(time.time()))
            end.say(*proof if node.settings.sign else (), ask)
            said = end.hear()
            if said is not None and said.startswith("proof:"):
                said = end.hear()
            is_early = said is None or said.endswith(":duplicate")
            if not is_early or time.monotonic() > deadline:
                assert said == f"connection accepted:{node.address}", said
                wait_until(lambda: not fake.answers or looked_for(node, fake.address))
                return end

    def fake(self, address: Address | None = None, **behaviour) -> "FakePeer":
        fake = FakePeer(address or free_address(), **behaviour)
        self.ends.append(fake)
        return fake


@contextlib.contextmanager
def cut(one, other):
    """No connection leads from one half of a network to the other while this lasts."""
    for half, others in ((one, other), (other, one)):
        across = {node.address for node in others}
        for node in half:
            node.world.dial = _dial_within(node, across)
            for link in list(node._links):
                if link.peer in across:
                    link.close("cut")
    yield
    for node in (*one, *other):
        del node.world.dial


def _dial_within(node, across):
    """What dials for a node while it is cut off from others."""
    whole = node.world.dial

    def dial(link, thread="link reader"):
        if link.peer not in across:
            whole(link, thread)
        else:
            node.turn.after(fail, link)

    def fail(link):
        with node.turn:
            node.fault(link, OSError(errno.EHOSTUNREACH, "cut off"))
            node.ended(link)

    return dial


def neighbours(node) -> set[Address]:
    return set(node.neighbours.addresses())


def looked_for(node, address: Address) -> bool:
    """Whether a node knows if its neighbour answers at its address, or has parted from it."""
    row = node.neighbours._rows.get(address)
    return row is None or row.proven or row.unreached


def connected(peers) -> bool:
    """Whether the peers form one graph by what their tables say, and have looked for all their
    neighbours: from then on a link that breaks is missed."""
    if not all(looked_for(peer, address) for peer in peers for address in neighbours(peer)):
        return False
    links = {peer.address: neighbours(peer) for peer in peers}
    reached, todo = set(), [peers[0].address]
    while todo:
        address = todo.pop()
        if address in links and address not in reached:
            reached.add(address)
            todo += links[address]
    return len(reached) == len(peers)


def ring_whole(peers) -> bool:
    """Whether everyone is linked to the next address among them."""
    ordered = sorted(peers, key=lambda peer: peer.address)
    return len(ordered) == 1 or all(
        after.address in neighbours(before)
        for before, after in zip(ordered, ordered[1:] + ordered[:1]))


def holds_all(peers, total: int) -> bool:
    return all(peer.messages.count() == total for peer in peers)


def all_once(peers) -> bool:
    """Whether nobody received anything twice, by their files."""
    return all(len(received(peer)) == len(set(received(peer))) for peer in peers)


def linked_net(net: Net, number: int, **changes) -> list[Peer]:
    """Start so many peers; return them when they have found each other."""
    net.seeds(1)
    peers = net.peers(number, **changes)
    wait_until(lambda: connected(peers) and ring_whole(peers))
    return peers
