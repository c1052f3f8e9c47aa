"""Rows under accidents, in virtual time: once it is quiet, each is held exactly once."""

import pytest

from gossip.monitoring import grammar, keeping
from gossip.monitoring.threaded_tree import ThreadedTree
from tests.tools import keepers
from tests.tools.keepers import PERIOD, Keepers, play

TOGETHER = 10  # schedules of one test


@pytest.mark.parametrize("first", range(0, 10, TOGETHER))
def test_no_row_is_lost_or_double_after_accidents(first):
    assert [play(number) for number in range(first, first + TOGETHER)] == [[]] * TOGETHER


@pytest.mark.slow
@pytest.mark.parametrize("first", range(10, 600, TOGETHER))
def test_no_row_is_lost_or_double_after_more_accidents(first):
    assert [play(number) for number in range(first, first + TOGETHER)] == [[]] * TOGETHER


def test_the_check_sees_rows_that_are_lost_and_rows_that_are_double():
    network = Keepers(1, 3)
    network.run(8 * PERIOD)
    network.wait_for_quiet()
    assert network.faults() == []
    one, other = [seed.keeping._held for seed in network.seeds()[:2]]
    row = next(row for row in one.all() if network.time.now - row.at > PERIOD * 2)
    other.file([row], network.time.now)
    assert any(fault.startswith("double") for fault in network.faults())
    for table in (one, other):
        table.forget(row.subject)
    assert any(fault.startswith("lost") for fault in network.faults())


def test_a_seed_that_came_back_unnoticed_has_its_rows_again(monkeypatch):
    monkeypatch.setattr(ThreadedTree, "too_uneven", lambda tree, loads: False)
    network = Keepers(5, 3)
    network.run(8 * PERIOD)
    network.wait_for_quiet()
    tree = network.seeds()[0].keeping.tree
    network.note("killed")
    network.kill(network.addresses[1], network.time.now + PERIOD / 2)
    network.run(3 * PERIOD)
    assert network.seeds()[0].keeping.tree == tree, "it was noticed"
    network.wait_for_quiet()
    assert network.faults() == []


def test_two_halves_that_were_cut_apart_agree_again():
    network = Keepers(6, 5)
    network.run(8 * PERIOD)
    side = frozenset(network.addresses[:2])
    network.network.cut(side)
    network.run(8 * PERIOD)
    halves = {frozenset(seed.keeping.tree.seeds()) for seed in network.seeds()}
    assert halves == {side, frozenset(network.addresses[2:])}
    network.mend(side)
    network.wait_for_quiet()
    assert network.faults() == []


def test_a_newcomer_takes_a_share():
    network = Keepers(7, 4, up=3)
    network.run(8 * PERIOD)
    network.start(network.addresses[3], 0)
    network.wait_for_quiet()
    assert network.faults() == []
    assert network.seeds()[3].keeping._held.count() > 0


def test_peers_keep_as_many_reports_as_seeds_expect():
    assert (keepers.KEPT, keepers.WINDOW) == (grammar.REPORTS_KEPT, keeping.WINDOW) == (6, 12)
