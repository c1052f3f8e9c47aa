"""The ring: successors, who is accepted, who is surplus, who is drawn."""

import collections
import random

import pytest

from gossip.addresses import address_of
from gossip.capacity import BY_RULE
from gossip.overlay import ring
from gossip.overlay.ring import Tie
from tests.tools.fakes import peer


def test_any_subset_of_any_list_is_connected_by_its_ring():
    rng = random.Random(3)
    for _ in range(200):
        listed = [address_of(f"127.0.{rng.randrange(3)}.1", port)
                  for port in rng.sample(range(1, 65536), rng.randint(2, 40))]
        living = rng.sample(listed, rng.randint(1, len(listed)))
        links = {one: next((a for a in ring.successors(one, sorted(set(listed) - {one}))
                            if a in living), None)
                 for one in living}
        reached, at = {living[0]}, living[0]
        while links[at] is not None and links[at] not in reached:
            at = links[at]
            reached.add(at)
        assert reached == set(living)


def test_between_goes_round_the_ring():
    assert ring.between(peer(1), peer(2), peer(3))
    assert not ring.between(peer(1), peer(3), peer(2))
    assert ring.between(peer(8), peer(9), peer(2)) and ring.between(peer(8), peer(1), peer(2))
    assert not ring.between(peer(8), peer(5), peer(2))


def test_a_full_peer_takes_whom_nobody_linked_separates_from_it():
    own, linked = peer(50), ties((20, 40, 60))
    assert ring.accepts(own, peer(45), linked, 3)
    assert not ring.accepts(own, peer(30), linked, 3)
    assert ring.accepts(own, peer(30), linked, 4)


def ties(ports, ip="127.0.0.1", **known):
    return {address_of(ip, port): Tie(**{"age": 9.0, **known}) for port in ports}


ASKER = address_of("127.0.0.5", 1)
RING = ties([49, 51])  # the nearest to 50 on both sides
ALONE = {address_of(f"127.0.0.{ip}", 7): Tie(9.0) for ip in (3, 4, 6, 7)}


@pytest.mark.parametrize("linked, taken", [
    (RING | ties([10]), True),
    (RING | ties([10]) | ties([2], ip=ASKER.ip), True),
    (RING | ties([10]) | ties([2, 3], ip=ASKER.ip), False),  # only one less
    (RING | ties([10], chosen=True), False),
    (RING | ties([10], chosen=True) | ties([21]), True),
    (RING, False), (ALONE, False)])
def test_a_full_peer_takes_an_ip_to_which_a_more_frequent_one_gives_way(linked, taken):
    own = peer(50)
    assert ring.accepts(own, ASKER, linked, len(linked)) == taken
    assert not ring.accepts(own, ASKER, linked | ties(range(100, 108), age=0.0), len(linked))
    newest = linked | {ASKER: Tie(0.0)}
    given_up = ring.surplus(own, newest, len(linked), 0.0)
    assert (given_up != [ASKER]) == taken, "who is taken is not given up for that"


def test_the_youngest_link_that_others_chose_gives_way_of_the_ip_with_most():
    linked = {**ties([49, 51, 10], age=20.0), **ties([11], age=30.0), **ties([12], chosen=True),
              **ties([13, 14], ip="127.0.0.3", age=1.0), ASKER: Tie(0.0)}
    assert ring.surplus(peer(50), linked, 7, 0.0) == [peer(10)]
    assert ring.surplus(peer(50), linked, 5, 0.0) == [
        peer(10), peer(11), address_of("127.0.0.3", 13)]


def test_links_that_are_as_good_as_given_up_make_no_room():
    linked = ties([49, 51, 10, 11, 12, 13, 14, 15])
    assert ring.favoured({"127.0.0.2"}, linked, {peer(49), peer(51)}, 3) == {"127.0.0.2"}
    assert not ring.favoured({"127.0.0.2"}, linked, {peer(49), peer(51)}, 2)


def test_surplus_spares_the_ring_and_the_young_unless_there_are_far_too_many():
    own = peer(50)
    given_up = ring.surplus(own, ties((10, 20, 40, 60, 70)), 3, 5.0)
    assert len(given_up) == 2 and not {peer(40), peer(60)} & set(given_up)
    assert ring.surplus(own, ties((10, 20, 40, 60, 70), age=1.0), 3, 5.0) == []
    many = ties(range(100, 120), age=1.0)
    assert len(ring.surplus(own, many, 3, float("inf"))) == 20 - 3 - 8


