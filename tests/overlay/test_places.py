"""Places: whom a peer dials next, and whom it leaves alone."""

import random

import pytest

from gossip.overlay.places import Places
from gossip.settings import Settings
from tests.tools.fakes import peer


def test_who_refused_as_full_or_cannot_be_reached_is_left_alone_for_a_while():
    settings = Settings(liveness_interval=10, full_rounds=2, full_tries=2)
    places = Places(peer(50), 3, settings, random.Random(1))
    listed = [peer(port) for port in (10, 20, 30, 60)]
    assert places.ring_dial(listed, [], [], 0.0) == peer(60)
    places.unreachable(peer(60), 0.0)
    assert places.ring_dial(listed, [], [], 1.0) == peer(10)
    assert places.ring_dial(listed, [], [], 10.1) == peer(60)
    places.put_off(peer(60), True, 10.1)
    assert places.ring_dial(listed, [], [], 10.2) is None
    assert places.next_at(10.2) == pytest.approx(10.6)
    assert places.ring_dial(listed, [], [], 10.7) == peer(60)
    assert places.ring_dial(listed, [peer(60)], [], 10.7) is None
    places.leave_alone(peer(20))
    places.leave_alone(peer(10))
    assert places.ordinary_dial(listed, [peer(60), peer(30)], [], 10.7) is None
    places.next_round(10.7)
    places.next_round(10.7)
    assert places.ordinary_dial(listed, [peer(60), peer(30)], [], 10.7) in {peer(10), peer(20)}
    for _ in range(2):
        places.put_off(peer(10), False, 10.7)
    assert places.ordinary_dial(listed, [peer(60), peer(30)], [], 10.7) is None


def test_who_takes_no_place_is_not_dialled_and_keeps_no_place_from_others():
    places = Places(peer(50), 3, Settings(), random.Random(1))
    listed = [peer(port) for port in (10, 20, 40, 60)]
    assert places.ordinary_dial(listed, [peer(10), peer(99)], [], 0.0, [peer(10)]) is None
    assert places.ordinary_dial(listed, [peer(10), peer(99)], [], 0.0, []) == peer(20)
