"""Which run is at home at an address."""

from gossip.signing.known_runs import HOMES_LIMIT, Homes
from tests.tools.fakes import peer

OWN = peer(5001)


def test_where_no_run_was_met_each_may_be_at_home():
    homes = Homes()
    assert homes.is_last(OWN, 1) and not homes.is_over(OWN, 1)


def test_the_run_met_last_is_at_home_and_those_before_are_over():
    homes = Homes()
    for start in (1, 2, 2):
        homes.met(OWN, start, 0.0)
    assert homes.is_over(OWN, 1) and not homes.is_over(OWN, 2) and not homes.is_over(OWN, 3)
    assert [homes.is_last(OWN, start) for start in (1, 2, 3)] == [False, True, False]


def test_who_was_looked_for_while_another_answered_is_over_and_not_if_nobody_did():
    homes = Homes()
    homes.met(OWN, 1, 5.0)
    homes.not_met(OWN, 2, since=6.0)
    assert not homes.is_over(OWN, 2)
    homes.met(OWN, 1, 7.0)
    homes.not_met(OWN, 2, since=6.0)
    assert homes.is_over(OWN, 2) and homes.is_last(OWN, 1)
    homes.not_met(peer(1), 2, since=6.0)
    assert not homes.is_over(peer(1), 2)


def test_a_run_that_is_met_again_was_not_over():
    homes = Homes()
    for start in (1, 2, 1):
        homes.met(OWN, start, 0.0)
    assert homes.is_last(OWN, 1) and homes.is_over(OWN, 2)


def test_eight_runs_of_an_address_are_kept_and_so_many_addresses():
    homes = Homes()
    for start in range(1, 11):
        homes.met(OWN, start, 0.0)
    for start in range(20, 30):
        homes.not_met(OWN, start, -1.0)
    assert [start for start in range(1, 30) if homes.is_over(OWN, start)] == list(range(3, 10))
    for port in range(10_001, 10_001 + HOMES_LIMIT):
        (homes.met if port % 2 else homes.linked)(peer(port), 1, 0.0)
    assert homes.is_last(OWN, 99)


def test_a_link_counts_only_where_no_run_was_met():
    homes = Homes()
    homes.linked(OWN, 1, 0.0)
    homes.met(OWN, 2, 0.0)
    homes.linked(OWN, 3, 0.0)
    assert homes.is_over(OWN, 1) and homes.is_last(OWN, 2)
