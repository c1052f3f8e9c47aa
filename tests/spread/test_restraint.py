"""Restraint: for how much lateness a message of the generator waits, and for how long."""

import pytest

from gossip.settings import Settings
from gossip.spread.origin import Restraint


@pytest.mark.parametrize("number, limit, longest", [(1, 0.05, 45.0), (2, 0.25, 20.0),
                                                    (3, 0.25, 20.0)])
def test_a_message_waits_while_its_peer_is_late_for_some_time_at_most(number, limit, longest):
    restraint = Restraint(2.0)
    for _ in range(number - 1):
        assert not restraint.wait(100.0, 0.0, True)
    assert restraint.wait(200.0, limit, True)
    assert restraint.wait(200.0 + longest - 0.25, 60.0, True) == 0.25
    assert not restraint.wait(200.0 + longest, 60.0, True)


@pytest.mark.parametrize("number, lateness", [(1, 0.049), (2, 0.249)])
def test_a_message_that_has_waited_goes_on_when_its_peer_is_on_time(number, lateness):
    restraint = Restraint(2.0)
    for _ in range(number - 1):
        assert not restraint.wait(100.0, 0.0, True)
    assert restraint.wait(200.0, 1.0, True)
    assert not restraint.wait(200.5, lateness, True)


def test_a_message_waits_for_slow_neighbours_for_two_seconds_at_most():
    restraint = Restraint(Settings().origin_wait)
    for due in (100.0, 200.0):
        assert restraint.wait(due, 0.0, False) == restraint.wait(due + 1.9, 0.0, False) == 0.25
        assert not restraint.wait(due + 2.0, 0.0, False)
    assert restraint.wait(300.0, 0.0, False) and not restraint.wait(300.5, 0.0, True)


def test_every_message_waits_anew():
    restraint = Restraint(2.0)
    for due in (100.0, 200.0, 300.0):
        assert restraint.wait(due, 1.0, True)
        assert not restraint.wait(due + 50.0, 1.0, True)
