"""The neighbours of a gossip module, the places for others, and the addresses that it knows."""

import random

import pytest

from grapevine.addresses import address_of
from grapevine.voidphone.ini import Config
from grapevine.voidphone.view import PUSH_MEMORY, PUSHES, View

OWN, TELLER = address_of("127.0.0.1", 5000), address_of("127.0.0.1", 4999)


def peer(number: int):
    return address_of("127.0.0.1", 5000 + number)


class Link:
    """What a view knows of a link."""

    is_dialled = is_proven = False
    teller = None


def view_of(degree=4, min_degree=2, max_connections=8, cache_size=10, own=OWN, seed=1) -> View:
    config = Config(cache_size, degree, own, (), max_connections=max_connections,
                    min_degree=min_degree)
    return View(config, random.Random(seed))


def admit(view: View, address, is_dialled: bool = False) -> Link:
    """Enter a peer, and remove the one that has to go."""
    link = Link()
    assert view.is_better(address, is_dialled)
    surplus = view.enter(address, link, is_dialled)
    if surplus is not None:
        view.remove(surplus)
    return link


def fill(view: View, count: int) -> None:
    for number in range(1, count + 1):
        admit(view, peer(number))


def test_a_place_is_taken_while_an_address_is_dialled():
    view = view_of(degree=2)
    assert not view.begin_dial(OWN) and not view.begin_dial(OWN, is_needed=True)
    assert view.begin_dial(peer(1)) and not view.begin_dial(peer(1))
    assert view.begin_dial(peer(2)) and not view.begin_dial(peer(3))
    assert view.begin_dial(peer(3), is_needed=True)
    view.end_dial(peer(1))
    view.end_dial(peer(3))
    admit(view, peer(2), True)
    assert not view.begin_dial(peer(2), is_needed=True)  # is a neighbour
    assert view.begin_dial(peer(3)) and not view.begin_dial(peer(4))
    view.remove(peer(2))
    assert view.begin_dial(peer(4))


def given_up(rows, is_dialled: bool = False) -> set[int]:
    """Return who may go for a newcomer, by chance; `rows`: (IP, is dialled, is proven)."""
    gone = set()
    for seed in range(60):
        view = view_of(max_connections=len(rows), seed=seed)
        for number, (ip, dialled, proven) in enumerate(rows):
            admit(view, address_of(ip, number + 1), dialled)
            if proven:
                view.prove(address_of(ip, number + 1))
        gone.add(view.enter(peer(9), Link(), is_dialled).port - 1)
    return gone


@pytest.mark.parametrize("newcomer_dialled", [True, False])
@pytest.mark.parametrize("rows, gone", [
    ([("127.0.0.1", False, True), ("127.0.0.1", False, False), ("127.0.0.1", True, True),
      ("127.0.0.1", False, False)], {1, 3}),  # who is not proven
    ([("127.0.0.1", False, True), ("127.0.0.1", True, True), ("127.0.0.1", False, True)],
     {0, 2}),  # then who has dialled
    ([("127.0.0.1", True, True), ("127.0.0.1", True, True)], {0, 1}),  # then anybody
    ([("127.0.0.2", False, False), ("127.0.0.3", False, False), ("127.0.0.3", False, False),
      ("127.0.0.2", False, True), ("127.0.0.2", False, True)], {1, 2}),  # of the IP with most
    ([("127.0.0.2", False, True), ("127.0.0.3", False, True), ("127.0.0.3", False, True),
      ("127.0.0.2", True, True), ("127.0.0.2", True, True)], {1, 2})])
def test_who_is_given_up_for_a_newcomer(rows, gone, newcomer_dialled):
    assert given_up(rows, newcomer_dialled) == gone


def test_who_is_dialled_or_has_answered_is_proven_and_stays_so():
    view = view_of()
    assert admit(view, peer(1), True).is_proven and not admit(view, peer(2)).is_proven
    view.prove(peer(2))
    view.prove(peer(3))
    assert admit(view, peer(2)).is_proven and not admit(view, peer(3)).is_proven
    view.remove(peer(2))
    assert not admit(view, peer(2)).is_proven


@pytest.mark.parametrize("degree, neighbours, min_degree, dialled", [
    (8, 0, 1, 4), (8, 1, 1, 3), (8, 3, 1, 2), (8, 6, 1, 1), (8, 7, 1, 0), (8, 7, 8, 1),
    (8, 8, 8, 0), (8, 9, 8, 0), (1, 0, 1, 1), (2, 1, 1, 0), (3, 1, 1, 1)])
