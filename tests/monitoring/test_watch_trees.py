"""What neighbours owe a peer that spreads along trees, and what it says of them."""

import pytest

from gossip.monitoring.watch import ENOUGH
from tests.tools.watching import SETTLE, YOUNG, Watched, lines

RUN, OTHER = b"127.0.0.1:5000:1", b"127.0.0.1:5001:1"


@pytest.fixture
def watched():
    """A watch of a peer in a tree, with four neighbours."""
    return Watched(4, spread="tree")


def pick(watched):
    """The neighbour that is reported with all messages, and one that is not."""
    links = sorted(watched.links, key=watched.watch._rank)
    return links[0], links[1]


@pytest.mark.parametrize("pruned_at", [YOUNG - 0.1, YOUNG + 0.1])
def test_a_neighbour_owes_nothing_of_a_run_that_it_was_told_not_to_push(watched, pruned_at):
    one, other = pick(watched)
    for at in sorted([YOUNG, pruned_at]):
        if at == YOUNG:
            watched.watch.fresh(lines(4), None, YOUNG, owed=True)
            watched.watch.fresh(lines(3, run=OTHER), None, YOUNG, owed=True)
        else:
            watched.watch.excused(one, [RUN])
            watched.watch.excused(other, [RUN])
    watched.settle(6.0)
    counted = watched.counted()
    assert counted[other.peer.port] == (3, 3, 0, 0, 0)
    assert counted[one.peer.port] == (7, 3, 0, 0, 0)  # so that seeds know how many there were


def test_after_a_graft_a_neighbour_owes_the_run_once_it_has_answered_a_later_request(watched):
    _, other = pick(watched)
    watched.watch.excused(other, [RUN])
    asked = watched.ask(other, 9.9)
    watched.watch.owes_again(other, [RUN], 10.0)
    watched.reply(other, asked, 10.1)  # this request left before
    watched.answer(other, 11.0)
    for at, kind in ((10.5, "a"), (11.0 + SETTLE - 0.1, "b"), (11.0 + SETTLE, "c")):
        watched.watch.fresh(lines(4, kind), None, at, owed=True)
    watched.settle(20.0)
    assert watched.counted()[other.peer.port] == (4, 4, 0, 0, 0)
    assert not watched.watch._rows[other].excused  # runs come and go, and this must not grow


def test_a_neighbour_is_excused_from_a_run_only_while_it_owes_enough_others(watched):
    watch, link = watched.watch, watched.links[0]
    assert not watch.may_excuse(link, RUN)  # nobody knows yet how much it will owe
    watched.bring(watched.links[1], lines(ENOUGH), YOUNG)
    watched.bring(watched.links[1], lines(3, run=OTHER), YOUNG)
    watched.counted()
    assert not watch.may_excuse(link, RUN) and watch.may_excuse(link, OTHER)
    watch.excused(link, [OTHER])
    watch.excused(link, [OTHER])
    assert watch.may_excuse(link, b"127.0.0.1:5002:1") and not watch.may_excuse(link, RUN)
