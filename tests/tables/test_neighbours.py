"""The table of neighbours: the ring, who is refused, who is given up, rounds of liveness."""

import random

import pytest

from grapevine.neighbours import SPARE, Neighbours, ring_neighbours
from tests.tables.samples import FakeLink, peer, ports

TIMES = [f"{second}.000000" for second in range(9)]


def table(own: int, *linked: int, capacity: int = 3, misses: int = 3) -> Neighbours:
    """Return the table of peer `own`, which has dialled all others at 0.0."""
    neighbours = Neighbours(peer(own), capacity, misses, random.Random(own))
    for port in linked:
        neighbours.enter(peer(port), FakeLink(peer(port)), True, 0.0)
    return neighbours


# The ring.

def test_ring_neighbours_are_the_next_in_both_directions():
    ordered = ports(10, 20, 40, 60)
    assert ring_neighbours(peer(30), ordered) == set(ports(20, 40))
    assert ring_neighbours(peer(5), ordered) == ring_neighbours(peer(70), ordered) == set(
        ports(10, 60))
    assert ring_neighbours(peer(30), ports(10)) == {peer(10)}
    assert ring_neighbours(peer(30), []) == set()


# Newcomers.

def test_a_full_peer_accepts_whom_no_neighbour_separates_from_it():
    full, everybody = table(50, 20, 40, 60), set(ports(20, 30, 40, 45, 60))
    assert full.fault_of(peer(45), everybody) == ""
    assert full.fault_of(peer(30), everybody) == "full"
    assert full.fault_of(peer(55), everybody) == "full", "that one has another way in"
    assert full.fault_of(peer(70), everybody) == "full", "20 lies behind it, round the ring"
    assert table(50, 40, 60, 70).fault_of(peer(80), everybody) == "full"
    assert table(50, 60, 70, 80).fault_of(peer(10), everybody) == ""
    assert table(50, 20, 40).fault_of(peer(30), everybody) == ""


def test_neighbours_that_no_seed_has_named_stand_in_no_way_of_a_named_one():
    full = table(50, 40, 60, capacity=2)
    for named, fault in (([30], ""), ([30, 40], ""), ([30, 40, 60], "full"), ([40], "full")):
        assert full.fault_of(peer(30), set(ports(*named))) == fault


def test_beyond_a_few_spare_links_nobody_is_accepted():
    full = table(50, *range(100, 103 + SPARE))
    assert full.fault_of(peer(49), {peer(49)}) == "full"
    full.remove(peer(100))
    assert full.fault_of(peer(49), {peer(49)}) == ""


# Links beyond capacity.

def test_links_are_given_up_in_order_and_the_ring_stays():
    """First whom no seed has named, then those that have dialled, the youngest first."""
    linked = {10: (True, 0.0), 40: (False, 9.0), 60: (False, 9.0), 70: (True, 2.0), 80: (True, 1.0),
              90: (False, 1.0), 95: (False, 3.0), 96: (True, 0.0)}
    named = set(ports(*linked)) - {peer(96)}
    order = ports(96, 95, 90, 70, 80, 10)
    for capacity in range(2, 9):
        neighbours = Neighbours(peer(50), capacity, 3, random.Random(1))
        for port, (is_dialled, since) in linked.items():
            neighbours.enter(peer(port), FakeLink(), is_dialled, since)
        assert neighbours.surplus(20.0, named, 5.0) == order[:8 - capacity]


def test_a_young_link_stays_for_a_while_and_costs_no_older_one_its_place():
    neighbours, named = table(50, 40, 60, 70), set(ports(40, 60, 70, 80))
    neighbours.enter(peer(80), FakeLink(), False, 10.0)
    assert neighbours.surplus(14.9, named, 5.0) == []
    assert neighbours.surplus(15.0, named, 5.0) == [peer(80)]
    assert neighbours.surplus(10.0, named - {peer(80)}, 5.0) == [peer(80)], "not if nobody named it"


def test_the_nearest_whom_no_seed_has_named_take_no_place_from_those_named():
    neighbours = table(50, 40, 60, 49, 51, capacity=2)
    assert neighbours.surplus(9.0, set(ports(40, 60)), 5.0) == []
    neighbours = table(50, 40, 60, 49, 51, 30, 70, capacity=2)
    assert set(neighbours.surplus(9.0, set(ports(40, 60)), 5.0)) == set(ports(30, 70))
    neighbours.capacity = 1
    assert set(neighbours.surplus(9.0, set(ports(40, 60)), 5.0)) == set(ports(30, 70))
    assert table(50, 40, 60, 49, 51, 10).surplus(9.0, set(ports(10, 40, 60)), 5.0) == []