def test_a_505_fills_half_of_the_free_places(degree, neighbours, min_degree, dialled):
    view = view_of(degree=degree, min_degree=min_degree, max_connections=20, cache_size=100)
    fill(view, neighbours)
    told = [peer(number) for number in range(20, 60)]
    chosen = view.heard_of([OWN, *told, *told, *view.addresses()], TELLER)
    assert len(chosen) == dialled == len(set(chosen)) and set(chosen) <= set(told)
    assert set(view.known()) == set(told)
    assert len(view.heard_of([peer(99)], TELLER)) == min(1, dialled)


def test_places_of_dials_under_way_are_not_free_for_a_505():
    view = view_of(degree=4, min_degree=4)
    for number in (1, 2, 3):
        view.begin_dial(peer(number))
    assert len(view.heard_of([peer(1), peer(7), peer(8)], TELLER)) == 1
    assert peer(1) not in view.known()
    view.begin_dial(peer(7))
    assert view.heard_of([peer(8)], TELLER) == []


def test_what_one_neighbour_names_never_fills_more_than_half_of_what_others_left():
    view = view_of(degree=8, min_degree=4, max_connections=20, cache_size=100)
    fill(view, 1)
    for at in range(20, 40):  # again and again; and they are dialled from memory, too
        for address in (*view.heard_of([peer(at)], TELLER), *view.known()):
            if view.begin_dial(address):
                admit(view, address, True)
    assert len(view.addresses()) == 1 + 3
    view.remove(peer(20))
    assert view.begin_dial(peer(39))
    assert not view.begin_dial(peer(20)), "it stays in the account of the one that named it"
    assert view.heard_of([peer(39)], TELLER) == []
    assert len(view.heard_of([peer(50), peer(51)], peer(1))) == 2, "half of four places"
    assert view.begin_dial(peer(99)), "nobody named it"


def test_a_dial_stays_in_its_tellers_account_though_the_peer_joins_meanwhile():
    view = view_of(own=peer(0))
    assert view.pushed(peer(1), 0.0, TELLER) and view.begin_dial(peer(1))
    admit(view, peer(1))
    assert admit(view, peer(1), True).teller == TELLER


def test_a_dial_stays_in_its_tellers_account_though_the_address_was_forgotten():
    view = view_of(cache_size=1)
    for number in (1, 2):
        view.heard_of([peer(number)], TELLER)
    assert view.begin_dial(peer(1), teller=TELLER)
    assert admit(view, peer(1), True).teller == TELLER


def test_a_505_is_drawn_from_by_ip_and_fills_no_cache_of_other_ips():
    crowd = [address_of("127.0.0.9", 5000 + number) for number in range(50)]
    view = view_of(degree=4, cache_size=6)
    view.heard_of([peer(1), peer(2)], TELLER)
    assert peer(3) in view.heard_of([*crowd, peer(3)], TELLER)
    assert view.known() == [peer(3), crowd[49], crowd[48], peer(2), crowd[47], peer(1)]


def test_a_505_is_drawn_from_at_random():
    told = [peer(number) for number in range(20, 40)]
    assert len({view_of(degree=2, seed=seed).heard_of(told, TELLER)[0] for seed in range(100)}) > 10


def test_the_cache_keeps_what_was_heard_of_last():
    view = view_of(cache_size=3)
    view.heard_of([peer(number) for number in (1, 2, 3, 4)], TELLER)
    assert view.known() == [peer(4), peer(3), peer(2)]
    view.pushed(peer(2), 0.0)
    view.pushed(peer(9), 0.0)
    view.pushed(OWN, 0.0)
    assert view.known() == [peer(9), peer(2), peer(4)]
    admit(view, peer(2), True)
    view.pushed(peer(2), 0.0)
    view.heard_of([peer(2)], TELLER)
    assert view.known() == [peer(9), peer(4)]  # neighbours are not known besides
    view.forget(peer(9))
    view.remove(peer(2))
    assert view.known() == [peer(2), peer(4)]


def test_a_push_is_passed_on_once_per_address_and_10_seconds():
    view = view_of()
    assert view.pushed(peer(1), 0.0) and not view.pushed(peer(1), 9.9)
    assert view.pushed(peer(2), 5.0) and PUSH_MEMORY == 10.0
    assert view.pushed(peer(1), 10.0) and not view.pushed(peer(2), 10.0)
    assert not view.pushed(peer(1), 19.9) and view.pushed(peer(1), 20.0)
    for number in range(PUSHES + 100):
        view.pushed(address_of("127.0.0.9", 1 + number), 21.0)
    assert not view.pushed(address_of("127.0.0.9", PUSHES + 100), 21.0)
    assert view.pushed(address_of("127.0.0.9", 1), 21.0), "of too many, the oldest is forgotten"
