"""Rumor mongering over real links: told, answered, told to the next."""

import pytest

from gossip import wire
from tests.tools.files import count, received, wait_event
from tests.tools.nets import FAST, connected, holds_all
from tests.tools.waiting import wait_until


def test_a_network_of_rumor_mongers_delivers_everything_once(net):
    net.settings = FAST._replace(spread="rumor", rumor_stop=0.0, antientropy_interval=0,
                                 liveness_interval=30)  # nothing brings what a broken link loses
    net.seeds(2)
    peers = net.peers(10)
    wait_until(lambda: connected(peers))
    for peer in peers:
        peer.gossip([f"text {number}" for number in range(50)])
    wait_until(lambda: holds_all(peers, 500), 60)
    wait_until(lambda: all(len(received(peer)) == 450 for peer in peers))
    assert all(len(set(received(peer))) == 450 for peer in peers)
    wait_until(lambda: all(len(peer.spreading.way.rumors.hot) == 0 for peer in peers))


def test_a_rumor_is_told_to_one_neighbour_answered_and_then_told_to_the_next(net):
    peer = net.peer(spread="rumor", antientropy_interval=0, liveness_interval=60,
                    rumor_patience=60.0)
    fakes = [net.fake(), net.fake()]
    ends = [net.neighbour(peer, fake) for fake in fakes]
    peer.gossip(["hello"])
    first_words = []
    for end, fake in zip(ends, fakes):
        end.say(f"Liveness Request:1.000000:{fake.address}")
        first_words.append(end.hear())
    told = [word.startswith("rumor:") for word in first_words]
    assert sorted(told) == [False, True]  # one has a rumor before the answer, the other none
    ends[told.index(True)].say(f"status:took:{peer.address}:{peer.spreading.origin.start}=1")
    assert ends[told.index(False)].hear_until("rumor:") == first_words[told.index(True)]


@pytest.mark.parametrize("spread", ["flood", "rumor"])
def test_rumors_are_answered_and_go_on_as_the_peer_spreads(net, spread):
    peer = net.peer(spread=spread)
    one, other = net.fake(), net.fake()
    end, witness = net.neighbour(peer, one), net.neighbour(peer, other)
    line = wire.gossip("1.000000", one.address, 7, 1, "x").decode()
    end.say(f"rumor:{line}")
    assert end.hear_until("status:took:") == f"status:took:{one.address}:7=1"
    assert witness.hear_until("gmessage" if spread == "flood" else "rumor:gmessage").endswith(line)
    end.say(f"rumor:{line}")
    assert end.hear_until("status:knew:") == f"status:knew:{one.address}:7=1"
    wait_event(peer, f"received:{one.address}:{line}")
    assert count(peer, "received:") == 1


def test_an_answer_with_another_digest_brings_what_is_missing(net):
    peer, fake = net.peer(spread="rumor", antientropy_interval=60), net.fake()
    end = net.neighbour(peer, fake)
    other = wire.gossip("1.000000", fake.address, 7, 1, "missing").decode()
    end.say("status:digest:" + "0" * 32)
    peer.gossip(["hello"])
    assert end.hear_until("rumor:")
    said = f"{peer.address}:{peer.spreading.origin.start}=1"
    end.say(f"status:took:{said}", "status:digest:" + "0" * 32)
    assert end.hear_until("status:seen:") == f"status:seen:{said}"
    assert end.hear_until("status:show:")
    end.say(f"status:seen:{fake.address}:7=1")
    assert end.hear_until("status:want:") == f"status:want:{fake.address}:7=1"
    end.say(other, "status:sent")
    wait_event(peer, f"received:{fake.address}:{other}")


def test_neighbours_that_never_answer_rumors_hear_everything_later_as_in_a_flood(net):
    """So do peers that cut off `rumor:`, and ignore what it asks for."""
    peer = net.peer(spread="rumor", antientropy_interval=0, liveness_interval=60,
                    rumor_patience=0.1)
    ends = [net.neighbour(peer, net.fake()) for _ in range(2)]
    peer.gossip(["early"])
    for end in ends:  # the second is told when the first has not answered
        assert end.hear_until("rumor:").endswith("early")
    wait_until(lambda: all(map(peer.spreading.way.rumors.never_answers, peer.neighbours.links())))
    peer.gossip(["late"])
    for end in ends:
        assert end.hear_until("gmessage:").endswith("late")
