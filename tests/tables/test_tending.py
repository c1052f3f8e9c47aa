"""Tending: who changes the tree and when, and since when no row can have been late."""

import pytest

from grapevine.monitoring.grammar import Load
from grapevine.monitoring.tending import RECUT_AGE, Tending
from grapevine.monitoring.threaded_tree import ThreadedTree
from tests.tables.samples import A, B, C

PERIOD, LIGHT = 10.0, Load(100, ())
HEAVY = Load(400, tuple(number << 90 for number in range(1, 16)))
HALVES = ThreadedTree(1, A, ((0, A), (1 << 95, B)))


def tending(own=A, tree=None, now=0.0) -> Tending:
    """Return what a seed knows that has begun at `now`, and was told a tree at once."""
    seen = Tending(own, PERIOD, now)
    if tree is not None:
        seen.adopt(tree, now)
    return seen


def versions(seen: Tending, times, living=(A, B)) -> list[int]:
    """Mend the tree at some times; return the version of each that is needed."""
    return [seen.mended(list(living), now).version for now in times]


# Who tends the tree.

def test_a_seed_begins_alone_and_takes_newer_trees_only():
    seen = tending()
    assert seen.tree == ThreadedTree.alone(A)
    assert seen.adopt(HALVES, 5.0) and seen.tree is HALVES
    for older in HALVES, ThreadedTree.alone(C), HALVES._replace(starts=((0, A),)):
        assert not seen.adopt(older, 9.0) and seen.tree is HALVES
    assert seen.quiet_since == 5.0, "what is old moves no row"
    assert seen.adopt(HALVES._replace(author=B), 9.0), "of two with one version the author decides"


@pytest.mark.parametrize("own, living, tends", [
    (A, [A, B], True), (B, [A, B], False), (B, [B, C], True), (A, [C, A], False), (C, [C, A], True),
    (A, [A], True)])
def test_the_first_living_seed_of_the_config_tends_whatever_its_address(own, living, tends):
    tree = tending(own).mended(living, 20.0)
    assert set(tree.seeds()) == (set(living) if tends else {own}) and tree.author == own


@pytest.mark.parametrize("now, tends", [(19.9, False), (20.0, True)])
def test_a_seed_tends_once_it_was_up_for_two_periods_without_pause(now, tends):
    seen, paused = tending(), tending()
    paused.look(50.0, late=2.1 * PERIOD)
    for one, since in (seen, 0.0), (paused, 50.0), (tending(now=7.0), 7.0):
        assert one.is_awake(now + since) is tends
        assert (B in one.mended([A, B], now + since)) is tends


def test_a_newcomer_takes_half_of_the_rows_of_the_most_loaded_seed():
    seen = tending(tree=HALVES)
    seen.told(A, LIGHT, 1.0)
    seen.told(B, HEAVY._replace(keys=tuple((1 << 95) + key for key in HEAVY.keys)), 1.0)
    assert seen.loads()[A] == LIGHT
    first, _ = seen.mended([A, B, C], 20.0).interval(C)
    assert first == pytest.approx((1 << 95) + (8 << 90), rel=1e-9)
    seen.told(A, HEAVY, 2.0)
    seen.told(B, LIGHT, 2.0)
    first, _ = seen.mended([A, B, C], 20.0).interval(C)
    assert first == pytest.approx(8 << 90, rel=1e-9), "the last word counts"


# When the keys are cut anew.

def uneven(seeds=(A, B), at: float = 0.0) -> Tending:
    seen = tending()
    seen.adopt(HALVES, at)
    for seed in seeds:
        seen.told(seed, HEAVY if seed == A else LIGHT, 1.0)
    return seen


