"""A neighbour that says too much in its own name is read slowly, and nobody else is."""

import hashlib

import pytest

from gossip import wire
from gossip.net.live_world import LiveWorld
from gossip.signing.grammar import Signer
from tests.tools.files import count, received
from tests.tools.nets import holds_all, linked_net
from tests.tools.ports import free_address
from tests.tools.waiting import wait_until


@pytest.fixture
def rested(monkeypatch):
    """To whom the links led that rested, in order."""
    peers, rest = [], LiveWorld._rest

    def note_and_rest(world, link):
        peers.append(link.peer)
        rest(world, link)

    monkeypatch.setattr(LiveWorld, "_rest", note_and_rest)
    return peers


def own(address, numbers):
    return [wire.gossip("1.000000", address, 7, number, "x").decode() for number in numbers]


def test_a_flooders_link_rests_and_what_others_say_there_goes_on(net, rested):
    peer, flooder, honest = net.peer(rate=50, burst=100), net.fake(), net.fake()
    end, other = net.neighbour(peer, flooder), net.neighbour(peer, honest)
    end.say(*own(flooder.address, range(1, 101)))
    wait_until(lambda: len(received(peer)) == 100)
    assert rested == []
    for number in range(101, 104):
        end.say(*own(flooder.address, [number, number + 100, number + 200]))
        end.say(f"Liveness Request:1.000000:{flooder.address}")
        end.hear_until("Liveness Reply:")
    other.say(*own(honest.address, range(1, 101)))
    wait_until(lambda: len(received(peer)) == 209)
    assert rested and set(rested) == {flooder.address}
    assert count(peer, "disconnected:") == count(peer, "flood:") == 0


def test_a_relay_never_rests_for_what_it_relays(net, rested):
    peer, relay, origin = net.peer(rate=1, burst=10), net.fake(), free_address()
    end = net.neighbour(peer, relay)
    end.say(*own(relay.address, range(1, 11)))
    for first in range(1, 1_001, 100):
        end.say(*own(origin, range(first, first + 100)))
    wait_until(lambda: len(received(peer)) == 1_010)
    assert rested == []


def test_without_a_rate_nobody_rests(net, rested):
    peer, fake = net.peer(rate=0, burst=0), net.fake()
    net.neighbour(peer, fake).say(*own(fake.address, range(1, 2_001)))
    wait_until(lambda: len(received(peer)) == 2_000)
    assert rested == []


def test_signed_lines_cost_a_neighbour_more_than_gossip_lines(net, rested):
    peer, fake = net.peer(rate=50, burst=100, sign=True), net.fake()
    fake.signer = signer = Signer(fake.address, bytes(32))
    end = net.neighbour(peer, fake)
    lines = []
    for number in range(1, 31):
        line = wire.gossip("1.000000", fake.address, signer.start, number, "x")
        lines += [*signer.cover(number, [hashlib.sha256(line).digest()]), line]
    end.send(b"\n".join(lines) + b"\n")
    wait_until(lambda: len(received(peer)) == 30)
    wait_until(lambda: rested)
    assert set(rested) == {fake.address}


@pytest.mark.parametrize("sign", [False, True])
def test_what_a_peer_asked_for_makes_no_link_rest(net, rested, sign):
    origin, = linked_net(net, 1, sign=sign, rate=50, burst=100, antientropy_interval=10)
    for start in range(0, 3_000, 100):
        origin.gossip([f"{start + number} " + "x" * 100 for number in range(100)])
    wait_until(origin.spreading.way.all_sent)  # a late process may still gather, for new links, too
    late = net.peer(sign=sign, rate=50, burst=100, antientropy_interval=10)
    wait_until(lambda: holds_all([late], 3_000))
    assert rested == []


def test_a_node_stops_while_a_link_rests(net, rested):
    peer, fake = net.peer(rate=1, burst=0), net.fake()
    net.neighbour(peer, fake).say(*own(fake.address, [1, 2]))
    wait_until(lambda: rested)
    net.end(peer)
