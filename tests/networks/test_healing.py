"""The graph closes again by itself after many died, also when no seed is left to ask."""

import pytest

from gossip.capacity import fixed
from gossip.lab.proof import graph
from gossip.lab.proof.records import Records
from tests.tools.files import count, events, wait_event
from tests.tools.hands import FakePeer
from tests.tools.nets import FAST, Net, connected, neighbours, ring_whole
from tests.tools.ports import free_address
from tests.tools.waiting import wait_until


class Acquaintance(FakePeer):
    """Accepts who dials, answers liveness, and knows whom it is told to know."""

    def __init__(self, address, knows=()):
        self.knows = list(knows)
        self.asked = 0
        super().__init__(address)

    def reply(self, line):
        if line.startswith("Connection with Peer:"):
            return f"connection accepted:{self.address}\n"
        if line == "known peers":
            self.asked += 1
            return "known peers:" + ":".join(a.listed for a in self.knows) + "\n"
        return super().reply(line)


def without_seeds(folder, **changes):
    """A network whose one seed is down."""
    net = Net(folder, FAST._replace(**changes))
    net.seed_addresses = [free_address()]
    return net


@pytest.mark.slow
def test_a_peer_that_lost_a_neighbour_and_has_no_seed_asks_another_whom_it_knows(tmp_path):
    net = without_seeds(tmp_path, liveness_interval=3, liveness_misses=1000)
    stranger, friend = Acquaintance(free_address()), free_address()
    try:
        peer = net.peer()
        first, second = net.neighbour(peer, net.fake()), net.dial(peer)
        second.say(f"Connection with Peer:{friend}")
        assert second.hear() == f"connection accepted:{peer.address}"
        wait_until(lambda: peer.joining._list_cadence._delay >= 3)  # nothing hurries it any more
        first.close()
        while not count(peer, f"connected:{stranger.address}"):
            second.hear_until("known peers", 60)
            second.say(f"known peers:{stranger.address.listed}")
    finally:
        stranger.close()
        net.stop()


def test_peers_tell_whom_they_know_listed_or_linked_but_not_the_asker(net):
    net.seeds(1)
    peers = net.peers(3)
    wait_until(lambda: connected(peers) and len(peers[0].peer_list.addresses()) == 2)
    fake, unlisted = net.fake(), net.fake()
    end, _ = net.neighbour(peers[0], fake), net.neighbour(peers[0], unlisted)
    end.say("known peers")
    told = end.hear_until("known peers:").removeprefix("known peers:").split(":")
    assert set(told) == {peers[1].address.listed, peers[2].address.listed,
                         unlisted.address.listed}


def test_a_neighbours_word_does_not_count_while_there_is_a_seed(net):
    net.seeds(1)
    peer, fake = net.peer(), net.fake()
    wait_event(peer, "registered:")
    end = net.neighbour(peer, fake)
    end.say(f"known peers:{free_address().listed}",
            f"Liveness Request:1.000000:{fake.address}")
    end.hear_until("Liveness Reply:")
    assert peer.peer_list.addresses() == ()
    assert peer.status()["known peers told in vain"] == 1


def test_a_flood_of_questions_is_not_answered_in_full(net):
    peer = net.peer(liveness_interval=60)
    end = net.neighbour(peer, net.fake())
    end.say(*["known peers"] * 500)
    end.say(f"Liveness Request:1.000000:{peer.address}")
    answers = 0
    while not (heard := end.hear()).startswith("Liveness Reply:"):
        answers += heard.startswith("known peers:")
    assert 1 <= answers <= 10
    assert peer.status()["questions for known peers not answered"] >= 490


def test_peers_that_know_one_neighbour_each_find_each_other_without_a_seed(tmp_path):
    """A chain of acquaintances: everyone is told of one other, and no seed ever lived."""
    net = without_seeds(tmp_path, capacity=fixed(4))
    try:
        peers = net.peers(6)
        for one, other in zip(peers, peers[1:]):
            with one.turn:
                one.peer_list.hear(frozenset([other.address]))
            one.wake()
        wait_until(lambda: ring_whole(peers), 60, "a whole ring")
        wait_until(lambda: all(len(peer.peer_list.addresses()) == 5 for peer in peers))
    finally:
        net.stop()


def test_without_seeds_the_survivors_of_a_third_are_one_piece_within_two_rounds(tmp_path):
    net = Net(tmp_path, FAST._replace(liveness_interval=2.0, capacity=fixed(3)))
    try:
        seeds, peers = net.seeds(3), net.peers(18)
        wait_until(lambda: connected(peers) and ring_whole(peers), 60)
        net.kill(seeds)
        victims = peers[3:6] + peers[10:13]
        net.kill(victims)
        survivors = [peer for peer in peers if peer not in victims]
        dead = {victim.address for victim in victims}
        wait_until(lambda: not any(
            dead & {*neighbours(peer), *peer.neighbours.lost()} for peer in survivors), 60)
        wait_until(lambda: connected(survivors) and ring_whole(survivors), 60)
        records = Records(tmp_path).refresh()
        known = max(at for run in records.peers for at in run.dead.values())
        spans = graph.spans_apart(graph.replay(records)[0], records.newest())
        assert graph.replay(records)[0][-1][1] == 1
        assert all(end <= known + 4.0 for _, end in spans)
        assert all(count(peer, "registered:") for peer in survivors)
        assert any(event.startswith("unregistered:") for event in events(survivors[0]))
    finally:
        net.stop()
    assert net.failures() == []
