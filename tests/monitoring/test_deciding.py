"""Deciding: what a seed tells other seeds."""

import pytest

from gossip.monitoring import deciding as deciding_module
from gossip.monitoring import grammar
from gossip.monitoring.verdicts import evaluate
from tests.tools.fakes import peer
from tests.tools.rows import PERIOD, said
from tests.tools.seats import A, B, C, D, E, S, Seat, against, denied_by


@pytest.fixture
def seat():
    return Seat()


# What a seed tells the others.

def test_each_period_all_seeds_are_told_what_was_found(seat):
    seat.keeping.judge(S, against(S, honest=[A, B, C]))
    seat.keeping.judge(D, against(D, A, B))
    assert seat.turn() == [grammar.Verdicts(120, ((S, 0.0),), (), ())]
    seat.keeping.judge(D, against(D, A, B, C, corrupt=5))
    assert seat.turn()[0].judged == ((S, 0.0), (D, 0.2))


def test_void_reporters_and_unconfirmed_neighbours_are_told(seat):
    rows = [said(A, E, age, expected=5) for age in (0.5, 1.5, 2.5, 3.5)]
    seat.keeping.judge(A, rows)
    seat.turn()
    seat.keeping.judged.clear()
    rows += [row for other in (B, C, D) for row in against(other, A)]
    seat.keeping.judge(A, rows)
    seat.hear(judged=[(B, 0.0), (C, 0.0), (D, 0.0)])
    told, = seat.turn()
    assert told.void == (A,) and told.unconfirmed == ((A, E),)


def test_what_was_found_is_told_for_three_periods_more_while_rows_move(seat):
    seat.keeping.judge(S, against(S, honest=[A, B, C]))
    seat.keeping.judge(A, against(A, honest=[S, B, C]) + denied_by(A, S, B, C))
    seat.hear(judged=[(B, 0.0), (C, 0.0)])
    assert seat.turn()[0].void == (A,)
    seat.keeping.judged.clear()
    seat.node.clock += 2.9 * PERIOD
    [told] = seat.turn()
    assert told.void == (A,) and told.judged == ((S, 0.0), (A, 0.0))
    seat.node.clock += 0.2 * PERIOD
    assert seat.turn() == [grammar.Verdicts(0, (), (), ())]


def test_a_void_reporter_whose_rows_have_moved_away_does_not_count_meanwhile(seat):
    seat.keeping.judge(A, against(A, honest=[S, B, C]) + denied_by(A, S, B, C))
    seat.hear(judged=[(S, 0.0), (B, 0.0), (C, 0.0)])
    seat.turn()
    seat.keeping.judged.clear()
    seat.keeping.judge(S, against(S, A, B, honest=[C]))
    assert dict(seat.turn()[0].judged)[S] == 0.0


def test_a_seed_without_subjects_tells_that_it_has_nothing_to_tell(seat):
    assert seat.turn() == [grammar.Verdicts(0, (), (), ())]


def test_much_is_told_in_several_lines(seat, monkeypatch):
    monkeypatch.setattr(grammar, "JUDGED_LIMIT", 2)
    for subject in (A, B, C, D, E):
        seat.keeping.judge(subject, against(subject, honest=map(peer, (6000, 6001, 6002))))
    told = seat.turn()
    assert [[subject for subject, _ in line.judged] for line in told] == [[A, B], [C, D], [E]]
    assert all(line.known == 120 for line in told)


@pytest.mark.parametrize("count", [1, 700, 2_000])
def test_every_line_of_verdicts_can_be_read(seat, count, monkeypatch):
    """As each part of a line has a limit, and the line one too."""
    monkeypatch.setattr(deciding_module, "SUBJECTS", count)
    for port in range(10_000, 10_000 + count):
        seat.keeping.judge(peer(port), [said(peer(port), E, age, expected=5)
                                        for age in (0.5, 1.5, 2.5, 3.5)])
    seat.turn()
    told = seat.turn()
    assert sum(len(line.unconfirmed) for line in told) == count


# What a seed is told.

def test_lines_that_come_together_count_together(seat):
    seat.keeping.judge(S, against(S, A, B, C, D, corrupt=5, honest=[E, peer(6000), peer(6001)]))
    seat.hear(void=[A])
    seat.hear(void=[B])
    seat.hear(peer(4001), void=[C])
    assert seat.turn()[0].judged == ((S, 0.0),)


@pytest.mark.parametrize("later, void", [(-0.1, {A, B}), (0.0, {B})])
def test_what_a_seed_tells_half_a_period_later_takes_the_place_of_what_it_told(
        seat, monkeypatch, later, void):
    seat.hear(void=[A])
    seat.node.clock += PERIOD / 2 + later
    seat.hear(void=[B])
    assert heard(seat, monkeypatch) == [grammar.Verdicts(0, (), tuple(sorted(void)), ())]


@pytest.mark.parametrize("later, count", [(-0.1, 2), (0.0, 1)])
def test_what_a_seed_told_three_periods_ago_does_not_count(seat, monkeypatch, later, count):
    seat.hear(known=1)
    seat.node.clock += PERIOD
    seat.hear(peer(4001), known=2)
    seat.node.clock += 2 * PERIOD + later
    assert [message.known for message in heard(seat, monkeypatch)] == [1, 2][-count:]


def heard(seat, monkeypatch):
    """What counts in a turn of all that other seeds have told."""
    others = []
    monkeypatch.setattr(deciding_module, "evaluate", lambda cases, told, void_before: (
        others.extend(told[1:]), evaluate(cases, told, void_before))[1])
    seat.turn()
    return others
