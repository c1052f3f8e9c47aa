"""Which seeds live, who is the keeper, and the tree as it ought to be."""

import pytest

from gossip.monitoring import grammar
from gossip.monitoring.other_seeds import Tending
from gossip.monitoring.threaded_tree import ThreadedTree, first_key, last_key
from tests.tools.fakes import peer

A, B, C = map(peer, (4000, 4001, 4002))
PERIOD = 10.0
NONE = grammar.Load(0, ())


class Seen:
    """A seed and when it has heard the others."""

    def __init__(self, own=A, seeds=(A, B, C)):
        self.heard = {}
        self.tending = Tending(own, list(seeds), PERIOD, self.when, 0.0)

    def when(self, seed):
        return self.heard.get(seed, float("-inf"))

    def turns(self, until, heard=()):
        """Turns once a period; in each the others have been heard."""
        for number in range(1, int(until / PERIOD) + 1):
            self.heard.update(dict.fromkeys(heard, number * PERIOD))
            self.tending.turn(number * PERIOD)
        return self.tending


def test_a_seed_lives_for_three_periods_after_its_last_word():
    seen = Seen()
    seen.heard[B] = 100.0
    assert seen.tending.is_living(B, 129.9) and not seen.tending.is_living(B, 130.0)
    assert not seen.tending.is_living(C, 0.0) and seen.tending.is_living(A, 1e6)


def test_the_keeper_is_the_first_living_seed_of_the_config_whatever_its_address():
    assert Seen(own=C, seeds=(C, A)).turns(30, heard=[A]).is_keeper(30.0)
    assert not Seen(own=A, seeds=(C, A)).turns(30, heard=[C]).is_keeper(30.0)
    assert Seen(own=A, seeds=(C, A)).turns(30).is_keeper(30.0)


def test_a_seed_that_has_just_begun_is_no_keeper_unless_it_is_the_only_one():
    assert not Seen().turns(10).is_keeper(19.9)
    assert Seen().turns(20).is_keeper(20.0)
    assert Seen(seeds=(A,)).tending.is_keeper(0.0)


def test_a_seed_that_stood_still_is_no_keeper_and_decides_about_nobody_for_two_periods():
    tending = Seen().turns(50)
    assert tending.is_keeper(50.0) and tending.decides(B, 50.0)
    tending.turn(71.0)
    assert not tending.is_keeper(71.0) and not tending.decides(B, 71.0)
    tending.turn(81.0)
    assert not tending.is_keeper(90.9)
    assert tending.is_keeper(91.0) and tending.decides(B, 91.0)


def test_a_subject_that_came_with_a_new_tree_is_decided_about_after_two_periods():
    tending = Seen().turns(50)
    key = first_key(B)
    away = ThreadedTree(1, A, ((0, C), (key + 1, A)))
    back = ThreadedTree(2, A, ((0, A), (key + 1, C)))
    tending.took(away, 51.0)
    assert not tending.decides(B, 52.0)
    tending.took(back, 55.0)
    tending.said(C, back)
    tending.told(C, NONE, 56.0)
    tending.turn(60.0)
    tending.turn(70.0)
    assert not tending.decides(B, 70.0)
    tending.turn(80.0)
    assert tending.decides(B, 80.0)


def test_a_cut_that_moves_no_row_of_a_subject_puts_off_no_verdict_about_it():
    tending = Seen().turns(50)
    first = ThreadedTree(1, A, ((0, A), (last_key(B) + 1, C)))
    tending.took(first, 51.0)
    assert not tending.decides(B, 52.0), "C thought itself alone before"
    settle(tending, first, 52.0)
    assert tending.decides(B, 80.0)
    tending.took(ThreadedTree(2, A, ((0, A), (last_key(B) + 2, C))), 81.0)
    assert tending.decides(B, 82.0)


@pytest.mark.parametrize("start", [first_key(B) + 1, last_key(B)])
def test_a_subject_is_decided_about_later_when_the_cut_before_or_now_goes_through_its_rows(start):
    tending = Seen().turns(50)
    whole = ThreadedTree(1, A, ((0, A), (last_key(B) + 1, C)))
    tending.took(whole, 51.0)
    settle(tending, whole, 52.0)
    parted = ThreadedTree(2, A, ((0, A), (start, C)))
    tending.took(parted, 81.0)
    assert not tending.decides(B, 82.0), "rows have left"
    settle(tending, parted, 82.0)
    assert tending.decides(B, 110.0)
    tending.took(ThreadedTree(3, A, whole.starts), 111.0)
    assert not tending.decides(B, 112.0), "rows come back"


