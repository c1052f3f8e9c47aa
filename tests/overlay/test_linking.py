"""How links to neighbours begin and end: room, duplicates, refusals."""

import math
import threading
import time

import pytest

from gossip import wire
from gossip.capacity import fixed
from gossip.overlay.linking import STRANGE
from gossip.overlay.neighbours import YOUNG
from tests.tools.files import count, events, wait_event
from tests.tools.hands import FakePeer
from tests.tools.nets import connected, neighbours, ring_whole
from tests.tools.newcomers import ask
from tests.tools.ports import free_address, free_addresses
from tests.tools.waiting import wait_until


def test_who_is_asked_accepts_however_full_unless_somebody_linked_lies_between(net):
    own, *others = free_addresses(6)
    peer = net.peer(own, capacity=fixed(2), liveness_interval=60)
    for address in (others[0], others[4]):
        net.neighbour(peer, net.fake(address))
    between = net.dial(peer)
    between.say(f"Connection with Peer:{others[2]}")
    assert between.hear() == f"connection refused:{own}:full"
    assert between.hear_end()
    assert wait_event(peer, f"refused:{others[2]}:full")
    nobody_between = net.dial(peer)
    nearest = free_address()
    while not others[4] < nearest:
        nearest = free_address()
    nobody_between.say(f"Connection with Peer:{net.fake(nearest).address}")
    assert nobody_between.hear() == f"connection accepted:{own}"


def test_a_peer_with_too_many_links_gives_up_ordinary_ones(net):
    own, *others = free_addresses(4)
    peer = net.peer(own, capacity=fixed(2), liveness_interval=0.3, liveness_misses=100)
    ends = {}
    for address in others:  # each nearer to its own predecessor's place than the last
        ends[address] = net.neighbour(peer, net.fake(address))
    assert ends[others[1]].hear_until("connection refused:") == f"connection refused:{own}:full"
    wait_until(lambda: neighbours(peer) == {others[0], others[2]})
    assert wait_event(peer, f"disconnected:{others[1]}:given up")


def test_a_given_up_link_counts_no_miss_and_is_not_dialled_again_at_once(net):
    peer, fake = net.peer(), net.fake()
    end = net.neighbour(peer, fake)
    end.say(f"connection refused:{fake.address}:full")
    assert wait_event(peer, f"disconnected:{fake.address}:full")
    wait_until(lambda: peer.linking.places._round > 4)
    assert count(peer, "liveness missed:") == 0 and not fake.dialled()


def test_who_dials_is_accepted_although_no_list_names_it(net):
    net.seeds(1)
    peer, fake = net.peer(), net.fake()
    net.neighbour(peer, fake)
    assert neighbours(peer) == {fake.address}


def test_connecting_in_the_name_of_another_ip_is_refused(net):
    peer = net.peer()
    end = net.dial(peer, "127.0.0.9")
    end.say(f"Connection with Peer:{free_address()}")
    assert end.hear().startswith("connection refused:") and end.hear_end()
    assert neighbours(peer) == set()


def test_a_restarted_peer_whose_old_link_is_half_open_replaces_it(net):
    peer = net.peer(liveness_interval=60, introduction_limit=0.5)  # less than the check takes
    fake = net.fake()
    net.neighbour(peer, fake)
    wait_until(lambda: time.monotonic() - peer.neighbours._rows[fake.address].since
               > YOUNG)
    new = net.dial(peer)  # the old connection stays open and silent
    new.say(f"Connection with Peer:{fake.address}")
    assert new.hear() == f"connection accepted:{peer.address}"
    tail = events(peer)[-2:]
    assert tail == [f"disconnected:{fake.address}:replaced", f"connected:{fake.address}"]


def test_an_older_link_that_answers_stays(net, monkeypatch):
    monkeypatch.setattr("gossip.overlay.admitting.LINK_CHECK_LIMIT", 10.0)
    peer, fake = net.peer(liveness_interval=60), net.fake()
    old = net.neighbour(peer, fake)
    wait_until(lambda: time.monotonic() - peer.neighbours._rows[fake.address].since
               > YOUNG)
    new = net.dial(peer)
    new.say(f"Connection with Peer:{fake.address}")
    old.say(fake.reply(old.hear_until("Liveness Request:")).strip())
    assert new.hear() == f"connection refused:{peer.address}:duplicate"
    assert count(peer, "disconnected:") == 0


def test_a_peer_killed_and_restarted_on_its_port_at_once_is_linked_again(net):
    net.seeds(1)
    peers = net.peers(4)
    wait_until(lambda: connected(peers) and ring_whole(peers))
    for _ in range(3):
        net.end(peers[1])
        peers[1] = net.peer(peers[1].address)
        wait_until(lambda: connected(peers) and ring_whole(peers))
    peers[1].gossip(["a new life"])
    wait_until(lambda: all(peer.messages.count() == 1 for peer in peers))
    assert all(count(peer, "dead:") == 0 for peer in peers)


