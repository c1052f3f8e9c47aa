"""Rounds of verdicts: who is guilty at one seed, and who never names a neighbour."""

import pytest

from gossip.monitoring.verdicts import evaluate
from tests.tools.fakes import peer
from tests.tools.rows import (
    A, B, C, D, E, NOW, OTHERS, PERIOD, S, always, case, mutual, said, told)


def accused_by(*accusers, honest=()):
    """Everyone of `accusers` says that S sends corrupt copies, the others are content."""
    return ([row for one in accusers for row in mutual(one, corrupt=20)]
            + [row for one in honest for row in mutual(one)])


def test_a_subject_is_guilty_that_is_bad_in_all_four_windows():
    found = evaluate([case(accused_by(A, B, honest=[C]))], [])
    assert found.judged == {S: 0.5}
    assert found.guilty == {S: (0.5, {A: 0.5, B: 0.5, C: 0.0})}


@pytest.mark.parametrize("newest, oldest", [(0, 4.5), (6.5, 12)], ids=["just begun", "stopped"])
def test_a_subject_is_not_guilty_that_is_not_bad_in_one_of_the_windows(newest, oldest):
    """All that is bad is too new for the oldest window, or too old for the newest."""
    rows = [row if newest < (NOW - row.at) / PERIOD <= oldest
            else row._replace(entry=row.entry._replace(corrupt=0)) for row in accused_by(A, B, C)]
    assert evaluate([case(rows)], []).guilty == {}


@pytest.mark.parametrize("expected", [1, 3, 4])
def test_three_that_claim_much_where_there_is_little_gossip_charge_nobody(expected):
    """Honest neighbours judge S by twenty messages at least, and so could not contradict."""
    rows = [row for one in (A, B, C) for row in
            always(one, S, expected=100, corrupt=100) + always(S, one, expected=expected)]
    for honest in D, E, *map(peer, range(6000, 6005)):
        rows += always(honest, S, expected=expected) + always(S, honest, expected=expected)
    assert evaluate([case(rows)], []).guilty == {}


def test_with_two_reporters_nobody_is_judged_or_charged():
    found = evaluate([case(accused_by(A, B))], [])
    assert found.judged == {} and found.guilty == {}


def test_void_reporters_of_this_seed_and_of_others_do_not_count():
    one = case(accused_by(A, B, honest=[C, D, E]))
    assert evaluate([one], []).judged == {S: 0.0}
    rows = accused_by(A, B, C, honest=[D, E])
    assert evaluate([case(rows)], []).judged == {S: 0.5}
    found = evaluate([case(rows)], [told(void=[A])])
    assert found.judged == {S: 0.0} and found.void == []


def test_the_rates_of_a_guilty_peer_are_those_that_counted():
    found = evaluate([case(accused_by(A, B, C, honest=[D]))], [told(void=[A])])
    assert found.guilty == {S: (0.5, {B: 0.5, C: 0.5, D: 0.0})}


def liar(corrupt=0, missing=0):
    """S says ill of A, B and C, and they are content with S."""
    return [row for other in (A, B, C)
            for row in always(S, other, expected=20, corrupt=corrupt, missing=missing)
            + always(other, S, expected=20)]


GOOD = told(judged={A: 0.0, B: 0.0, C: 0.0})


def test_a_void_peer_that_slanders_three_is_guilty_and_its_badness_is_the_share_of_its_lies():
    found = evaluate([case(liar(corrupt=20))], [GOOD])
    assert found.void == [S] and found.judged == {S: 0.0}
    assert found.guilty == {S: (1.0, {A: 0.0, B: 0.0, C: 0.0})}


def test_a_peer_that_only_misses_much_is_void_and_not_guilty():
    found = evaluate([case(liar(missing=20))], [GOOD])
    assert found.void == [S] and found.guilty == {}


