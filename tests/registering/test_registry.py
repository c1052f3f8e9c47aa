"""The registry of a seed: what is removed, passed on and told, and how often."""

import random

import pytest

from gossip.addresses import address_of
from gossip.registering.registry import Registry
from gossip.settings import Settings
from tests.tools.fakes import FakeLink, peer


def test_the_registry_removes_a_registration_not_its_successor():
    registry, first, second = Registry(Settings(), print), FakeLink(), FakeLink()
    assert registry.register(peer(1), first, 0.0) is None
    row = registry.row(peer(1))
    assert registry.register(peer(1), second, 0.0) is first
    assert not registry.remove(row, "dead", 0.0) and not registry.remove(None, "dead", 0.0)
    assert registry.row(peer(1), first) is None
    row = registry.row(peer(1), second)
    row.link = None
    assert registry.remove(row, "gone", 60.0) and registry.addresses() == ()


def test_a_removal_is_told_once_a_minute_and_matters_for_an_hour():
    registry = Registry(Settings(), print)
    for _ in range(2):
        registry.register(peer(1), FakeLink(), 0.0)
        assert registry.removal(peer(1), 0.0) is None and registry.removal(peer(2), 0.0) is None
        registry.remove(registry.row(peer(1)), "gone", 0.0)
        removal = registry.removal(peer(1), 3_599.0)
        assert removal is not None and registry.removal(peer(1), 3_600.0) is None
        assert not removal.passed_on and not removal.was_told(0.0)
        removal.told = 0.0
        assert removal.was_told(59.0) and not removal.was_told(60.0)


def test_of_one_ip_256_are_listed_but_any_number_on_loopback_or_without_a_limit():
    assert Settings().registrations_per_ip == 256
    for ip, limit, most in (("10.0.0.1", 256, 256), ("10.0.0.1", 0, 300), ("127.0.0.1", 256, 300),
                            ("::1", 256, 300), ("2001:db8::1", 3, 3)):
        registry = Registry(Settings(registrations_per_ip=limit), print)
        for port in range(1, most + 1):
            assert not registry.is_full_for(address_of(ip, port))
            registry.register(address_of(ip, port), FakeLink(), 0.0)
        assert registry.is_full_for(address_of(ip, 301)) == (most < 300)
        assert not registry.is_full_for(address_of(ip, 1))  # it may register again
        assert not registry.is_full_for(address_of("10.0.0.2", 1))


def test_a_registration_that_is_removed_leaves_room_for_another_of_its_ip():
    registry = Registry(Settings(registrations_per_ip=1), print)
    one, other = address_of("10.0.0.1", 1), address_of("10.0.0.1", 2)
    for _ in range(2):
        registry.register(one, FakeLink(), 0.0)
    assert registry.is_full_for(other) and not registry.is_full_for(one)
    registry.remove(registry.row(one), "gone", 0.0)
    assert not registry.is_full_for(other)


def test_a_silent_registration_is_named_once_until_its_probe_is_over():
    registry = Registry(Settings(), print)
    registry.register(peer(1), FakeLink(), 0.0)
    registry.register(peer(2), FakeLink(), 5.0)
    row = registry.row(peer(1))
    assert registry.silent(-1.0, 9.0) == []
    assert registry.silent(4.0, 10.0) == [row]
    assert registry.silent(4.0, 20.0) == []
    assert not row.probed(None)
    assert registry.silent(4.0, 20.0) == [row]
    row.link.heard = 20.0
    assert not row.probed(False)  # it said something meanwhile
    assert registry.silent(19.0, 30.0) == [registry.row(peer(2))]
    assert registry.silent(20.0, 40.0) == [row]


@pytest.mark.parametrize("verdicts, removed", [
    ((False, False), True), ((False, None, False), True), ((None, None, None), False),
    ((False, "register", False), False), ((False, "answer", False), False),
    ((False, "answer", False, False), True)])
def test_a_silent_registration_is_removed_when_it_has_not_answered_in_two_rounds(verdicts,
                                                                                 removed):
    registry, gone = Registry(Settings(), print), False
    registry.register(peer(1), FakeLink(), 0.0)
    for now, verdict in enumerate(verdicts, 1):
        row, = registry.silent(now, now)
        if verdict == "register":
            row.link.heard = now
        gone = row.probed(verdict if verdict in (False, None) else True)
        if verdict == "answer":
            row.known_alive = now
    assert gone is removed


def test_a_registration_whose_connection_broke_is_not_silent_as_well():
    registry = Registry(Settings(), print)
    registry.register(peer(1), FakeLink(), 0.0)
    registry.row(peer(1)).link = None
    assert registry.silent(100.0, 100.0) == []


def test_the_list_is_in_order_whatever_comes_and_goes():
    registry, listed, rng = Registry(Settings(), print), set(), random.Random(1)
    for _ in range(500):
        one = peer(rng.randrange(1, 60))
        if one in listed and rng.random() < 0.7:
            registry.remove(registry.row(one), "gone", 0.0)
            listed.discard(one)
        else:
            registry.register(one, FakeLink(), 0.0)
            listed.add(one)
        assert registry.addresses() == tuple(sorted(listed))


def test_of_many_that_are_silent_the_longest_silent_is_named_first():
    registry = Registry(Settings(), print)
    for port in (1, 2, 3):
        registry.register(peer(port), FakeLink(), 0.0)
    for port, now in ((2, 5.0), (1, 6.0), (3, 7.0)):
        registry.row(peer(port)).link.heard = now
    assert [row.address for row in registry.silent(9.0, 9.0)] == [peer(2), peer(1), peer(3)]
