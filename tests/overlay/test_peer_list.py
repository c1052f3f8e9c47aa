"""The union of the seeds' lists: how it grows and shrinks."""

from gossip.addresses import address_of
from gossip.capacity import fixed
from gossip.overlay.peer_list import HEARD_LIMIT, UNNAMED_LIMIT, PeerUnion
from tests.tools.fakes import peer
from tests.tools.waiting import wait_until


def test_the_union_grows_by_lists_and_shrinks_by_deaths():
    known = PeerUnion(peer(1))
    assert known.add(peer(80), frozenset([peer(1), peer(2), peer(3)])) == {peer(2), peer(3)}
    assert known.add(peer(80), frozenset([peer(2), peer(3)])) is None
    assert known.add(peer(81), frozenset([peer(4)])) == {peer(4)}
    assert known.add(peer(80), frozenset([peer(3), peer(4)])) == {peer(4)}
    assert known.add(peer(80), frozenset([peer(2)])) == {peer(2)}
    assert set(known.addresses()) == {peer(2), peer(3), peer(4)}
    known.unreachable(peer(4))
    known.unreachable(peer(3))
    assert set(known.addresses()) == {peer(2), peer(4)}
    known.discard(peer(4))
    known.seed_lost(peer(80))
    known.unreachable(peer(2))
    assert set(known.addresses()) == set()


def test_loopback_addresses_are_of_use_on_loopback_only():
    elsewhere, home = address_of("10.0.0.2", 5001), address_of("::1", 5002)
    known = PeerUnion(address_of("10.0.0.1", 5001))
    assert known.add(peer(80), frozenset([peer(2), home, elsewhere])) == {elsewhere}
    assert not known.hear(frozenset([peer(3), home]))
    assert set(known.addresses()) == {elsewhere}
    at_home = PeerUnion(peer(1))
    assert at_home.add(peer(80), frozenset([peer(2), elsewhere])) == {peer(2), elsewhere}


def test_whom_a_seed_has_named_is_listed_and_without_a_list_everybody_is():
    known, both = PeerUnion(peer(1)), {peer(2), peer(3)}
    assert known.listed_among(both) == both
    known.add(peer(80), frozenset([peer(2)]))
    assert known.listed_among(both) == {peer(2)}
    known.add(peer(80), frozenset([peer(4)]))  # it was named before
    assert known.listed_among(both) == {peer(2)}
    known.seed_lost(peer(80))
    assert known.listed_among(both) == both


def rounds(known, number, linked=(), has_seed=True):
    for _ in range(number):
        known.next_round(list(linked), has_seed)


def test_whom_no_latest_list_names_is_forgotten_after_ten_rounds():
    known = PeerUnion(peer(1))
    known.add(peer(80), frozenset([peer(2), peer(3)]))
    known.add(peer(81), frozenset([peer(3), peer(4)]))
    rounds(known, 20)
    known.add(peer(80), frozenset([peer(4)]))
    rounds(known, 9)
    assert known.addresses() == (peer(2), peer(3), peer(4))
    rounds(known, 1)
    assert known.addresses() == (peer(3), peer(4))
    known.seed_lost(peer(81))
    rounds(known, 9)
    known.add(peer(80), frozenset([peer(3), peer(4)]))  # named again in time
    rounds(known, 20)
    assert known.addresses() == (peer(3), peer(4))


def test_neighbours_are_kept_though_no_list_names_them_and_then_ten_rounds_longer():
    known = PeerUnion(peer(1))
    known.add(peer(80), frozenset([peer(2), peer(3)]))
    known.add(peer(80), frozenset())
    rounds(known, 50, linked=[peer(2)])
    assert known.addresses() == (peer(2),)
    rounds(known, 9)
    assert known.addresses() == (peer(2),)
    rounds(known, 1)
    assert known.addresses() == ()


def test_without_a_seed_nobody_is_forgotten_for_not_being_named():
    known = PeerUnion(peer(1))
    known.add(peer(80), frozenset([peer(2)]))
    known.seed_lost(peer(80))
    rounds(known, 100, has_seed=False)
    assert known.addresses() == (peer(2),)
    known.add(peer(80), frozenset([peer(3)]))  # it has just come back, and does not know everyone
    rounds(known, 9)
    assert known.addresses() == (peer(2), peer(3))


def test_beyond_its_limit_the_least_recently_named_are_forgotten():
    known = PeerUnion(peer(1))
    known.add(peer(80), frozenset(map(peer, range(2, 102))))
    known.add(peer(80), frozenset(map(peer, range(1_000, 1_500))))
    known.add(peer(80), frozenset([peer(9_000)]))
    rounds(known, 1, linked=[peer(50), peer(7_000)])
    left = {peer(50), *map(peer, range(1_000, 1_500)), peer(9_000)}
    assert set(known.addresses()) == left and UNNAMED_LIMIT == 500


def test_when_seeds_end_the_next_on_the_ring_are_kept_of_a_list_that_is_too_long():
    known = PeerUnion(peer(3_000))
    known.add(peer(80), frozenset(map(peer, range(1_000, 5_000))))
    known.seed_lost(peer(80))
    rounds(known, 1, has_seed=False)
    assert known.addresses() == tuple(map(peer, range(3_001, 3_501)))


def test_one_that_died_does_not_take_the_place_of_another():
    known = PeerUnion(peer(1))
    known.add(peer(80), frozenset(map(peer, range(2, 503))))
    known.add(peer(80), frozenset())
    known.discard(peer(2))
    rounds(known, 1)
    assert known.addresses() == tuple(map(peer, range(3, 503)))


def test_who_leaves_is_forgotten_by_those_who_were_not_its_neighbours(net):
    seed, = net.seeds(1)
    first, goes = net.peers(4, capacity=fixed(2)), net.peers(8, capacity=fixed(2))
    wait_until(lambda: all(len(node.peer_list.addresses()) == 11 for node in first))
    for node in goes:
        node.quit()
    wait_until(lambda: all(node.stopping for node in goes))
    wait_until(lambda: len(seed.registry.addresses()) == 4)
    wait_until(lambda: all(len(node.peer_list.addresses()) == 3 for node in first))


def test_of_too_many_that_no_list_names_the_ip_that_has_most_loses_its_own():
    known, far = PeerUnion(peer(1)), [address_of("127.0.0.9", port) for port in range(1, 4)]
    known.add(peer(80), frozenset(far))
    known.add(peer(80), frozenset(map(peer, range(1_000, 1_600))))
    known.add(peer(80), frozenset())
    rounds(known, 1)
    assert len(known.addresses()) == UNNAMED_LIMIT and set(far) < set(known.addresses())


def test_hearsay_about_one_ip_takes_no_place_from_others():
    known, far = PeerUnion(peer(1)), [address_of("127.0.0.9", port) for port in range(1, 4)]
    assert known.hear(frozenset(map(peer, range(1_000, 1_000 + HEARD_LIMIT))))
    assert not known.hear(frozenset([peer(500)])), "it is full, and those that came first stay"
    assert known.hear(frozenset(far)) and not known.hear(frozenset(far))
    assert len(known.addresses()) == HEARD_LIMIT and set(far) < set(known.addresses())


def test_how_many_others_there_are_is_known_when_enough_seeds_have_told():
    known = PeerUnion(peer(1))
    known.add(peer(8001), frozenset({peer(1), peer(2)}))
    assert known.others(2) == float("inf") and known.others(1) == 1
    known.add(peer(8002), frozenset({peer(2), peer(3)}))
    assert known.others(2) == 2
    known.seed_lost(peer(8002))
    assert known.others(2) == float("inf")
