"""Places: whom a peer dials next, and whom it leaves alone."""

import math
import random

import pytest

from gossip.addresses import address_of
from gossip.overlay.places import FULL_TRIES, Places
from gossip.overlay.ring import Tie
from gossip.settings import Settings
from tests.tools.fakes import peer


def counted(*ports, ip="127.0.0.1", chosen=False):
    """Neighbours that take places."""
    return {address_of(ip, port): Tie(9.0, chosen=chosen) for port in ports}


def ring_dial(places, listed, linked, dialling, now):
    """The peer that is dialled for the ring now."""
    successor = places.successor(listed, now)
    return successor if places.dials_for_ring(successor, linked, dialling, now) else None


def test_who_refused_as_full_or_cannot_be_reached_is_left_alone_for_a_while(monkeypatch):
    monkeypatch.setattr("gossip.overlay.places.FULL_ROUNDS", 2)
    monkeypatch.setattr("gossip.overlay.places.FULL_TRIES", 2)
    settings = Settings(liveness_interval=10)
    places = Places(peer(50), 3, settings, random.Random(1))
    listed = [peer(port) for port in (10, 20, 30, 60)]
    assert ring_dial(places, listed, [], [], 0.0) == peer(60)
    places.pass_over(peer(60), 10.0)
    assert ring_dial(places, listed, [], [], 1.0) == peer(10)
    assert ring_dial(places, listed, [], [], 10.1) == peer(60)
    places.put_off(peer(60), True, 10.1)
    assert ring_dial(places, listed, [], [], 10.2) is None
    assert places.next_at(10.2) == pytest.approx(10.6)
    assert ring_dial(places, listed, [], [], 10.7) == peer(60)
    assert ring_dial(places, listed, [peer(60)], [], 10.7) is None
    places.leave_alone(peer(20))
    places.leave_alone(peer(10))
    taken = counted(60)
    assert places.ordinary_dial(listed, [peer(60), peer(30)], [], 10.7, taken) is None
    places.next_round()
    places.next_round()
    assert places.ordinary_dial(listed, [peer(60), peer(30)], [], 10.7, taken) in {peer(10),
                                                                                   peer(20)}


def test_a_free_place_is_tried_again_after_a_pause_that_doubles_up_to_an_interval():
    settings = Settings(liveness_interval=3, retry_first=0.5)
    places, now = Places(peer(50), 3, settings, random.Random(1)), 10.0
    listed = [peer(port) for port in (10, 20, 40, 60)]

    def dial():
        return places.ordinary_dial(listed, [], [], now, {})

    for pause in (0.5, 1.0, 2.0, 3.0, 3.0):
        for _ in range(FULL_TRIES):
            assert dial() is not None
            places.put_off(peer(10), False, now)
        assert dial() is None and places.next_at(now) == pytest.approx(now + pause)
        places.next_round()
        assert dial() is None
        now += pause
    for _ in range(FULL_TRIES):
        places.put_off(peer(10), False, now)
    assert dial() is None
    places.link_broke()
    assert dial() is not None and places.next_at(now) == math.inf


def test_who_takes_no_place_is_not_dialled_and_keeps_no_place_from_others():
    places = Places(peer(50), 3, Settings(), random.Random(1))
    listed = [peer(port) for port in (10, 20, 40, 60)]
    assert places.ordinary_dial(listed, [peer(10), peer(99)], [], 0.0, counted(10)) is None
    assert places.ordinary_dial(listed, [peer(10), peer(99)], [], 0.0, {}) == peer(20)


def test_when_no_place_is_free_an_ip_is_dialled_that_a_more_frequent_one_gives_way_to():
    places = Places(peer(50), 6, Settings(), random.Random(1))
    far = [address_of("127.0.0.2", port) for port in (10, 20)]
    crowd = counted(10, 20, 30, 40)  # 40 is on the ring
    listed = [*map(peer, (10, 20, 30, 40, 45)), *far]

    def dial(ties):
        return places.ordinary_dial(listed, list(ties), [], 0.0, ties)

    assert dial(crowd | counted(46)) in far
    assert dial(counted(10, 20, 30, 40, 46, chosen=True)) is None
    one, both = counted(10, ip="127.0.0.2", chosen=True), counted(10, 20, ip="127.0.0.2")
    assert dial(crowd | one) == far[1]
    assert dial(crowd | both) is None
