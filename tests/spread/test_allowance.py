"""How much a neighbour may say in its own name."""

import pytest

from gossip import wire
from gossip.spread.origin import PATIENCE, REMEMBERED, REST_LIMIT, Allowance, Cost
from tests.tools.fakes import peer


def line(origin, number=1, text="x"):
    return wire.gossip("1.000000", origin, 7, number, text)


def lines(number):
    return Cost(number, 0)


def flood(allowance, cost, now):
    """Say so much again and again, as soon as the link has rested; return when it was a flood."""
    while True:
        rest, floods = allowance.spend(peer(1), lines(cost), now)
        if floods:
            return now
        now += rest


def test_a_burst_costs_no_time_and_what_is_beyond_it_as_much_as_the_rate_says():
    allowance = Allowance(100, 500)
    assert not any(allowance.spend(peer(1), lines(500), 0.0))
    assert allowance.spend(peer(1), lines(50), 0.0)[0] == pytest.approx(0.5)
    assert allowance.spend(peer(1), lines(10), 0.5)[0] == pytest.approx(0.1)


def test_who_speaks_at_the_rate_never_rests():
    allowance = Allowance(100, 500)
    assert not any(any(allowance.spend(peer(1), lines(100), float(second)))
                   for second in range(1_000))


def test_the_burst_comes_back_with_time_and_is_never_more():
    allowance = Allowance(100, 500)
    assert not any(allowance.spend(peer(1), lines(500), 0.0))
    assert not any(allowance.spend(peer(1), lines(300), 3.0))
    assert any(allowance.spend(peer(1), lines(1), 3.0))
    assert any(allowance.spend(peer(1), lines(501), 1_000.0))


def test_a_link_rests_for_a_second_at_most():
    assert Allowance(100, 0).spend(peer(1), lines(1_000), 0.0)[0] == REST_LIMIT


@pytest.mark.parametrize("cost", [1, 60, 1_000])
def test_an_excess_that_lasts_a_minute_is_a_flood(cost):
    assert PATIENCE <= flood(Allowance(100, 100), cost, 0.0) <= PATIENCE + REST_LIMIT


def test_excesses_with_pauses_between_them_are_no_flood():
    allowance = Allowance(100, 100)
    for minute in range(10):
        for second in range(50):
            assert not allowance.spend(peer(1), lines(200), minute * 200.0 + second)[1]


def test_a_flood_that_comes_back_begins_anew():
    allowance = Allowance(100, 100)
    now = flood(allowance, 200, 0.0)
    assert not any(allowance.spend(peer(1), lines(100), now + 60))
    assert not allowance.spend(peer(1), lines(100), now + 60)[1]


def test_every_neighbour_has_an_allowance_of_its_own():
    allowance = Allowance(100, 100)
    assert any(allowance.spend(peer(1), lines(200), 0.0))
    assert not any(allowance.spend(peer(2), lines(100), 0.0))


def test_no_more_accounts_are_kept_than_so_many():
    allowance = Allowance(100, 100)
    for port in range(1, REMEMBERED + 2):
        allowance.spend(peer(port), lines(100), 0.0)
    assert not any(allowance.spend(peer(1), lines(100), 0.0))
    assert any(allowance.spend(peer(REMEMBERED), lines(100), 0.0))


MIB = 1 << 20


@pytest.mark.parametrize("times", [1, 3])
def test_bytes_cost_besides_lines_and_rate_and_burst_scale_both(times):
    allowance = Allowance(1_000 * times, 10_000 * times)
    assert not any(allowance.spend(peer(1), Cost(1, 32 * MIB * times), 0.0))
    assert allowance.spend(peer(1), Cost(1, MIB * times // 2), 0.0)[0] == pytest.approx(0.5)
    assert not any(allowance.spend(peer(1), Cost(1, MIB * times), 10.0))


def test_only_what_is_said_in_ones_own_name_costs():
    allowance = Allowance(100, 100)
    own = [line(peer(1)), b"tree:" + line(peer(1), 2)]
    others = [line(peer(2)), line(peer(10)), line(peer(2), text=f":{peer(1)}:7:1:"),
              f"via:{peer(1)}:".encode() + line(peer(2))]
    assert allowance.cost(peer(1), own + others) == (2, sum(map(len, own)))
    assert allowance.cost(peer(1), others) is None
    assert Allowance(0, 100).cost(peer(1), own) is None
