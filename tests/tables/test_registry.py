"""The registry of a seed: who is listed, removed, silent."""

import pytest

from grapevine.registry import REMOVED_LIMIT, Registry
from grapevine.settings import Settings
from tests.tables.samples import FakeLink, peer


def listed(*registered: int) -> Registry:
    registry = Registry()
    for port in registered:
        registry.register(peer(port), FakeLink(peer(port)), 0.0)
    return registry


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
    registry = listed(*range(1, REMOVED_LIMIT + 2))
    for port in range(1, REMOVED_LIMIT + 2):
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
