"""A cadence: hurries at first, and settles."""

from gossip.registering.joining import Cadence


def test_a_cadence_hurries_and_settles():
    cadence, times, now = Cadence(0.5, 4.0, 0.0), [], 0.0
    for _ in range(5):
        now = cadence.next_at
        assert cadence.due(now) and not cadence.due(now)
        times.append(now)
    assert times == [0.5, 1.5, 3.5, 7.5, 11.5]
    assert cadence.hurry(12.0) and cadence.next_at == 12.5
    assert not cadence.hurry(12.1) and cadence.next_at == 12.5


def test_a_cadence_that_begins_again_is_due_after_the_first_pause_whatever_was_due():
    cadence = Cadence(0.5, 4.0, 0.0)
    cadence.begin(7.0)
    assert not cadence.due(7.4) and cadence.next_at == 7.5
    assert cadence.due(7.5) and cadence.next_at == 8.5


def test_what_is_missing_is_asked_for_at_once_but_not_twice_within_the_first_pause():
    cadence = Cadence(0.5, 4.0, 0.0)
    assert cadence.at_once(0.1) and cadence.next_at == 0.6
    assert not cadence.at_once(0.5) and cadence.next_at == 0.6
    assert cadence.due(0.6) and cadence.due(1.6) and cadence.next_at == 3.6
    assert cadence.at_once(1.7) and cadence.next_at == 2.2


def test_what_is_missing_again_and_again_is_asked_for_more_and_more_rarely():
    cadence = Cadence(0.5, 4.0, 0.0)
    asked = [tenth / 10 for tenth in range(250) if cadence.at_once(tenth / 10)]
    assert asked == [0.0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5]
    assert cadence.at_once(32.0) and cadence.at_once(32.5)  # nothing was missing for 8.5 s
