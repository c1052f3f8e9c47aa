"""The ring: successors, who is accepted, who is surplus, who is drawn."""

import random

from gossip.addresses import address_of
from gossip.capacity import BY_RULE
from gossip.overlay import ring
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
    own, linked = peer(50), {peer(20), peer(40), peer(60)}
    assert ring.accepts(own, peer(45), linked, 3)
    assert not ring.accepts(own, peer(30), linked, 3)
    assert ring.accepts(own, peer(30), linked, 4)


def test_surplus_spares_the_ring_and_the_young_unless_there_are_far_too_many():
    own, rng = peer(50), random.Random(1)
    ages = {peer(port): 9.0 for port in (10, 20, 40, 60, 70)}
    given_up = ring.surplus(own, ages, 3, 8, 5.0, rng)
    assert len(given_up) == 2 and not {peer(40), peer(60)} & set(given_up)
    assert ring.surplus(own, dict.fromkeys(ages, 1.0), 3, 8, 5.0, rng) == []
    many = {peer(port): 1.0 for port in range(100, 120)}
    assert len(ring.surplus(own, many, 3, 8, float("inf"), rng)) == 20 - 3 - 8


def test_places_are_drawn_with_probability_proportional_to_capacity():
    rng = random.Random(1)
    drawn = [ring.draw([peer(5000), peer(5040)], BY_RULE, rng) for _ in range(4000)]
    share = drawn.count(peer(5000)) / 4000
    assert abs(share - 40 / (40 + BY_RULE.of(peer(5040)))) < 0.03
