"""What follows from lateness: nothing below 50 ms, then more patience, later sending."""

import pytest

from gossip.node.lateness import gathering, is_late, more_patience


@pytest.mark.parametrize("late", [0.0, 0.01, 0.049])
def test_below_50_ms_nothing_changes(late):
    assert more_patience(late) == 0.0
    assert gathering(late) == 0.0
    assert not is_late(late)


@pytest.mark.parametrize("late, more", [(0.05, 1.0), (0.3, 6.0), (3.0, 60.0)])
def test_patience_grows_by_twenty_times_the_lateness(late, more):
    assert more_patience(late) == pytest.approx(more)


def test_patience_and_gathering_are_bounded_however_late_a_process_is():
    assert more_patience(1e6) == 60.0
    assert gathering(1e6) == 4.0


def test_a_late_node_gathers_for_twenty_times_its_lateness():
    assert gathering(0.1) == pytest.approx(2.0)


def test_no_verdict_is_passed_above_100_ms():
    assert not is_late(0.1) and is_late(0.11)
