"""Bans: who is shut out, and until when."""

from gossip.monitoring import bans
from gossip.monitoring.bans import Ban, Bans
from tests.tools.fakes import peer


def test_a_ban_is_in_force_until_its_time_is_over():
    table = Bans()
    assert table.add(peer(1), Ban(10.0, 0.5), 0.0)
    assert table.of(peer(1), 9.9) == Ban(10.0, 0.5) and table.of(peer(2), 9.9) is None
    assert table.of(peer(1), 10.0) is None and table.in_force(10.0) == {}


def test_a_ban_in_force_stays_as_it_is_and_one_that_is_over_may_begin_again():
    table = Bans()
    assert table.add(peer(1), Ban(10.0, 0.5), 0.0)
    assert not table.add(peer(1), Ban(20.0, 0.9), 9.9)
    assert table.of(peer(1), 9.9) == Ban(10.0, 0.5)
    assert table.add(peer(1), Ban(20.0, 0.9), 10.0)
    assert table.of(peer(1), 19.9) == Ban(20.0, 0.9)


def test_a_ban_that_is_over_when_it_is_heard_of_is_none():
    assert not Bans().add(peer(1), Ban(10.0, 0.5), 10.0)


def test_bans_are_told_in_the_order_in_which_they_began_and_the_oldest_gives_way(monkeypatch):
    monkeypatch.setattr(bans, "REMEMBERED", 2)
    table = Bans()
    for port, until in [(3, 5.0), (2, 30.0)]:
        table.add(peer(port), Ban(until, 0.5), 0.0)
    assert list(table.in_force(1.0)) == [peer(3), peer(2)]
    table.add(peer(3), Ban(30.0, 0.5), 6.0)
    assert list(table.in_force(6.0)) == [peer(2), peer(3)]
    table.add(peer(1), Ban(30.0, 0.5), 7.0)
    assert list(table.in_force(7.0)) == [peer(3), peer(1)]
