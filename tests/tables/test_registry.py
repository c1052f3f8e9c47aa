"""The registry of a seed: who is listed, removed, silent."""

import random

import pytest

from grapevine.registry import REMEMBERED, Registry
from grapevine.settings import Settings
from tests.tables.samples import FakeLink, peer


def listed(*registered: int) -> Registry:
    registry = Registry()
    for port in registered:
        registry.register(peer(port), FakeLink(peer(port)), 0.0)
    return registry


def test_a_registration_is_removed_and_not_its_successor():
    registry = listed(1)
    first = registry.rows[peer(1)]
    link = FakeLink(peer(1))
    assert registry.register(peer(1), link, 5.0) is first
    assert not registry.remove(peer(1), first) and not registry.remove(peer(1), None)
    row = registry.row_of(link)
    assert row is registry.rows[peer(1)]
    assert registry.row_of(first.link) is None and registry.row_of(FakeLink()) is None
    assert registry.links() == [link]
    row.link = None
    assert registry.links() == [] and registry.remove(peer(1), row)
    assert not registry.remove(peer(1), row) and registry.ordered == []


def test_the_list_is_in_order_whatever_comes_and_goes():
    rng, registry = random.Random(1), Registry()
    for _ in range(500):
        one = peer(rng.randrange(1, 60), rng.choice(["127.0.0.1", "10.0.0.1"]))
        if one in registry.rows and rng.random() < 0.7:
            assert registry.remove(one, registry.rows[one])
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
    registry.remove(one, registry.rows[one])
    assert registry.has_room(other)


def test_a_removal_is_remembered_until_the_peer_is_registered_again():
    registry = listed(1)
    assert registry.removed.get(peer(1)) is None
    registry.remove(peer(1), registry.rows[peer(1)], has_left=True)
    removal = registry.removed[peer(1)]
    assert removal.has_left and not removal.is_told and not removal.is_passed_on
    registry.register(peer(1), FakeLink(), 6.0)
    assert registry.removed.get(peer(1)) is None


def test_so_many_removals_are_remembered():
    registry = listed(*range(1, REMEMBERED + 2))
    for port in range(1, REMEMBERED + 2):
        registry.remove(peer(port), registry.rows[peer(port)])
    assert peer(1) not in registry.removed and peer(2) in registry.removed


def test_silent_are_those_of_whom_nothing_has_come_since():
    registry = listed(1, 2)
    one, two = (registry.rows[peer(port)] for port in (1, 2))
    one.link.heard_at = two.link.heard_at = 5.0
    assert registry.silent(4.9) == []
    assert registry.silent(5.0) == [(peer(1), one), (peer(2), two)]
    one.link.heard_at = 6.0
    assert registry.silent(5.9) == [(peer(2), two)]
    two.link = None  # its connection broke, and it is judged for that
    assert registry.silent(9.0) == [(peer(1), one)]
