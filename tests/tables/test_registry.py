"""The registry of a seed: who is listed, removed, silent."""

import random

import pytest

from grapevine.registry import REMEMBERED, REMOVED_FOR, Registry
from grapevine.settings import Settings
from tests.tables.samples import FakeLink, peer


def listed(*registered: int, now: float = 0.0) -> Registry:
    registry = Registry()
    for port in registered:
        registry.register(peer(port), FakeLink(peer(port)), now)
    return registry


def test_a_registration_is_removed_and_not_its_successor():
    registry = listed(1)
    first = registry.rows[peer(1)]
    link = FakeLink(peer(1))
    assert registry.register(peer(1), link, 5.0) is first
    assert not registry.remove(peer(1), first, 5.0) and not registry.remove(peer(1), None, 5.0)
    row = registry.row_of(link)
    assert row is registry.rows[peer(1)] and row.alive_at == 5.0
    assert registry.row_of(first.link) is None and registry.row_of(FakeLink()) is None
    assert registry.links() == [link]
    row.link = None
    assert registry.links() == [] and registry.remove(peer(1), row, 6.0)
    assert not registry.remove(peer(1), row, 6.0) and registry.ordered == []


def test_the_list_is_in_order_whatever_comes_and_goes():
    rng, registry = random.Random(1), Registry()
    for _ in range(500):
        one = peer(rng.randrange(1, 60), rng.choice(["127.0.0.1", "10.0.0.1"]))
        if one in registry.rows and rng.random() < 0.7:
            assert registry.remove(one, registry.rows[one], 0.0)
        else:
            registry.register(one, FakeLink(one), 0.0)
        assert registry.ordered == sorted(registry.rows)


@pytest.mark.parametrize("ip, limit, most", [
    ("10.0.0.1", 256, 256), ("10.0.0.1", 0, 300), ("127.0.0.1", 256, 300), ("::1", 256, 300),
    ("2001:db8::1", 3, 3)])
def test_so_many_of_one_ip_are_listed_except_on_loopback(ip, limit, most):
    assert Settings().registrations_per_ip == 256
    registry = Registry(limit)
    for port in range(1, most + 1):
        assert registry.has_room(peer(port, ip))
        registry.register(peer(port, ip), FakeLink(), 0.0)
    assert registry.has_room(peer(301, ip)) == (most == 300)
    assert registry.has_room(peer(1, ip)), "it may register again"
    assert registry.has_room(peer(1, "10.0.0.2"))


def test_a_removed_registration_makes_room_for_another_of_its_ip():
    registry, one, other = Registry(1), peer(1, "10.0.0.1"), peer(2, "10.0.0.1")
    for _ in range(2):
        registry.register(one, FakeLink(), 0.0)
    assert not registry.has_room(other)
    registry.remove(one, registry.rows[one], 0.0)
    assert registry.has_room(other)


def test_a_removal_is_remembered_for_an_hour_or_until_it_is_registered_again():
    registry = listed(1, 2)
    assert registry.removal(peer(1), 0.0) is None
    for port in (1, 2):
        registry.remove(peer(port), registry.rows[peer(port)], 5.0)
    removal = registry.removal(peer(1), 4.0 + REMOVED_FOR)
    assert removal is not None and not removal.is_told and not removal.is_passed_on
    assert registry.removal(peer(1), 5.0 + REMOVED_FOR) is None
    registry.register(peer(2), FakeLink(), 6.0)
    assert registry.removal(peer(2), 6.0) is None


def test_so_many_removals_are_remembered():
    registry = listed(*range(1, REMEMBERED + 2))
    for port in range(1, REMEMBERED + 2):
        registry.remove(peer(port), registry.rows[peer(port)], 0.0)
    assert registry.removal(peer(1), 0.0) is None and registry.removal(peer(2), 0.0) is not None


def test_silent_are_those_of_whom_nothing_has_come_since():
    registry = listed(1, 2, 3, now=5.0)
    one, two, three = (registry.rows[peer(port)] for port in (1, 2, 3))
    assert registry.silent(4.9) == []
    assert registry.silent(5.0) == [(peer(1), one), (peer(2), two), (peer(3), three)]
    one.link.heard_at, two.alive_at = 6.0, 7.0
    assert registry.silent(5.9) == [(peer(3), three)]
    assert registry.silent(6.0) == [(peer(1), one), (peer(3), three)]
    three.link = None  # its connection broke, and it is judged for that
    assert registry.silent(9.0) == [(peer(1), one), (peer(2), two)]
