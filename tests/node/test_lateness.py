"""What follows from lateness: nothing below 50 ms, then more patience, later sending."""

import pytest

from tests.tools.fakes import run_late
from tests.tools.simulated import Nodes


@pytest.fixture
def node():
    return Nodes(gossip_count=0).one


@pytest.mark.parametrize("late", [0.0, 0.01, 0.049])
def test_below_50_ms_nothing_changes(node, late):
    run_late(node, late)
    assert node.more_patience() == node.gathering() == 0.0
    assert not node.is_late()


@pytest.mark.parametrize("late, more", [(0.05, 1.0), (0.3, 6.0), (3.0, 60.0), (1e6, 60.0)])
def test_patience_grows_by_twenty_times_the_lateness_to_a_minute(node, late, more):
    run_late(node, late)
    assert node.more_patience() == pytest.approx(more)


@pytest.mark.parametrize("late, gathering", [(0.05, 0.05), (0.2, 0.8), (1e6, 4.0)])
def test_a_late_node_gathers_the_longer_the_later_it_is(node, late, gathering):
    run_late(node, late)
    assert node.gathering() == pytest.approx(gathering)


@pytest.mark.parametrize("late", [0.1, 0.11])
def test_no_verdict_is_passed_above_100_ms(node, late):
    run_late(node, late)
    assert node.is_late() == (late > 0.1)
