"""A node can live in another world: a peer and a seed without a thread, a socket or a clock."""

import socket
import threading
import time

import pytest

from gossip.addresses import address_of
from gossip.experiments.virtual_network import VirtualNetwork
from gossip.settings import Settings
from gossip.simulation.virtual_links import Cables
from peer import Peer
from seed import Seed
from tests.tools.nets import neighbours

SEED, ONE, OTHER = (address_of("127.0.0.1", 5000 + n) for n in range(3))
STEP = 0.01  # seconds between two looks at what has happened


class Nodes:
    """A seed and two peers in virtual time."""

    def __init__(self, **settings):
        self.network = VirtualNetwork(1, {"seed": Seed, "peer": Peer}, [SEED],
                                      Settings(**settings), Cables())
        for address in (SEED, ONE, OTHER):
            self.network.start(address)
        self.seed, self.one, self.other = self.network.nodes.values()
        self.until(lambda: neighbours(self.one) == {OTHER} and neighbours(self.other) == {ONE}, 5)

    def until(self, predicate, limit):
        """Let things happen until the predicate holds, for so many seconds at most."""
        time, end = self.network.time, self.network.time.now + limit
        while not predicate():
            assert time.now < end, f"not within {limit} s"
            time.run(time.now + STEP)

    def events(self, node):
        data = self.network.folder.file(node.output.path).data
        return [line[27:] for line in data.decode().splitlines()]

    def count(self, node, start):
        return sum(event.startswith(start) for event in self.events(node))


@pytest.fixture(autouse=True)
def nothing_of_the_system(monkeypatch):
    """A thread, a socket, a wait or a look at the clock fails the test."""
    def none(*arguments, **words):
        raise AssertionError("this is not to be had in this world")

    for owner, names in ((threading.Thread, ["start"]), (threading.Condition, ["wait"]),
                         (socket, ["socket", "socketpair"]),
                         (time, ["time", "time_ns", "monotonic", "sleep"])):
        for name in names:
            monkeypatch.setattr(owner, name, none)


def test_a_seed_and_two_peers_register_link_gossip_and_find_a_death():
    nodes = Nodes()
    seed, one, other = nodes.seed, nodes.one, nodes.other
    assert set(seed.registry.addresses()) == {ONE, OTHER}
    nodes.until(lambda: nodes.count(one, "received:") == nodes.count(other, "received:") == 10, 60)
    assert nodes.count(one, "generated:") == 10
    assert len({event for event in nodes.events(one) if event.startswith("received:")}) == 10
    nodes.until(lambda: nodes.count(one, "liveness reply:") >= 3, 60)
    assert nodes.count(one, "liveness missed:") == 0
    nodes.network.kill(OTHER)
    nodes.until(lambda: nodes.count(one, f"dead:{OTHER}"), 60)
    nodes.until(lambda: nodes.count(one, f"reported:{SEED}:Dead Node:{OTHER}:"), 1)
    nodes.until(lambda: nodes.count(seed, f"dead report:Dead Node:{OTHER}:"), 1)
    assert f"removed:{OTHER}:gone" in nodes.events(seed)
    assert seed.registry.addresses() == (ONE,) and neighbours(one) == set()


def test_one_who_leaves_in_another_world_is_reported_by_nobody():
    nodes = Nodes(gossip_count=0, spread="rumor")
    nodes.network.leave(OTHER)
    nodes.until(lambda: nodes.other.stopping, 5)
    assert nodes.events(nodes.other)[-1] == "stopped:quit"
    nodes.until(lambda: f"removed:{OTHER}:left" in nodes.events(nodes.seed), 1)
    assert f"disconnected:{OTHER}:left" in nodes.events(nodes.one)
    assert nodes.count(nodes.one, "liveness missed:") == nodes.count(nodes.one, "dead:") == 0
