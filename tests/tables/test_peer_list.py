"""The peers that a peer knows: how the union of lists grows and shrinks."""

import random

from grapevine.peer_list import FRESH_ROUNDS, HEARD_LIMIT, KEPT_ROUNDS, NAMED_LIMIT, PeerList
from tests.tables.samples import peer, ports

INTERVAL = 10.0
SEED, OTHER_SEED = peer(8001), peer(8002)


def peers_of(own: int = 1) -> PeerList:
    return PeerList(peer(own), INTERVAL)


def test_what_is_known_is_the_union_of_all_lists_in_order_without_oneself():
    known = peers_of()
    assert known.learn(SEED, ports(3, 1, 2), 0.0)
    assert not known.learn(SEED, ports(3, 1, 2), 1.0), "it is the same list"
    assert known.learn(OTHER_SEED, ports(9, 2), 1.0) and known.learn(SEED, ports(4), 2.0)
    assert known.known == ports(2, 3, 4, 9)
    assert peer(9) in known and peer(1) not in known and not known.has_named(peer(5))
    assert known.has_named(peer(9)) and known.has_named(peer(1)), "seeds name it to others"


def test_the_list_is_in_order_and_replaced_whatever_comes_and_goes():
    rng, known, expected = random.Random(1), peers_of(), set()
    for now in range(300):
        before, copy = known.known, known.known[:]
        listed = ports(*rng.sample(range(2, 60), 5))
        if rng.random() < 0.5:
            known.learn(SEED, listed, now)
            expected |= set(listed)
        else:
            known.discard(listed[0])
            expected.discard(listed[0])
        assert known.known == sorted(expected) and before == copy


def test_a_list_that_brings_nothing_new_changes_nothing():
    known = peers_of()
    known.learn(SEED, ports(2, 3), 0.0)
    before = known.known
    known.learn(OTHER_SEED, ports(3, 2, 1), 1.0)
    assert known.known is before


def test_another_machine_means_itself_by_a_loopback_address():
    far = peer(5001, "10.0.0.2")
    known = PeerList(peer(5001, "10.0.0.1"), INTERVAL)
    known.hear((peer(3), far, peer(6, "0.0.0.0"), peer(7, "224.0.0.1")))
    assert known.known == [far]
    known.learn(SEED, (peer(2), peer(2, "::1"), far), 0.0)
    assert known.known == [far]
    at_home = peers_of()
    at_home.learn(SEED, (peer(2), far), 0.0)
    assert at_home.known == [far, peer(2)], "seeds may be on loopback, and others reached by both"


def test_who_does_not_answer_stays_while_a_seed_has_named_it_lately():
    known = peers_of()
    known.learn(SEED, ports(2, 3), 5.0)
    known.unreachable(peer(2), 5.0 + FRESH_ROUNDS * INTERVAL)
    assert peer(2) in known
    known.unreachable(peer(2), 5.1 + FRESH_ROUNDS * INTERVAL)
    assert known.known == [peer(3)]


def test_whom_a_seed_has_named_first_leaves_room_for_others_once_it_is_forgotten():
    known = peers_of()
    many = ports(*range(10_000, 10_000 + NAMED_LIMIT))
    known.learn(SEED, many, 0.0)
    known.discard(many[0])
    known.learn(SEED, ports(2, 3), 50.0)
    assert peer(2) in known and peer(3) not in known
    assert known.dropped == {"peers of one seed, too many": 1}
    known.forget_old(KEPT_ROUNDS * INTERVAL)
    known.learn(SEED, ports(3), 100.0)
    assert known.known == ports(2, 3)


def test_hearsay_counts_until_the_next_list_and_goes_at_the_first_failure():
    known = peers_of()
    known.hear((*ports(1, 3, 4), peer(5, "10.0.0.1")))
    assert known.known == ports(3, 4) and not known.has_named(peer(3))
    known.unreachable(peer(4), 0.0)
    assert known.known == [peer(3)] and peer(3) in known
    known.learn(SEED, ports(2), 0.0)
    assert known.known == [peer(2)]
    known.hear(ports(2, 3))
    known.forget_old(99.0)
    assert known.known == ports(2, 3)


def test_hearsay_is_limited_and_the_latest_answer_counts():
    known = peers_of()
    known.hear(ports(*range(1_000, 1_000 + HEARD_LIMIT)))
    assert len(known.known) == HEARD_LIMIT
    known.hear(ports(6_001))
    known.hear(ports(6_000))
    assert known.known == ports(6_000, 6_001)
    known.hear(ports(*range(1_000, 1_001 + HEARD_LIMIT)))
    assert len(known.known) == HEARD_LIMIT


def test_of_too_many_former_neighbours_the_ip_with_most_loses_its_oldest():
    known, others = peers_of(), [peer(2, "10.0.0.1"), peer(2, "10.0.0.2")]
    for one in [*others, *ports(*range(1_001, 1_101))]:
        known.remember(one)
    assert list(known.lost) == others + ports(*range(1_003, 1_101))


def test_before_the_first_list_everybody_counts_as_named():
    known, both = peers_of(), set(ports(2, 3))
    assert known.named_among(both) == both
    known.learn(SEED, ports(2), 0.0)
    assert known.named_among(both) == {peer(2)}
    known.discard(peer(2))
    assert known.named_among(both) == set()
