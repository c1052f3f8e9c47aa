"""Places: whom a peer dials next, whom it leaves alone for a while, and how peers are drawn."""

import collections
import random

import pytest

from grapevine.places import DRAWS, RESERVED_ROUNDS, Lottery, Places
from grapevine.settings import capacity_of
from tests.tables.samples import peer, ports

INTERVAL = 10.0


def places_of(own: int, capacity: int = 3) -> Places:
    return Places(peer(own), capacity, "rule", INTERVAL, random.Random(1))


def choose(places: Places, known: list, linked=(), now: float = 0.0, counted=None) -> list:
    return places.choose(known, set(linked), set(linked if counted is None else counted), now)


# The ring.

def test_a_successor_that_refuses_is_asked_again_after_pauses_that_double_up_to_a_round():
    places, known, now = places_of(50, capacity=2), ports(10, 60), 0.0
    for pause in (0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0):
        assert choose(places, known, now=now) == [peer(60)]
        places.refused(peer(60), now)
        assert choose(places, known, now=now + pause - 0.01) == [], "nobody else is its successor"
        now += pause
    places.linked(peer(60))
    places.refused(peer(60), now)
    assert choose(places, known, now=now + 0.5) == [peer(60)]
    places.pass_over(peer(60), now)
    assert choose(places, known, now=now + 0.5) == [peer(10)]
    places.linked(peer(60))
    assert choose(places, known, now=now + 0.5) == [peer(60)]


# Free places.

def test_the_place_of_a_predecessor_that_never_dials_is_for_others_after_three_rounds():
    places, known = places_of(50), ports(10, 20, 30, 40, 60)
    linked = ports(60, 10)  # 40, its predecessor, has not dialled
    over = RESERVED_ROUNDS * INTERVAL
    assert choose(places, known, linked) == choose(places, known, linked, over - 0.1) == []
    assert choose(places, known, linked, over)[0] in ports(20, 30)
    assert choose(places, known, [*linked, peer(20)], over) == []
    assert choose(places, ports(10, 20, 30, 45, 60), linked, over) == [], "another predecessor"


@pytest.mark.parametrize("capacity, linked, has_room", [
    (3, [60], True), (3, [60, 10], False), (4, [60, 10], True), (4, [60, 40, 10], True),
    (4, [60, 40, 10, 20], False), (2, [60], False), (1, [60], False)])
def test_capacity_less_two_places_are_drawn(capacity, linked, has_room):
    places = places_of(50, capacity)
    assert bool(choose(places, ports(10, 20, 30, 40, 60, 70), ports(*linked))) == has_room


def test_one_is_drawn_at_a_time():
    places, known = places_of(50, capacity=9), ports(10, 20, 30, 40, 60)
    places.dialling.add(peer(60))
    assert len(choose(places, known)) == 1, "the successor is dialled beside it"
    places.dialling.add(peer(10))
    assert choose(places, known) == []


def test_who_cannot_be_reached_is_drawn_again_after_a_round():
    places, known, linked = places_of(50), ports(10, 20, 40, 60), ports(60)
    places.refused(peer(10), 0.0)
    places.pass_over(peer(20), 0.0)
    assert choose(places, known, linked, INTERVAL - 0.01) == []
    assert choose(places, known, linked, INTERVAL) == [peer(20)]


def test_after_refusals_free_places_wait_and_a_link_ends_that():
    places, known, now = places_of(50, capacity=9), ports(*range(10, 50), 60), 100.0
    for pause in (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0):
        drawn, = choose(places, known, ports(60), now)
        places.refused(drawn, now)
        assert choose(places, known, ports(60), now + pause - 0.01) == []
        now += pause
    places.refused(peer(1), now)
    places.linked(peer(20))
    assert choose(places, known, ports(60), now) != []


def test_the_next_look_is_when_the_next_pause_ends():
    places = places_of(50)
    assert places.next_at(7.0) == 7.0 + INTERVAL
    places.pass_over(peer(60), 8.0)
    assert places.next_at(9.0) == 18.0
    places.refused(peer(10), 9.0)
    assert places.next_at(9.0) == 9.0 + 1 / 16 and places.next_at(9.2) == 9.5
    assert places.next_at(9.5) == 18.0 and places.next_at(18.0) == 28.0


def test_refusals_are_forgotten_ten_rounds_after_the_last_one():
    places, known, now = places_of(50, capacity=2), ports(10, 60), 10.0 * INTERVAL
    for moment in range(5):
        places.refused(peer(60), float(moment))
    assert places.next_at(now + 4.0) == now + 4.0 + INTERVAL
    places.refused(peer(60), now + 4.0)
    assert choose(places, known, now=now + 4.49) == []
    assert choose(places, known, now=now + 4.5) == [peer(60)], "the pauses begin anew"


# Draws.

def test_the_only_fitting_peer_of_very_many_is_found():
    places, known = places_of(1, capacity=9), ports(*range(2, 2_000))
    linked = set(known) - {peer(1_500)}
    assert DRAWS < 100 and places.choose(known, linked, set(), 0.0) == [peer(1_500)]
    assert places.choose(known, set(known), set(), 0.0) == []
    assert places.choose(ports(2, 3, 4), set(ports(2, 4)), set(), 0.0) == [peer(3)], "another list"


def shares(peers: list, draws: int = 20_000) -> dict:
    rng, lottery = random.Random(2), Lottery(peers, "rule")
    drawn = collections.Counter(lottery.draw(rng) for _ in range(draws))
    return {one: drawn[one] / draws for one in peers}


def test_an_ip_is_drawn_by_its_mean_capacity_and_then_a_port_by_its_own():
    """Sixty ports of one IP weigh no more than one of another."""
    crowd, alone = ports(*range(5000, 5060)), peer(5000, "127.0.0.2")
    mean = sum(capacity_of(one, "rule") for one in crowd) / len(crowd)
    drawn = shares([*crowd, alone])
    assert abs(drawn[alone] - 40 / (40 + mean)) < 0.015
    assert abs(drawn[crowd[0]] / (1 - drawn[alone]) - 40 / (mean * 60)) < 0.015
    assert min(drawn.values()) > 0