def test_unproven_ones_are_given_up_first_then_unlisted_then_the_youngest_of_others_then_chosen():
    linked = {**ties([10, 90]),  # the nearest on either side
              **ties([91], chosen=True, age=6.0), **ties([92], chosen=True, age=7.0),
              **ties([93], age=6.0), **ties([94], age=7.0),
              **ties([95], listed=False, age=20.0), **ties([96], proven=False, age=30.0)}
    order = [peer(port) for port in (96, 95, 93, 94, 91, 92)]
    for left in range(7):
        assert ring.surplus(peer(50), linked, 2 + left, 5.0) == order[:6 - left]


def test_a_younger_link_costs_no_older_one_its_place_also_while_it_is_too_young_to_be_given_up():
    linked = {**ties([10, 90]), **ties([91, 92], age=20.0), **ties([93, 94], age=1.0)}
    assert ring.surplus(peer(50), linked, 4, 5.0) == []
    assert ring.surplus(peer(50), linked, 3, 5.0) == [peer(91)]


def test_whoever_was_looked_for_in_vain_is_given_up_at_any_age():
    linked = {**ties([10, 90]), **ties([91], age=0.0, proven=False, unreached=True)}
    assert ring.surplus(peer(50), linked, 2, 5.0) == [peer(91)]
    linked |= ties([91], age=0.0, proven=False)  # it is still being looked for
    assert ring.surplus(peer(50), linked, 2, 5.0) == []


def test_unproven_and_unlisted_ones_hold_no_place_on_the_ring():
    linked = {**ties([10, 90], age=6.0), **ties([45, 55], proven=False), **ties([46, 54],
                                                                            listed=False)}
    assert set(ring.surplus(peer(50), linked, 2, 5.0)) == {*map(peer, (45, 46, 54, 55))}


def test_the_nearest_that_no_list_names_yet_stays_while_it_is_young():
    linked = {**ties(range(100, 120)), **ties([55, 56], age=1.0, listed=False)}
    given_up = ring.surplus(peer(50), linked, 12, float("inf"))
    assert given_up == [peer(56)]
    assert peer(55) in ring.surplus(peer(50), linked, 12, 0.5)


def test_places_are_drawn_with_probability_proportional_to_capacity():
    rng = random.Random(1)
    drawn = [ring.draw([peer(5000), peer(5040)], BY_RULE, rng) for _ in range(4000)]
    share = drawn.count(peer(5000)) / 4000
    assert abs(share - 40 / (40 + BY_RULE.of(peer(5040)))) < 0.03


@pytest.mark.parametrize("ips", [["127.0.0.1"], [f"127.0.0.{number}" for number in range(1, 7)]])
def test_where_all_have_one_ip_or_each_its_own_only_capacity_counts(ips):
    rng, ports = random.Random(2), [5000, 5010, 5020, 5030, 5040, 5099]
    candidates = [address_of(ips[at % len(ips)], port) for at, port in enumerate(ports)]
    drawn = collections.Counter(ring.draw(candidates, BY_RULE, rng) for _ in range(20_000))
    total = sum(map(BY_RULE.of, candidates))
    for address in candidates:
        assert abs(drawn[address] / 20_000 - BY_RULE.of(address) / total) < 0.015


def test_an_ip_is_drawn_by_its_mean_capacity_and_then_a_port_by_its_own():
    rng = random.Random(3)
    crowd = [address_of("127.0.0.1", port) for port in range(5000, 5060)]
    alone = address_of("127.0.0.2", 5000)
    mean = sum(map(BY_RULE.of, crowd)) / len(crowd)
    drawn = collections.Counter(ring.draw([*crowd, alone], BY_RULE, rng) for _ in range(20_000))
    assert abs(drawn[alone] / 20_000 - 40 / (40 + mean)) < 0.015
    assert abs(drawn[crowd[0]] / (20_000 - drawn[alone]) - 40 / (mean * 60)) < 0.015