# Links that come and go.

def test_links_are_in_an_order_of_each_peers_own():
    orders = {tuple(link.peer for link in table(own, 10, 20, 30, 40, 60).links)
              for own in range(70, 90)}
    assert len(orders) > 10 and all(sorted(order) == ports(10, 20, 30, 40, 60) for order in orders)


def test_links_are_those_of_all_linked_rows():
    neighbours = table(50, 70, 60)
    links = neighbours.links
    assert sorted(link.peer for link in links) == ports(60, 70)
    assert neighbours.linked() == ports(60, 70)
    neighbours.link_broke(peer(70), 9.0)
    assert neighbours.linked() == [peer(60)]
    assert neighbours.fault_of(peer(70), set()) == "", "it may link again"
    assert neighbours.link(peer(70)) is None is neighbours.link(peer(1))
    neighbours.remove(peer(60))
    neighbours.remove(peer(60))
    assert neighbours.links == [] and len(links) == 2, "replaced, never changed"
    assert set(neighbours.rows) == {peer(70)}


def test_so_many_rows_without_a_link_are_kept():
    neighbours = table(1, *range(10, 40))
    for port in range(10, 40):
        neighbours.link_broke(peer(port), 9.0)
    assert sorted(neighbours.rows) == ports(*range(10, 10 + 3 + SPARE))


# Liveness.

def run_rounds(neighbours: Neighbours, first: int, last: int, is_late: bool = False) -> list:
    return [neighbours.next_round(TIMES[at], float(at), is_late) for at in range(first, last + 1)]


@pytest.mark.parametrize("misses", [1, 3])
def test_who_misses_so_many_rounds_in_a_row_is_suspect_once(misses):
    neighbours = table(50, 60, misses=misses)
    rounds = run_rounds(neighbours, 0, misses + 1)
    assert [one[0] for one in rounds] == [[], *[[(peer(60), count)] for count in
                                                    range(1, misses + 1)], []]
    assert [one[2] for one in rounds] == [[]] * misses + [[peer(60)], []]
    assert [one[1] for one in rounds] == [[peer(60)]] * misses + [[], []]


def test_a_reply_begins_the_count_anew_also_a_late_one():
    neighbours = table(50, 60)
    run_rounds(neighbours, 0, 2)
    assert neighbours.replied(peer(60), TIMES[0], 2.5) == 2.5
    assert neighbours.replied(peer(60), TIMES[1], 2.6) is None, "it had been forgiven"
    assert neighbours.replied(peer(70), TIMES[1], 2.6) is None
    rounds = run_rounds(neighbours, 3, 6)
    assert [one[2] for one in rounds] == [[], [], [], [peer(60)]]


def test_a_late_peer_counts_no_miss_but_asks():
    neighbours = table(50, 60)
    neighbours.next_round(TIMES[0], 0.0, False)
    for one in run_rounds(neighbours, 1, 5, is_late=True):
        assert one[0] == one[2] == [] and one[1] == [peer(60)]
    assert neighbours.next_round(TIMES[6], 6.0, False)[0] == [(peer(60), 1)]
    assert len(neighbours.rows[peer(60)].requests) == 3, "older ones are forgotten"


def test_a_neighbour_is_silent_if_nothing_came_since_the_first_unanswered_request():
    neighbours = table(50, 60)
    row = neighbours.rows[peer(60)]
    row.link.heard_at = 0.5
    run_rounds(neighbours, 1, 3)
    assert row.is_silent()
    row.link.heard_at = 1.5
    assert not row.is_silent()
    neighbours.link_broke(peer(60), 9.0)
    assert row.is_silent()


def test_a_neighbour_is_silent_since_its_first_unanswered_request_or_since_its_link_broke():
    neighbours = table(50, 60, 70)
    rows = [neighbours.rows[peer(port)] for port in (60, 70)]
    run_rounds(neighbours, 1, 1)
    neighbours.replied(peer(70), TIMES[1], 1.5)
    for port in (60, 70):
        neighbours.link_broke(peer(port), 3.0)
    assert [row.silent_since for row in rows] == [1.0, 3.0]
