"""The registry of a seed: what is removed, passed on and told, and how often."""

import random

import pytest

from gossip.addresses import address_of
from gossip.seeds.registry import Registry
from gossip.settings import Settings
from tests.tools.fakes import FakeLink, peer


def test_the_registry_removes_a_registration_not_its_successor():
    registry, first, second = Registry(Settings(), print), FakeLink(), FakeLink()
    assert registry.register(peer(1), first, 0.0) == (True, None)
    row = registry.row(peer(1))
    assert registry.register(peer(1), second, 0.0) == (True, first)
    assert registry.remove(peer(1), row, "dead", 0.0) == (False, None)
    assert registry.lost(peer(1), first) is None
    row = registry.lost(peer(1), second)
    assert registry.next_at() is None and registry.outstayed(1e9) == []
    registry.spare(peer(1), row, 60.0)
    assert registry.next_at() == 60.0 and registry.outstayed(60.0) == [(peer(1), row)]
    assert registry.remove(peer(1), row, "gone", 60.0) == (True, None)
    assert registry.addresses() == ()


def test_a_report_is_passed_on_once_per_removal_and_told_once_a_minute():
    registry = Registry(Settings(), print)
    for _ in range(2):
        registry.register(peer(1), FakeLink(), 0.0)
        assert not registry.may_pass_on(peer(1))
        registry.remove(peer(1), registry.row(peer(1)), "gone", 0.0)
        assert registry.lately_removed(peer(1), 10.0)
        assert not registry.was_passed_on(peer(1))
        assert registry.may_pass_on(peer(1)) and not registry.may_pass_on(peer(1))
        assert registry.was_passed_on(peer(1))
        assert registry.may_note(peer(1)) and not registry.may_note(peer(1))
        assert not registry.was_told(peer(1), 0.0)
        assert registry.may_tell(peer(1), 0.0) and not registry.may_tell(peer(1), 59.0)
        assert registry.was_told(peer(1), 59.0) and not registry.was_told(peer(1), 60.0)
        assert registry.may_tell(peer(1), 60.0)


def test_of_one_that_was_never_removed_nobody_is_told():
    registry = Registry(Settings(), print)
    registry.register(peer(1), FakeLink(), 0.0)
    for one in (peer(1), peer(2)):
        assert not registry.lately_removed(one, 0.0) and not registry.may_pass_on(one)
        assert not registry.may_tell(one, 0.0) and not registry.may_note(one)


def test_of_one_ip_256_are_listed_but_any_number_on_loopback_or_without_a_limit():
    assert Settings().registrations_per_ip == 256
    for ip, limit, most in (("10.0.0.1", 256, 256), ("10.0.0.1", 0, 300), ("127.0.0.1", 256, 300),
                            ("::1", 256, 300), ("2001:db8::1", 3, 3)):
        registry = Registry(Settings(registrations_per_ip=limit), print)
        listed = [registry.register(address_of(ip, port), FakeLink(), 0.0)[0]
                  for port in range(1, 301)]
        assert listed == [True] * most + [False] * (300 - most)
        assert registry.is_full_for(address_of(ip, 301)) == (most < 300)
        assert not registry.is_full_for(address_of(ip, 1))  # it may register again
        assert registry.register(address_of("10.0.0.2", 1), FakeLink(), 0.0)[0]


def test_a_registration_that_is_removed_leaves_room_for_another_of_its_ip():
    registry = Registry(Settings(registrations_per_ip=1), print)
    one, other = address_of("10.0.0.1", 1), address_of("10.0.0.1", 2)
    assert registry.register(one, FakeLink(), 0.0)[0] and registry.register(one, FakeLink(), 0.0)[0]
    assert registry.register(other, FakeLink(), 0.0) == (False, None)
    registry.remove(one, registry.row(one), "gone", 0.0)
    assert registry.register(other, FakeLink(), 0.0) == (True, None)


def test_a_silent_registration_is_named_once_until_its_probe_is_over():
    registry, link = Registry(Settings(), print), FakeLink()
    registry.register(peer(1), link, 0.0)
    registry.register(peer(2), FakeLink(), 5.0)
    row = registry.row(peer(1))
    assert registry.silent(-1.0, 9.0) == []
    assert registry.silent(4.0, 10.0) == [(peer(1), row, link)]
    assert registry.silent(4.0, 20.0) == []
    assert not registry.probed(row, None)
    assert registry.silent(4.0, 20.0) == [(peer(1), row, link)]
    assert registry.repeats(peer(1), link, 20.0)
    assert not registry.probed(row, False)  # it said something meanwhile
    assert [address for address, _, _ in registry.silent(19.0, 30.0)] == [peer(2)]
    assert not registry.repeats(peer(1), FakeLink(), 40.0)
    assert not registry.repeats(peer(3), link, 40.0)
    assert registry.silent(20.0, 40.0) == [(peer(1), row, link)]


@pytest.mark.parametrize("verdicts, removed", [
    ((False, False), True), ((False, None, False), True), ((None, None, None), False),
    ((False, "register", False), False), ((False, "answer", False), False),
    ((False, "answer", False, False), True)])
def test_a_silent_registration_is_removed_when_it_has_not_answered_in_two_rounds(verdicts,
                                                                                 removed):
    registry, link, gone = Registry(Settings(), print), FakeLink(), False
    registry.register(peer(1), link, 0.0)
    for now, verdict in enumerate(verdicts, 1):
        [(_, row, _)] = registry.silent(now, now)
        if verdict == "register":
            registry.repeats(peer(1), link, now)
        elif verdict == "answer":
            registry.answers(peer(1), link, now)
        gone = registry.probed(row, verdict if verdict in (False, None) else True)
    assert gone is removed


def test_a_registration_whose_connection_broke_is_not_silent_as_well():
    registry, link = Registry(Settings(), print), FakeLink()
    registry.register(peer(1), link, 0.0)
    registry.lost(peer(1), link)
    assert registry.silent(100.0, 100.0) == []
    assert not registry.repeats(peer(1), link, 100.0)


def test_the_list_is_in_order_whatever_comes_and_goes():
    registry, listed, rng = Registry(Settings(), print), set(), random.Random(1)
    for _ in range(500):
        one = peer(rng.randrange(1, 60))
        if one in listed and rng.random() < 0.7:
            registry.remove(one, registry.row(one), "gone", 0.0)
            listed.discard(one)
        else:
            registry.register(one, FakeLink(), 0.0)
            listed.add(one)
        assert registry.addresses() == tuple(sorted(listed))


def test_of_many_that_are_silent_the_longest_silent_is_named_first():
    registry, links = Registry(Settings(), print), {port: FakeLink() for port in (1, 2, 3)}
    for port, link in links.items():
        registry.register(peer(port), link, 0.0)
    for port, now in ((2, 5.0), (1, 6.0), (3, 7.0)):
        registry.repeats(peer(port), links[port], now)
    assert [address for address, _, _ in registry.silent(9.0, 9.0)] == [peer(2), peer(1), peer(3)]