def test_a_cut_is_remembered_until_all_have_told_their_load_however_long_that_takes():
    tending = Seen().turns(50)
    away = ThreadedTree(1, A, ((0, C), (last_key(B) + 1, A)))
    back = ThreadedTree(2, A, ((0, A), (last_key(B) + 1, C)))
    tending.took(away, 51.0)
    settle(tending, away, 52.0)
    tending.took(back, 81.0)
    for now in range(90, 200, 10):
        tending.turn(now)
    assert not tending.decides(B, 200.0)


def settle(tending, tree, now):
    """C tells its load under a tree, and three periods pass."""
    tending.said(C, tree)
    tending.told(C, NONE, now)
    for number in range(3):
        tending.turn(now + number * PERIOD)


def test_the_tree_is_mended_until_it_holds_the_living_seeds():
    tending = Seen().turns(30, heard=[B])
    tree = tending.mended(ThreadedTree.alone(C), NONE, 30.0)
    assert set(tree.seeds()) == {A, B}
    assert tending.mended(tree, NONE, 30.0) is tree


def test_the_keys_are_cut_anew_when_the_loads_are_uneven_for_three_periods():
    tending = Seen(seeds=(A, B)).turns(50, heard=[B])
    tree = ThreadedTree(1, A, ((0, A), (1 << 95, B)))
    own = grammar.Load(400, tuple(number << 90 for number in range(1, 16)))
    tending.took(tree, 40.0)
    tending.told(B, grammar.Load(100, ()), 50.0)
    assert tending.mended(tree, own, 50.0) is tree
    assert tending.mended(tree, own, 60.0) is tree
    tending.told(B, grammar.Load(380, ()), 60.0)
    assert tending.mended(tree, own, 65.0) is tree, "nothing is uneven: counting begins anew"
    tending.told(B, grammar.Load(100, ()), 65.0)
    assert tending.mended(tree, own, 66.0) is tree and tending.mended(tree, own, 67.0) is tree
    cut = tending.mended(tree, own, 68.0)
    assert cut.version == 2 and cut.interval(A)[1] < tree.interval(A)[1]
    assert tending.mended(tree, own, 69.0) is tree, "and counting begins anew"


def test_loads_count_only_if_they_were_told_since_rows_have_moved():
    tending = Seen(seeds=(A, B)).turns(50, heard=[B])
    tree = ThreadedTree(1, A, ((0, A), (1 << 95, B)))
    own = grammar.Load(400, tuple(number << 90 for number in range(1, 16)))
    tending.took(tree, 40.0)
    for told, now in ((None, 50.0), (49.9, 50.0), (50.0, 49.9)):
        if told is not None:
            tending.told(B, grammar.Load(100, ()), told)
        assert all(tending.mended(tree, own, now) is tree for _ in range(4)), (told, now)
    assert [tending.mended(tree, own, 50.0).version for _ in range(3)] == [1, 1, 2]


@pytest.mark.parametrize("gap, behind", [(19.0, 0.0), (21.0, 80.0)])
def test_rows_are_late_while_a_seed_of_the_tree_is_late_with_its_load(gap, behind):
    tending = Seen(seeds=(A, B)).tending
    tending.took(ThreadedTree(1, A, ((0, A), (1 << 95, B))), 0.0)
    told = [1.0, *(now + 1.0 for now in range(10, 60, 10)), 51.0 + gap + 10.0]
    for now in range(10, 100, 10):
        for at in told:
            if now - 10 < at <= now:
                tending.told(B, NONE, at)
        tending.turn(float(now))
    assert tending.behind == behind


def test_rows_are_late_when_this_seed_stood_still():
    tending = Seen(seeds=(A,)).turns(50)
    assert tending.behind == 0.0
    tending.turn(70.1)
    assert tending.behind == 70.1


def test_rows_are_late_when_this_seed_runs_late():
    tending = Seen(seeds=(A,)).turns(50)
    tending.turn(60.0, is_late=True)
    tending.turn(70.0)
    assert tending.behind == 60.0
