"""Links of strangers: what they say of the peer in whose name they were made, and whose choice."""

import time
import types

import pytest

from gossip.capacity import fixed
from gossip.overlay.admitting import CHECKED
from tests.tools.files import count, wait_event
from tests.tools.nets import looked_for, neighbours
from tests.tools.newcomers import Says, ask, rounds
from tests.tools.ports import free_address, free_addresses
from tests.tools.registering import register
from tests.tools.waiting import wait_until


def test_the_broken_link_of_a_stranger_is_no_miss_and_that_of_one_who_answered_is(net):
    peer, fake, stranger = net.peer(liveness_misses=1000), net.fake(), free_address()
    strangers, known = ask(net, peer, stranger), net.neighbour(peer, fake)
    assert strangers.hear() and looked_for(peer, fake.address)
    fake.close()
    for end in (strangers, known):
        end.close()
    wait_event(peer, f"liveness missed:{fake.address}:3")
    assert count(peer, f"disconnected:{stranger}:") == 1
    assert count(peer, f"liveness missed:{stranger}:") == 0


def test_a_stranger_whose_link_stood_for_an_interval_is_missed(net):
    peer, stranger = net.peer(liveness_misses=1000), free_address()
    end = ask(net, peer, stranger)
    assert end.hear()
    rounds(peer, 3)
    end.close()
    wait_event(peer, f"disconnected:{stranger}:")
    wait_event(peer, f"liveness missed:{stranger}:4")
    assert count(peer, f"disconnected:{stranger}:") == 1


def test_a_death_among_strangers_that_come_and_go_is_reported_and_they_are_not(net):
    seed, = net.seeds(1)
    peer, dead = net.peers(2, capacity=fixed(3))
    wait_until(lambda: dead.address in peer.neighbours.proven())
    net.kill([dead])
    strangers, end = free_addresses(30), time.monotonic() + 60
    while not count(peer, f"reported:{seed.address}:Dead Node:{dead.address}:"):
        assert time.monotonic() < end
        for stranger in strangers:
            visitor = ask(net, peer, stranger)
            visitor.hear()
            visitor.close()
            time.sleep(0.005)  # a visit every few milliseconds is attack enough
    assert wait_event(seed, f"removed:{dead.address}:")
    assert count(peer, "dead:") == count(peer, "reported:") == 1


@pytest.mark.parametrize("last_words", ["", "leave:{}", "connection refused:{}:full"])
def test_visitors_in_the_name_of_a_dead_peer_do_not_hide_its_death(net, last_words):
    seed, = net.seeds(1)
    peer, dead = net.peers(2)
    wait_until(lambda: dead.address in peer.neighbours.proven())
    net.kill([dead])
    wait_event(peer, f"disconnected:{dead.address}:")
    end = time.monotonic() + 60
    while not count(peer, f"reported:{seed.address}:Dead Node:{dead.address}:"):
        assert time.monotonic() < end
        visitor = ask(net, peer, dead.address)
        visitor.hear()
        wait_until(lambda: looked_for(peer, dead.address))
        if last_words:
            visitor.say(last_words.format(dead.address))
        visitor.close()
        wait_until(lambda: dead.address not in neighbours(peer))
        time.sleep(0.01)


def test_a_visitor_in_the_name_of_one_that_is_frozen_does_not_hide_that(net, monkeypatch):
    monkeypatch.setattr("gossip.overlay.neighbours.YOUNG", 0.0)
    peer, frozen = net.peer(liveness_interval=2.0), net.fake()
    net.neighbour(peer, frozen)
    wait_until(lambda: peer.neighbours.proven() == [frozen.address])
    frozen.answers = False
    visitor = ask(net, peer, frozen.address)
    assert visitor.hear() == f"connection accepted:{peer.address}"
    wait_event(peer, f"disconnected:{frozen.address}:replaced")
    visitor.close()
    assert wait_event(peer, f"dead:{frozen.address}", 30)


@pytest.mark.parametrize("answers", [True, False])
def test_a_link_that_ends_while_it_is_admitted_is_missed_if_its_peer_had_answered(net, answers):
    peer, gone = net.peer(liveness_misses=1000), free_address()  # dialled anew, in vain
    link = peer.new_link(CHECKED, gone, types.SimpleNamespace(
        send=lambda data, flags: len(data), flags=0, shutdown=print, close=print))
    introduced = peer.introduced

    def introduced_and_closed(link, role, address):
        link.close("its end is noticed")
        introduced(link, role, address)

    peer.introduced = introduced_and_closed
    with peer.turn:
        admission = peer.neighbours.admit(gone, link, gone, peer.now(), {gone}, answered=answers)
        peer.linking.enter(link, admission)
        peer.ended(link)
    assert peer.neighbours.lost() == [gone] * answers


def test_a_link_that_is_renewed_belongs_to_whoever_chose_it_first(net):
    seed, = net.seeds(1)
    theirs, own = Says(net, "accepted:{}"), Says(net, "accepted:{}")
    peer = net.peer(liveness_interval=60)
    register(net, seed, own)
    wait_event(peer, f"connected:{own.address}")
    net.neighbour(peer, theirs)
    for fake in (theirs, own):
        peer.neighbours.link(fake.address).close("broken")
        wait_until(lambda fake=fake: count(peer, f"connected:{fake.address}") == 2)
    assert peer.neighbours._rows[own.address].chosen
    assert not peer.neighbours._rows[theirs.address].chosen


def test_the_link_of_a_stranger_that_is_renewed_later_is_no_choice_either(net, monkeypatch):
    monkeypatch.setattr("gossip.overlay.linking.ANSWER_LIMIT", 0.2)
    peer, fake = net.peer(liveness_misses=1000), Says(net, "accepted:{}")
    end, fake.answers = net.neighbour(peer, fake), False
    end.close()  # dialled again at once, in vain
    wait_event(peer, f"liveness missed:{fake.address}:2")
    fake.answers = True
    wait_until(lambda: count(peer, f"connected:{fake.address}") == 2)
    assert not peer.neighbours._rows[fake.address].chosen