def test_two_peers_dialling_each_other_at_once_end_with_one_link(net):
    """Again and again; the tables of both agree on one link, and no event is out of turn."""
    one, other = net.peer(liveness_interval=60), net.peer(liveness_interval=60)
    for _ in range(100):
        start = threading.Barrier(2)

        def dial(own, peer):
            start.wait()
            with own.turn:
                own.linking.dial(peer.address)

        threads = [threading.Thread(target=dial, args=pair)
                   for pair in ((one, other), (other, one))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        wait_until(lambda: one.neighbours.link(other.address)
                   and other.neighbours.link(one.address)
                   and not one.neighbours.dialling() and not other.neighbours.dialling(),
                   pause=0.001)
        ends = [peer.neighbours.link(to.address).connection._sock
                for peer, to in ((one, other), (other, one))]
        assert ends[0].getsockname() == ends[1].getpeername()
        with one.turn:
            one.neighbours.link(other.address).send(wire.refused(one.address, "full"))
            one.linking.unlink(other.address, "given up", one.neighbours.link(other.address))
        wait_until(lambda: not neighbours(one) and not neighbours(other)
                   and not one.neighbours.dialling() and not other.neighbours.dialling(),
                   pause=0.001)
    for peer in (one, other):
        words = [event.split(":")[0] for event in events(peer)
                 if event.startswith(("connected", "disconnected"))]
        assert words == ["connected", "disconnected"] * (len(words) // 2)


def test_who_could_not_be_dialled_for_want_of_a_thread_is_not_taken_for_unreachable(
        net, monkeypatch):
    peer, fake = net.peer(liveness_interval=60), net.fake()
    start = threading.Thread.start

    def start_or_not(thread):
        if thread.name == f"link reader {peer.address}":
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_or_not)
    with peer.turn:
        peer.peer_list.hear(frozenset([fake.address]))
        peer.linking.dial(fake.address)
    wait_until(lambda: peer.status()["threads that could not be started"])
    wait_until(lambda: not peer.neighbours.dialling() or peer.status()[
        "threads that could not be started"] > 1)  # it dials again and again
    assert fake.address in peer.peer_list
    monkeypatch.undo()
    peer.membership.hurry()
    wait_until(fake.dialled, 10, "the peer to dial again")


@pytest.mark.parametrize("reason, shown", [
    ("full", "full"), ("x" * 200, "x" * 100), ("\U000e0001" * 100, STRANGE), ("\\" * 9, "\\" * 18)])
def test_anothers_reason_takes_a_hundred_bytes_of_the_file_at_most(net, reason, shown):
    peer, fake = net.peer(), net.fake()
    end = net.neighbour(peer, fake)
    end.say(f"connection refused:{fake.address}:{reason}")
    wait_event(peer, f"disconnected:{fake.address}:")
    assert f"disconnected:{fake.address}:{shown}" in events(peer)


class Talker(FakePeer):
    """Accepts a dial and gossips in the same breath."""

    def reply(self, line):
        if line.startswith("Connection with Peer:"):
            said = wire.gossip("1.000000", self.address, 7, 1, "hello").decode()
            return f"connection accepted:{self.address}\n{said}\n"
        return super().reply(line)


def test_gossip_may_come_together_with_the_answer_that_makes_a_neighbour(net):
    peer, talker = net.peer(), Talker(free_address())
    net.ends.append(talker)
    with peer.turn:
        peer.linking.dial(talker.address)
    assert wait_event(peer, f"received:{talker.address}:").endswith(":hello")
    assert neighbours(peer) == {talker.address}


def test_who_accepts_and_was_shut_out_meanwhile_leaves_its_place_to_another_at_once(
        net, monkeypatch):
    peer, talker, looked = net.peer(liveness_interval=600), Talker(free_address()), []
    net.ends.append(talker)
    with peer.turn:
        peer.linking.dial(talker.address)
        peer.linking.shut_out(talker.address, "flood", math.inf)
        monkeypatch.setattr(peer.membership, "hurry", lambda: looked.append(True))
    wait_until(lambda: looked and not peer.neighbours.dialling())
    monkeypatch.undo()
    peer.membership.hurry()


def test_a_visitor_in_the_name_of_a_lost_neighbour_does_not_end_its_count_by_two_offences(net):
    peer, fake = net.peer(liveness_interval=600, antientropy_interval=600), net.fake()
    end = net.neighbour(peer, fake)
    wait_until(lambda: peer.neighbours.proven() == [fake.address])
    fake.answers = False
    end.close()
    wait_event(peer, f"disconnected:{fake.address}:")
    with peer.turn:
        peer.neighbours.row(fake.address).misses = 1
    wait_until(lambda: ask(net, peer, fake.address).hear().startswith("connection accepted"))
    with peer.turn:
        link = peer.neighbours.link(fake.address)
        peer.linking.offended(link, "forbidden", 1000)
        peer.linking.offended(link, "flood", 1000)
        assert peer.neighbours.row(fake.address) is not None
    assert peer.neighbours.lost() == [fake.address]
