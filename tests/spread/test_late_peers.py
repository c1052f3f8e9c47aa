"""Late peers: what they flood is complete, in order and once, in fewer writes; what must not
overtake it does not; periodic comparisons and the generator wait."""

import random

import pytest

from gossip import wire
from gossip.addresses import address_of
from gossip.lab.experiments.virtual_network import VirtualNetwork
from gossip.lab.simulation.virtual_links import Cables
from gossip.settings import Settings
from gossip.spread.anti_entropy import MOST_PUT_OFF, AntiEntropy
from gossip.spread.message_list import MessageList
from peer import Peer
from seed import Seed

LITTLE, VERY = 0.05, 1.0  # seconds of lateness: a peer gathers for one second, and for four
QUIET = dict(liveness_interval=60, antientropy_interval=0)
WATCHED = dict(monitor=True, sign=True, report_interval=0.1, **QUIET)


def late_peer(net, lateness, **settings):
    """A peer that is late, and a neighbour of it in the hands of the test."""
    peer, fake = net.peer(**settings), net.fake()
    end = net.neighbour(peer, fake)
    peer.lateness = lambda: lateness
    return peer, fake, end


def text_of(line):
    return line.rpartition(":")[2]


def test_a_late_peer_floods_everything_in_order_in_few_writes(net):
    peer, fake, end = late_peer(net, LITTLE, spread="flood", **QUIET)
    link = peer.neighbours.link(fake.address)
    send, writes = link.send, []
    link.send = lambda data, urgent=False: (writes.append(data), send(data, urgent))
    texts = [f"text {number}" for number in range(200)]
    for text in texts:
        peer.gossip([text])
    assert [text_of(end.hear_until("gmessage:")) for _ in texts] == texts
    assert len(writes) < len(texts) / 10


def test_a_late_peer_sends_what_it_has_gathered_before_it_leaves(net, monkeypatch):
    monkeypatch.setattr("peer.LEAVE_LIMIT", 1.0)
    peer, _, end = late_peer(net, VERY, **QUIET)
    for text in ("a", "b", "c"):
        peer.gossip([text])
    peer.quit()
    heard = []
    while not (line := end.hear()).startswith("leave:"):
        heard.append(line)
    assert [text_of(line) for line in heard if line.startswith("gmessage:")] == ["a", "b", "c"]


def test_the_reply_of_a_late_peer_that_is_watched_comes_behind_what_it_has_gathered(net):
    peer, fake, end = late_peer(net, LITTLE, **WATCHED)
    for text in ("a", "b"):
        peer.gossip([text])
    end.say(f"Liveness Request:1.000000:{fake.address}")
    heard = []
    while not (line := end.hear()).startswith("Liveness Reply:1.000000:"):
        heard.append(line)
    assert [text_of(line) for line in heard if line.startswith("gmessage:")] == ["a", "b"]


def test_the_requests_of_a_late_peer_that_watches_come_behind_what_it_knew_then(net):
    peer, fake, end = late_peer(net, LITTLE, **WATCHED)
    for text in ("a", "b"):
        peer.gossip([text])
    knew = float(wire.format_time(peer.time()))
    while text_of(line := end.hear()) != "b":
        if line.startswith("Liveness Request:"):
            assert float(line.split(":")[1]) <= knew
    while float(end.hear_until("Liveness Request:").split(":")[1]) <= knew:
        pass  # what was put off is asked all the same


def test_the_replies_of_a_peer_that_is_watched_are_put_off_for_a_quarter_of_a_round(net):
    peer = net.peer(monitor=True, sign=True, liveness_interval=2.0)
    peer.lateness = lambda: VERY
    assert peer.spreading.gathering() == 0.5
    unwatched = net.peer(liveness_interval=2.0)
    unwatched.lateness = lambda: VERY
    assert unwatched.spreading.gathering() == 4.0


def test_a_new_link_of_a_late_peer_is_compared_at_once(net):
    peer = net.peer(liveness_interval=60, antientropy_interval=3600)  # no other comparison is due
    peer.lateness = lambda: VERY
    assert net.neighbour(peer, net.fake()).hear_until("status:digest:")


class Link:
    """Notes what is said over it."""

    def __init__(self):
        self.sent = []

    def send(self, data):
        self.sent.append(data)


class Comparing:
    """What anti-entropy asks of a node."""

    settings = Settings(antientropy_interval=10.0)
    rng = random.Random(1)
    late = False

    def now(self):
        return 100.0

    def is_late(self):
        return self.late


class Trusting:
    def is_known(self, run):
        return True


