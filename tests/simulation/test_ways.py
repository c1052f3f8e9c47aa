"""Ways of spreading in a network at rest, without anti-entropy, which would hide a broken way.

What is counted are copies: how often a gossip line comes to a peer, for each message delivered.
"""

import random

import pytest

from grapevine.lab.simulation.accidents import seed_addresses
from grapevine.lab.simulation.drawing import peer_addresses
from grapevine.lab.simulation.lives import Lives
from grapevine.peer import Peer
from grapevine.settings import Settings
from grapevine.worlds.virtual import Cables

PEERS = 24


class Network:
    def __init__(self, spread: str, **settings):
        self.settings = Settings(spread=spread, gossip_count=0, antientropy_interval=0.0,
                                 capacity="fixed:6", **settings)
        self.lives = Lives(1, seed_addresses(1), self.settings, Cables())
        self.addresses = peer_addresses(PEERS)
        for address in [*self.lives.seeds, *self.addresses]:
            self.lives.start(address)
        self.lives.net.run(30.0)
        self.said = 0

    @property
    def peers(self) -> list[Peer]:
        return list(self.lives.peers().values())

    def say(self, count: int, address=None) -> None:
        """Have a peer, or random ones, say messages, one after the other."""
        rng = random.Random(count)
        for _ in range(count):
            self.lives.say(address or rng.choice(self.addresses), f"text {self.said}")
            self.said += 1
            self.lives.net.run(self.lives.net.now + 0.1)
        self.lives.net.run(self.lives.net.now + 5.0)

    def held(self) -> int:
        return sum(peer.messages.count() for peer in self.peers)

    def copies(self) -> int:
        """Return how many gossip lines have come so far, not counting those made here."""
        return (sum(peer.messages.count() + peer.messages.dropped["duplicates"]
                    for peer in self.peers) - self.said)

    def copies_of(self, count: int, address=None) -> float:
        """Return the copies per delivery of so many messages."""
        before, held = self.copies(), self.held()
        self.say(count, address)
        return (self.copies() - before) / (self.held() - held - count)


def test_a_flood_reaches_everybody_with_a_copy_over_each_link():
    network = Network("flood")
    assert 4.0 < network.copies_of(50) < 6.0
    assert network.held() == 50 * PEERS


def test_rumors_reach_nearly_everybody_with_fewer_copies_than_a_flood():
    network = Network("rumor")
    assert 2.0 < network.copies_of(200) < 4.0
    assert network.held() > 0.98 * 200 * PEERS


def test_rumors_of_a_large_burst_reach_everybody_though_windows_are_full():
    network = Network("rumor", rumor_stop=1e-9)
    network.lives.say_all(network.addresses[0], 1_000)
    network.lives.net.run(network.lives.net.now + 60.0)
    assert network.held() == 1_000 * PEERS
    assert not any(peer.way.is_busy() for peer in network.peers)


@pytest.mark.parametrize("origins", [1, PEERS])
def test_a_settled_tree_brings_each_message_once_to_everybody(origins):
    network = Network("tree")
    for address in network.addresses[:origins]:
        network.say(2, address)
    network.lives.net.run(network.lives.net.now + 10.0)
    for address in network.addresses[:origins]:
        assert network.copies_of(5, address) <= 1.05
    assert network.held() == 7 * origins * PEERS


def test_a_burst_of_a_new_origin_does_not_flood_because_its_first_message_goes_alone():
    network = Network("tree")
    network.lives.nodes[network.addresses[3]].originate([f"text {n}" for n in range(1_000)])
    network.said = 1_000
    network.lives.net.run(network.lives.net.now + 10.0)
    assert network.held() == 1_000 * PEERS
    assert network.copies() / (999 * (PEERS - 1)) < 1.2
