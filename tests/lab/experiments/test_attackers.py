"""Attackers: seeds that lie about runs, and a peer that makes one up in the name of another."""

import hashlib

import pytest

from gossip import wire
from gossip.addresses import address_of
from gossip.lab.experiments.accidents import LIES, Conditions, seed_addresses
from gossip.lab.experiments.attackers import lying
from gossip.lab.experiments.virtual_network import VirtualNetwork
from gossip.signing.grammar import new_signer
from peer import Peer
from seed import Seed
from tests.tools import mistakes
from tests.tools.simulated import CLASSES

SEEDS = seed_addresses(3)
PEERS = [address_of("127.0.0.1", 5000 + number) for number in range(5)]
VICTIM, FORGER = PEERS[0], PEERS[-1]


class Forger(Peer):
    """A peer that is honest until `forge` is called."""

    def forge(self, victim, texts):
        """Tell all neighbours what a run has said that the victim never had, with an own key."""
        signer = new_signer(victim, self.rng)
        lines = [wire.gossip(wire.format_time(self.time()), victim, signer.start, number, text)
                 for number, text in enumerate(texts, 1)]
        covers = signer.cover(1, [hashlib.sha256(line).digest() for line in lines])
        for link in self.neighbours.links():
            link.send(b"".join(line + b"\n" for line in [*covers, *lines]))


def network(hostile, seeds=SEEDS, peers=PEERS):
    """A network in virtual time, in which everyone has met."""
    conditions = Conditions(seeds=len(seeds), sign=1)
    net = VirtualNetwork(1, CLASSES, SEEDS, conditions.settings(), conditions.cables(),
                         hostile=hostile)
    net.written = []  # (who, event)
    net.hear = lambda address, event: net.written.append((address, event))
    for address in [*seeds, *peers]:
        net.start(address)
    net.time.run(20.0)
    return net


def received(net, text):
    return {who for who, event in net.written
            if event.startswith("received:") and event.endswith(":" + text)}


def forged(lie, seeds=SEEDS):
    """Who has received what a forger made up, while a seed lies; and who has denied it."""
    net = network({SEEDS[-1]: lying(Seed, lie), FORGER: Forger}, seeds)
    net.nodes[FORGER].forge(VICTIM, ["never said"])
    net.time.run(60.0)
    net.say(VICTIM, ["said"])
    net.say(FORGER, ["honest again"])
    net.time.run(66.0)
    assert received(net, "said") == set(PEERS) - {VICTIM}
    assert received(net, "honest again") == set(PEERS) - {FORGER}
    return received(net, "never said"), {who for who, event in net.written
                                         if event.startswith(f"unconfirmed:{VICTIM}:")}


@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("seeds", [SEEDS, SEEDS[1:], SEEDS[2:]], ids=["all up", "two", "the liar"])
def test_a_run_that_was_made_up_in_the_name_of_another_reaches_nobody(lie, seeds):
    taken, denied = forged(lie, seeds)
    assert taken == set() and denied


def test_a_peer_that_believes_one_seed_takes_what_was_made_up(monkeypatch):
    mistakes.one_seed_that_names_a_run_is_believed(monkeypatch)
    taken, _ = forged("false")
    assert taken


@pytest.mark.parametrize("lie, names", [("false", True), ("none", False)])
def test_a_liar_names_a_run_that_never_was_or_none(lie, names):
    net = network({SEEDS[-1]: lying(Seed, lie)}, peers=PEERS[:1])
    link = Heard()
    net.nodes[SEEDS[-1]].on_line(link, b"runs:127.0.0.1:5000:77")
    assert bool(wire.parse(link.sent[0]).starts) is names
    assert (77 in wire.parse(link.sent[0]).starts) is names


@pytest.mark.parametrize("lie, after", [("late", 1), ("never", 0)])
def test_a_liar_answers_late_or_never(lie, after):
    net = network({SEEDS[-1]: lying(Seed, lie)}, peers=PEERS[:1])
    link = Heard()
    for _ in range(2):
        net.nodes[SEEDS[-1]].on_line(link, b"runs:127.0.0.1:5000:0")
    net.time.run(22.5)
    assert link.sent == []
    net.time.run(24.0)
    assert len(link.sent) == 2 * after


class Heard:
    """Stands for a link of somebody who asks."""

    role, probe, ended = "a registered peer", None, False

    def __init__(self):
        self.sent = []

    def send(self, data):
        self.sent.append(data.rstrip(b"\n"))