@pytest.fixture
def comparing():
    """A node, its anti-entropy and its link; the first comparison is due before the moment 110."""
    node, link = Comparing(), Link()
    messages = MessageList(node.settings, b"127.0.0.1:1:1")
    return node, AntiEntropy(messages, node, lambda: [link], Trusting()), link


def test_the_periodic_comparison_waits_while_a_peer_is_late(comparing):
    node, anti_entropy, link = comparing
    node.late = True
    assert anti_entropy.turn(110.0) == 120.0 and link.sent == []
    node.late = False
    assert anti_entropy.turn(120.0) == 130.0 and len(link.sent) == 1


def test_a_peer_that_is_late_for_long_compares_now_and_then(comparing):
    node, anti_entropy, link = comparing
    node.late = True
    compared = []
    for number in range(3 * (MOST_PUT_OFF + 1)):
        anti_entropy.turn(110.0 + 10 * number)
        compared.append(len(link.sent))
    assert compared[MOST_PUT_OFF - 1::MOST_PUT_OFF + 1] == [0, 1, 2] and compared[-1] == 3


# Whole networks in virtual time.

SEED, *PEERS = [address_of("127.0.0.1", 5000 + number) for number in range(6)]


def network_of(late, **settings):
    """Five peers that are linked, of which some are late."""
    network = VirtualNetwork(1, {"seed": Seed, "peer": Peer}, [SEED], Settings(**settings),
                             Cables())
    for address in (SEED, *PEERS):
        network.start(address)
    for address in late:
        network.nodes[address].lateness = lambda: VERY
    return network


def written(network, address, start):
    """The events of a node that begin so."""
    lines = network.folder.file(network.nodes[address].output.path).data.decode().splitlines()
    return [line[27:] for line in lines if line[27:].startswith(start)]


@pytest.mark.parametrize("settings", [{}, {"sign": True}, {"monitor": True, "sign": True}])
@pytest.mark.parametrize("late", [PEERS, PEERS[:2]])
def test_everybody_gets_everything_once_where_peers_are_late(late, settings):
    network = network_of(late, gossip_count=0, antientropy_interval=0, **settings)
    network.time.run(10.0)
    for number in range(100):
        network.say(PEERS[number % len(PEERS)], [f"text {number}"])
        network.time.run(10.0 + number / 10)
    network.time.run(60.0)
    for address in PEERS:
        got = [text_of(event) for event in written(network, address, "received:")
               + written(network, address, "generated:")]
        assert sorted(got) == sorted(f"text {number}" for number in range(100))


def test_what_a_late_peer_has_gathered_when_it_leaves_reaches_everybody():
    network = network_of(PEERS, gossip_count=0, antientropy_interval=0)
    network.time.run(10.0)
    for text in ("a", "b", "c"):
        network.say(PEERS[0], [text])
    network.leave(PEERS[0])
    network.time.run(30.0)
    assert PEERS[0] not in network.nodes
    for address in PEERS[1:]:
        assert len(written(network, address, "received:")) == 3


def test_the_generator_waits_while_its_peer_is_late_and_the_console_does_not():
    network = network_of(PEERS[:1], gossip_count=2, gossip_interval=1.0)
    network.time.run(20.0)
    assert written(network, PEERS[0], "generated:") == []
    assert len(written(network, PEERS[1], "generated:")) == 2
    network.say(PEERS[0], ["now"])
    assert len(written(network, PEERS[0], "generated:")) == 1
    network.nodes[PEERS[0]].lateness = lambda: 0.0
    network.time.run(21.5)
    assert len(written(network, PEERS[0], "generated:")) == 2


def test_the_generator_waits_until_all_nodes_of_its_process_have_begun():
    network = network_of([], gossip_count=2, gossip_interval=1.0)
    network.nodes[PEERS[0]].all_begun = lambda: False
    network.time.run(20.0)
    assert written(network, PEERS[0], "generated:") == []
    assert len(written(network, PEERS[1], "generated:")) == 2
    network.nodes[PEERS[0]].all_begun = lambda: True
    network.time.run(21.5)
    assert len(written(network, PEERS[0], "generated:")) == 1


def test_the_generator_of_a_peer_that_stays_late_speaks_after_some_time():
    network = network_of(PEERS[:1], gossip_count=2, gossip_interval=1.0)
    network.time.run(45.0)
    assert written(network, PEERS[0], "generated:") == []
    network.time.run(47.0)
    assert len(written(network, PEERS[0], "generated:")) == 1
    network.time.run(68.0)
    assert len(written(network, PEERS[0], "generated:")) == 2
