"""Capacities: rules as they are written, and numbers that are drawn by them."""

import collections
import math

import pytest

from gossip.addresses import address_of
from gossip.capacity import BY_RULE, Capacity, fixed, parse_capacity, shares
from tests.tools.fakes import peer


@pytest.mark.parametrize("text, capacity", [
    ("rule", BY_RULE), ("fixed:2", fixed(2)), ("powerlaw:2.5", Capacity("powerlaw", 2.5))])
def test_a_capacity_rule_is_read_as_it_is_written(text, capacity):
    assert parse_capacity(text) == capacity and str(capacity) == text


@pytest.mark.parametrize("text", ["", "fixed:1", "fixed:", "powerlaw:0", "powerlaw:11",
                                  "powerlaw:-1", "powerlaw:nan", "fixed:6 ", "9"])
def test_what_is_no_capacity_rule_is_told(text):
    with pytest.raises(ValueError, match="fixed:K"):
        parse_capacity(text)


@pytest.mark.parametrize("alpha", [1.0, 2.5])
def test_drawn_capacities_follow_their_power_law(alpha):
    count, capacity = 10_000, Capacity("powerlaw", alpha)
    drawn = collections.Counter(capacity.of(address_of(f"10.0.{n >> 8}.{n & 255}", 1 + n))
                                for n in range(count))
    expected = shares(alpha, 3, 60)
    assert math.isclose(sum(expected.values()), 1) and set(drawn) <= set(expected)
    for k, share in expected.items():
        assert abs(drawn[k] / count - share) < 5 * math.sqrt(share / count) + 1e-9, k


def test_everyone_computes_the_same_drawn_capacity_and_addresses_differ():
    rule = Capacity("powerlaw", 2.5)
    drawn = [rule.of(address_of("127.0.0.1", port)) for port in range(5000, 5400)]
    assert drawn == [Capacity("powerlaw", 2.5).of(address_of("127.0.0.1", port))
                     for port in range(5000, 5400)]
    assert min(drawn) == 3 and 20 < max(drawn) <= 60


@pytest.mark.parametrize("identity", range(100))
def test_capacity_follows_the_rule(identity):
    rule = int(40 * 1.5 ** (-identity / 10))
    assert BY_RULE.of(peer(5000 + identity)) == max(3, min(60, rule)) >= 3