def test_the_keys_are_cut_anew_when_the_loads_are_uneven_for_three_periods():
    seen = uneven()
    assert versions(seen, (30.0, 40.0)) == [1, 1]
    seen.told(B, Load(380, ()), 45.0)
    assert versions(seen, (50.0,)) == [1], "nothing is uneven: counting begins anew"
    seen.told(B, LIGHT, 55.0)
    assert versions(seen, (60.0, 70.0)) == [1, 1]
    cut = seen.mended([A, B], 80.0)
    assert cut.version == 2 and cut.interval(A)[1] < HALVES.interval(A)[1] and cut.author == A


def test_loads_count_two_periods_after_the_tree_has_changed():
    for at in 0.0, 50.0:
        times = [at + after for after in (17.0, 18.0, 19.9, 20.0, 21.0, 22.0)]
        assert versions(uneven(at=at), times) == [1, 1, 1, 1, 1, 2]


def test_a_new_tree_begins_the_count_anew_and_what_was_told_stays():
    seen = uneven()
    assert versions(seen, (20.0, 30.0)) == [1, 1]
    seen.adopt(ThreadedTree(2, B, HALVES.starts), 31.0)
    assert versions(seen, (51.0, 61.0, 71.0)) == [2, 2, 3]


def test_while_a_seed_joins_nothing_is_cut():
    seen = uneven(seeds=(A, B, C))
    assert versions(seen, (20.0, 30.0)) == [1, 1]
    assert versions(seen, (40.0,), living=(A, B, C)) == [2], "C joins, which is no cut"
    assert versions(seen, (50.0, 60.0, 70.0)) == [1, 1, 2]


def test_between_two_cuts_are_twelve_periods_though_loads_stay_uneven():
    """Few heavy subjects never lie evenly."""
    seen, cuts = uneven(), []
    for now in range(30, 400, 10):
        tree = seen.mended([A, B], float(now))
        if tree is not seen.tree:
            cuts.append(now)
            seen.adopt(tree, float(now))
    assert cuts == [50, 170, 290]


# Late rows.

def test_rows_may_be_late_after_a_seed_has_come_or_gone_and_shortly_after_a_recut():
    seen, recut = tending(tree=HALVES), HALVES._replace(version=HALVES.version + 1)
    assert seen.adopt(recut, 100.0) and seen.quiet_since == 100.0 - RECUT_AGE * PERIOD
    assert seen.adopt(ThreadedTree(9, A, ((0, A),)), 101.0) and seen.quiet_since == 101.0

def quiet(seen: Tending, *steps) -> float:
    for step, *arguments in steps:
        getattr(seen, step)(*arguments)
    return seen.quiet_since


@pytest.mark.parametrize("came_at, who, now, is_silent", [
    (0.0, B, 25.9, False), (0.0, B, 26.0, False), (0.0, B, 26.1, True),
    (50.0, C, 75.0, False), (50.0, C, 75.1, True)])
def test_rows_are_late_while_another_seed_of_the_tree_is_silent(came_at, who, now, is_silent):
    """One that has not told its load yet is silent some time after the tree came."""
    seen = tending()
    seen.adopt(HALVES, came_at)
    seen.told(who, LIGHT, 1.0)
    assert seen.look(now) is is_silent and seen.quiet_since == (now if is_silent else came_at)
    seen.told(B, LIGHT, now)
    assert not seen.look(now + 1.0), "nor is this seed to itself, nor C outside of the tree"


def test_rows_are_late_when_the_tree_has_changed_or_this_seed_is_late_or_stood_still():
    assert quiet(tending(now=3.0)) == 3.0, "or has just begun"
    assert quiet(tending(), ("adopt", HALVES, 9.0)) == 9.0
    assert quiet(tending(), ("look", 9.0, 0.16 * PERIOD)) == 9.0
    assert quiet(tending(), ("look", 9.0, 2.1 * PERIOD)) == 9.0
    assert quiet(tending(), ("look", 9.0, 0.16 * PERIOD), ("told", B, LIGHT, 11.0),
                 ("look", 12.0)) == 9.0
    assert not tending().is_awake(15.0)
    late = tending()
    late.look(9.0, is_late=True)
    assert late.is_awake(20.0), "who is a little late goes on tending"