def test_who_slanders_fewer_than_half_is_neither_void_nor_guilty():
    rows = liar(corrupt=20) + mutual(D) + mutual(E) + mutual(peer(5006))
    good = told(judged={other: 0.0 for other in (*OTHERS, peer(5006))})
    found = evaluate([case(rows)], [good])
    assert found.void == [] and found.guilty == {}


def test_an_outcome_of_this_round_counts_before_what_was_told_of_the_last():
    """A slanders S and B, and is right about C: the outcome about S comes from this seed."""
    rows = [row for other in (S, B, C) for row in always(A, other, expected=20, corrupt=20)
            + always(other, A, expected=20)] + mutual(B) + mutual(C) + mutual(D)
    cases = [case(rows, A), case(rows, S)]
    others = [told(judged={B: 0.0, C: 0.9, S: 0.9})]
    assert evaluate(cases, others).void == [A]


def test_voids_of_the_round_before_count_for_the_first_outcome_of_this_one():
    """Four of seven slander both S and A, and with that convince a seed that does not know them."""
    liars, honest = [peer(port) for port in range(6000, 6004)], [C, D, E]
    rows = [row for subject in (S, A) for one in liars for row in mutual(one, subject, corrupt=20)]
    rows += [row for subject in (S, A) for one in honest for row in mutual(one, subject)]
    rows += [row for one in liars for row in mutual(one, B, corrupt=20)]
    cases = [case(rows, subject) for subject in (S, A, *liars)]
    others = [told(judged={B: 0.0})]
    assert evaluate(cases, others).void == []
    found = evaluate(cases, others, void_before=liars)
    assert found.void == liars and found.judged[S] == 0.0


# Who never names a neighbour.

def naming(*ages, **counts):
    return [said(S, A, age, **{"expected": 5, **counts}) for age in ages]


@pytest.mark.parametrize("rows, unconfirmed", [
    (naming(0.5, 1.5, 2.5, 3.5), True), (naming(0.5, 1.5, 2.5, 7.6), False),
    (naming(1.3, 3.3, 5.3, 7.3) + naming(2.3, 4.3, 6.3, expected=0), True),  # replies are slow
    (naming(0.5, 1.5, 2.5), False),
    (naming(0.5, 1.5, 2.5, 3.5, expected=0), False),
    (naming(0.5, 1.5, 2.5, 3.5, expected=3, first=3), False),  # it came late, and may be frozen
    (naming(0.5, 1.5, 2.5, 3.5, expected=0, corrupt=3), True)])
def test_who_was_judged_four_times_and_is_silent_is_unconfirmed(rows, unconfirmed):
    assert case(rows).unconfirmed == ([(S, A)] if unconfirmed else [])
    assert evaluate([case(rows)], []).unconfirmed == case(rows).unconfirmed


@pytest.mark.parametrize("named, unconfirmed", [
    ((), True), ((9.4,), True), ((0.1, 1.1, 2.1), True), ((6.4, 7.4, 8.4, 9.4), False),
    ((6.4, 7.4, 8.4, 9.6), True), ((0.1, 1.1, 2.1, 3.1), False)])
def test_who_has_named_the_peer_in_four_reports_is_not_unconfirmed(named, unconfirmed):
    """Who names it less often is no pair with it, so that what the peer says does not count."""
    rows = naming(0.5, 1.5, 2.5, 3.5) + [said(A, S, age) for age in named]
    assert bool(case(rows).unconfirmed) == unconfirmed


def test_who_stood_still_has_named_the_peer_as_often_as_the_peer_has_judged_it():
    """It answers again, and so is judged again, when it reports again."""
    for frozen in range(1, 12):
        for since in range(8):
            ages = [age for age in range(24) if not since <= age < since + frozen]
            rows = naming(*(age + 0.5 for age in ages)) + [said(A, S, age + 0.6) for age in ages]
            assert case(rows).unconfirmed == []


def test_a_kicked_neighbour_is_not_unconfirmed_as_well():
    assert case(naming(0.5, 1.5, 2.5, 3.5), banned={A}).unconfirmed == []
