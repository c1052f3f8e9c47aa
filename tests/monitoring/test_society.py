"""Whom the verdicts convict in whole networks: the rules against liars of all kinds.

The figures are sums over several networks, each drawn by its number. With three links some honest
peers have two neighbours that lie, which is more than the rules can bear, and some liars have fewer
than three reporters for long.
"""

import pytest

from gossip.capacity import BY_RULE, fixed
from gossip.monitoring.verdicts import THRESHOLD
from tests.tools.society import KINDS, Society, mixed

PERIODS = 24  # of a run
KICKED_BY = 14  # periods after the first message


def played(networks, periods=PERIODS, **conditions):
    return [Society(number, **conditions).run(periods) for number in networks]


def share_kicked(runs, by=PERIODS):
    kicked = sum(run.kicked.get(one, by) < by for run in runs for one in run.kinds)
    return kicked / sum(len(run.kinds) for run in runs)


def share_falsely_kicked(runs):
    return sum(len(run.falsely_kicked()) for run in runs) / sum(len(run.honest) for run in runs)


@pytest.mark.parametrize("kind", KINDS)
def test_four_liars_of_a_kind_are_kicked_and_nobody_else_is(kind):
    runs = played([1], KICKED_BY, kinds=[kind] * 4, capacity=fixed(6), breaks=0.0)
    assert share_kicked(runs) == 1.0 and share_falsely_kicked(runs) == 0.0


@pytest.mark.parametrize("kinds", [mixed(8), mixed(12, colluding=4)], ids=["eight", "twelve"])
def test_liars_of_many_kinds_are_kicked_and_nobody_else_is(kinds):
    runs = played([1], KICKED_BY, kinds=kinds)
    assert share_kicked(runs) == 1.0 and share_falsely_kicked(runs) == 0.0


@pytest.mark.parametrize("capacity", [fixed(3), fixed(8)], ids=str)
def test_without_liars_nobody_is_bad_however_often_links_break(capacity):
    runs = played([1], 18, capacity=capacity, breaks=0.1)
    assert runs[0].worst <= THRESHOLD and runs[0].kicked == {}


def test_who_is_stopped_for_ten_periods_is_neither_kicked_nor_left_alone():
    run, = played([1], 26, capacity=fixed(5), breaks=0.0, frozen=3)
    assert run.kicked == {} and run.apart == set()


def test_who_reports_nothing_loses_each_honest_neighbour_within_twelve_periods():
    run, = played([1], 24, kinds=["mute"] * 4, capacity=fixed(6), breaks=0.0)
    linked_since = [since for mute in run.kinds for one, since in run.links[mute].items()
                    if one not in run.kinds]
    assert all(run.period - since < 12 for since in linked_since)
    assert run.kicked == {} and {one for pair in run.apart for one in pair} & set(run.kinds)
    assert all(set(pair) & set(run.kinds) for pair in run.apart)


def test_with_three_links_most_liars_are_kicked_and_nobody_else_is():
    runs = played(range(3), kinds=mixed(4), capacity=fixed(3), breaks=0.0)
    assert share_kicked(runs) >= 0.9 and share_falsely_kicked(runs) == 0.0


# The same over many networks.

@pytest.mark.slow
@pytest.mark.parametrize("capacity", [BY_RULE, fixed(6), fixed(3)], ids=str)
def test_nobody_is_kicked_because_it_was_stopped(capacity):
    runs = played(range(4), 34, capacity=capacity, breaks=0.0, frozen=3)
    assert share_falsely_kicked(runs) == 0.0 and all(run.apart == set() for run in runs)


@pytest.mark.slow
@pytest.mark.parametrize("kinds, networks, kicked, false", [
    *(([kind] * 4, 6, 0.95, 0.0) for kind in KINDS),
    (mixed(8), 20, 0.95, 0.0), (mixed(12, colluding=4), 20, 0.95, 0.01),
    (["collude"] * 12, 8, 0.95, 0.01), (["slander"] * 12, 8, 0.95, 0.01)],
    ids=lambda value: "-".join(sorted(set(value))) if isinstance(value, list) else str(value))
def test_liars_are_kicked_in_time(kinds, networks, kicked, false):
    runs = played(range(networks), kinds=kinds)
    assert share_kicked(runs, KICKED_BY) >= kicked
    assert share_falsely_kicked(runs) <= false


@pytest.mark.slow
@pytest.mark.parametrize("capacity", [BY_RULE, fixed(3), fixed(4)], ids=str)
@pytest.mark.parametrize("breaks", [0.0, 0.05, 0.3])
def test_without_liars_nobody_is_bad(capacity, breaks):
    runs = played(range(6), capacity=capacity, breaks=breaks)
    assert max(run.worst for run in runs) <= THRESHOLD
    assert share_falsely_kicked(runs) == 0.0


@pytest.mark.slow
@pytest.mark.parametrize("kinds", [
    *([kind] * 4 for kind in KINDS if kind not in ("slander", "collude")), mixed(4)],
    ids=lambda kinds: "-".join(sorted(set(kinds))))
def test_with_three_links_nine_of_ten_liars_are_kicked(kinds):
    """Whoever slanders is left out: it has to slander three to be convicted."""
    runs = played(range(20), kinds=kinds, capacity=fixed(3), breaks=0.0)
    assert share_kicked(runs) >= 0.9
    assert share_falsely_kicked(runs) <= 0.005


@pytest.mark.slow
@pytest.mark.parametrize("kinds, false", [(mixed(40), 0.0), (mixed(60, colluding=20), 0.01)],
                         ids=["forty", "sixty"])
def test_two_hundred_peers(kinds, false):
    """Half of them have three links. If these break often, too, one liar of ten stays."""
    runs = played([0], kinds=kinds, peers=200, breaks=0.0)
    assert share_kicked(runs) >= 0.95 and share_falsely_kicked(runs) <= false
