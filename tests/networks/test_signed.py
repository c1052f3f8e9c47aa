"""Networks that sign: real peers, and a neighbour that forges, changes, replays and contradicts."""

import hashlib

import pytest

from gossip import wire
from gossip.settings import WAYS
from gossip.signing.grammar import Signer
from tests.tools.files import count, received, wait_event
from tests.tools.nets import holds_all, linked_net
from tests.tools.ports import free_address
from tests.tools.waiting import wait_until


def said(signer, address, numbers, text="hello"):
    """The signed lines and the gossip lines of messages that an origin says at once."""
    lines = [wire.gossip("1700000000.000000", address, signer.start, number, f"{text} {number}")
             for number in numbers]
    covers = signer.cover(numbers[0], [hashlib.sha256(line).digest() for line in lines])
    return [line.decode() for line in covers], [line.decode() for line in lines]


@pytest.mark.parametrize("spread", WAYS)
def test_signed_gossip_reaches_everyone_once_and_nothing_is_corrupt(net, spread):
    peers = linked_net(net, 6, sign=True, spread=spread)
    for peer in peers:
        peer.gossip([f"{peer.address} says {number}" for number in range(50)])
    wait_until(lambda: all(len(set(received(peer))) == 250 for peer in peers))
    assert all(len(received(peer)) == 250 for peer in peers)
    assert not any(count(peer, "corrupt:") for peer in peers)


@pytest.mark.parametrize("spread", WAYS)
def test_a_late_joiner_gets_the_messages_of_the_dead_from_neighbours_alone(net, spread):
    peers = linked_net(net, 4, sign=True, spread=spread)
    peers[0].gossip([f"message {number}" for number in range(700)])
    wait_until(lambda: holds_all(peers, 700))
    net.kill(peers[:1])
    late = net.peer(sign=True, spread=spread)
    wait_until(lambda: holds_all([*peers[1:], late], 700))
    assert count(late, "corrupt:") == 0


def test_texts_that_were_evicted_make_nobody_look_guilty(net):
    peers = linked_net(net, 5, sign=True, cache_size=10)
    for peer in peers:
        peer.gossip([f"message {number}" for number in range(40)])
    wait_until(lambda: all(len(received(peer)) == 160 for peer in peers))
    assert not any(count(peer, "corrupt:") for peer in peers)


def test_a_late_joiner_blames_nobody_for_many_messages_that_were_each_said_alone(net):
    peers = linked_net(net, 2, sign=True)
    for number in range(1_500):
        peers[0].gossip([str(number)])
    late = net.peer(sign=True)
    wait_until(lambda: holds_all([*peers, late], 1_500))
    assert not any(count(peer, "corrupt:") for peer in [*peers, late])


@pytest.fixture
def attacked(net):
    """Two peers that sign, a hand-made neighbour of the first, and a key of its own."""
    peers = linked_net(net, 2, sign=True, corrupt_memory=2.0)
    fake = net.fake()
    fake.signer = Signer(fake.address, bytes(32))
    return net, peers, fake, net.neighbour(peers[0], fake), fake.signer


def test_what_a_neighbour_signs_in_its_own_name_is_taken(attacked):
    _, peers, fake, end, signer = attacked
    covers, lines = said(signer, fake.address, [1, 2, 3])
    end.say(*covers, *lines)
    wait_until(lambda: all(len(received(peer)) == 3 for peer in peers))


def forgeries(signer, address, victim):
    """Lines of each kind that nobody may take."""
    covers, lines = said(signer, address, [1, 2])
    run = f"{victim.address}:{victim.spreading.origin.start}"
    return {
        "unsigned": [lines[0]],
        "changed": [*covers, lines[0].replace("hello", "HELLO")],
        "in another's name": [f"gmessage:1700000000.000000:{run}:9:forged"],
        "with a run of one's own": [covers[0].replace(str(address), str(victim.address)),
                                    lines[0].replace(str(address), str(victim.address))],
        "cut": [covers[0][:-5], lines[0]],
        "as a rumor": ["rumor:" + lines[0]],
        "behind a prefix": ["tree:" + lines[0]],
        "before its cover": [lines[1], "gmessage:1700000000.000000:" + run + ":10:x"],
    }


@pytest.mark.parametrize("kind", ["unsigned", "changed", "in another's name",
                                  "with a run of one's own", "cut", "as a rumor",
                                  "behind a prefix", "before its cover"])
def test_no_forgery_is_taken_and_the_true_message_still_comes(attacked, kind):
    _, peers, fake, end, signer = attacked
    end.say(*forgeries(signer, fake.address, peers[1])[kind])
    wait_event(peers[0], f"corrupt:{fake.address}:")
    assert all(received(peer) == [] for peer in peers)
    peers[1].gossip(["the truth"])
    wait_until(lambda: len(received(peers[0])) == 1)
    assert not count(peers[0], f"corrupt:{peers[1].address}")
    assert count(peers[1], "corrupt:") == 0


def test_a_replay_is_old_and_blames_nobody(attacked):
    _, peers, fake, end, signer = attacked
    covers, lines = said(signer, fake.address, [1, 2])
    end.say(*covers, *lines, *covers, *lines, *lines[::-1])
    wait_until(lambda: all(len(received(peer)) == 2 for peer in peers))
    end.say("Liveness Request:1700000000.000000:" + str(fake.address))
    end.hear_until("Liveness Reply:")
    assert count(peers[0], "corrupt:") == 0 and len(received(peers[0])) == 2


def test_an_origin_that_contradicts_itself_sets_no_honest_peers_against_each_other(attacked):
    net, peers, fake, end, signer = attacked
    third = Signer(free_address(), bytes(32))
    address, other = fake.address, net.neighbour(peers[1], net.fake())
    this, that = ([line for number in range(first, first + 12, 2) for part in
                   said(signer, address, [number, number + 1], text) for line in part]
                  for first, text in ((1, "this"), (2, "that")))
    end.say(*this, *said(third, address, [1])[1])  # no line covers the last
    other.say(*that)  # the two peers tell each other what contradicts
    wait_event(peers[0], f"corrupt:{fake.address}:")
    peers[1].gossip(["the truth"])
    wait_until(lambda: any("the truth" in text for text in received(peers[0])))
    for one, another in peers, peers[::-1]:
        assert count(one, f"corrupt:{another.address}") == 0
        assert another.address in one.neighbours.addresses()


def test_nothing_is_looked_at_behind_the_line_that_ends_the_link(attacked):
    _, peers, fake, end, signer = attacked
    covers, lines = said(signer, fake.address, [1, 2, 3])
    end.say(*lines, *covers, *lines)
    assert end.hear_end() and count(peers[0], "corrupt:") == 3
    assert peers[0].messages.count() == 0


def test_an_unsigned_peer_hangs_up_on_one_who_signs(net):
    net.seeds(1)
    unsigned = net.peer()
    end = net.neighbour(unsigned, net.fake())
    signer = Signer(free_address(), bytes(32))
    end.say(said(signer, free_address(), [1])[0][0])
    assert end.hear_end()
    wait_event(unsigned, "refused:")  # written once the link is closed
