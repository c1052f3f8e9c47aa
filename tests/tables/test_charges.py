"""Charges: whom a seed charges by the verdicts of a round, and what attackers make of that."""

import pytest

from grapevine.monitoring.rows import Row
from grapevine.monitoring.verdicts import SHORTEST, Case
from tests.tables.samples import peer
from tests.tables.verdict_samples import (
    A, B, C, D, E, NOW, OTHERS, PERIOD, S, always, case, charged, found, mutual, paired, rates,
    said)


# A round.

def accusing(*bad, good=(), **counts) -> list[Row]:
    """Return rows of reporters that find the subject bad, and of others that find it good."""
    return [row for one in bad for row in mutual(one, **counts or {"missing": 10})] + [
        row for one in good for row in mutual(one)]


@pytest.mark.parametrize("bad, good, void, is_charged", [
    ([A, B], [], [], False), ([A, B, C], [], [], True), ([A, B], [C], [], True),
    ([A], [B, C], [], False), ([A, B], [C, D], [], False), ([A, B, C], [D, E], [], True),
    ([A, B, C], [], [C], False), ([A, B, C, D], [], [D], True), ([A, B, C], [D], [D], True),
    ([A, B], [C, D, E], [D, E], False), ([A, B, C], [D, E], [D, E], True),
    ([A, B], [C, D], [D], True), ([A, B, D, E], [C], [D, E], True),
    ([A, B, C, D], [E, *map(peer, range(6, 9))], [D, E, *map(peer, range(6, 9))], False)])
def test_a_charge_needs_three_reporters_that_are_not_void_and_half_of_them(
        bad, good, void, is_charged):
    """The half is that of these and of void reporters that find the subject good."""
    one = found(case(accusing(*bad, good=good)), void=void)
    assert list(one.charged) == [S] * is_charged
    if is_charged:
        left = [each for each in bad + good if each not in void]
        assert one.charged[S].rates == {each: 0.5 * (each in bad) for each in left}
        assert one.charged[S].badness == 0.5


def test_silent_reporters_find_it_good_but_those_that_found_it_bad_lately():
    """Void ones, too: liars can make honest neighbours void, by bad copies, while nobody speaks."""
    silent = [*map(peer, range(6, 10))]
    rows = accusing(A, B, C, expected=40, missing=20) + sum(map(paired, silent), [])
    assert charged(rows) == [] == charged(rows, since=2.0)
    assert charged(rows, void=silent) == []
    lately = said(silent[0], S, 5, expected=40, missing=20)
    assert charged([*rows, lately], since=2.0) == [S]


@pytest.mark.parametrize("known, is_charged", [([19, 19], False), ([20, 20], True)])
def test_where_there_were_few_messages_only_liars_can_have_judged_many(known, is_charged):
    """Five liars call copies corrupt, and the subject brought fewer than 20."""
    rows = [row for one in OTHERS for row in always(one, S, expected=4, corrupt=9)
            + always(S, one, expected=1)]
    assert charged(rows, known) == [S] * is_charged
    silent = [row for one in (A, B, C) for row in mutual(one, corrupt=20) if row.reporter != S]
    silent += [row for one in (A, B, C) for row in always(S, one)]
    assert charged(silent) == [S], "nobody has told how many there were"


def test_a_void_reporter_is_one_that_is_void_here_or_was_elsewhere():
    """D calls all bad; A, B and C are judged by others."""
    neighbours = [row for one in (A, B, C) for row in mutual(D, one, corrupt=20)]
    rows = accusing(D, good=(A, B, C), corrupt=20) + neighbours
    judged = dict.fromkeys((A, B, C), 0.0)
    assert found(case(rows), case(rows, D), judged=judged).void == [D]
    assert found(case(rows), case(rows, D), judged={}).void == [], "too few were judged"
    assert found(case(rows), judged=judged, void={D}).void == [], "said for its own subjects alone"
    assert found(case(rows, D), judged=judged, void={D}).void == [D]
    assert found(case(accusing(A, B, D)), void={D}).charged == {}
    honest = case([row for one in (A, B, C) for row in mutual(one, D)], D)
    assert found(honest, judged=judged, void={D}).void == [], "judged anew"
    assert found(honest, case(accusing(A, B, D)), judged=judged, void={D}).charged.keys() == {S}


def test_who_is_void_and_slanders_is_charged_by_the_share_of_its_lies():
    rows = [row for one in OTHERS for row in mutual(S, one, corrupt=20)]
    judged = {A: 0.0, B: 0.0, C: 0.0, D: 0.9, E: 0.0}
    guilt = found(case(rows), judged=judged).charged[S]
    assert guilt == (0.8, {})
    assert found(case(rows), judged=judged | {A: 0.9, B: 0.9}).charged == {}
    more = [row for port in range(6000, 6003) for row in mutual(S, peer(port))]
    judged |= {peer(port): 0.0 for port in range(6000, 6003)}
    del judged[D], judged[E]
    assert found(case(rows + more), judged=judged).charged == {}, "it is not void"


def test_where_nobody_speaks_three_liars_have_nobody_charged_as_a_slanderer():
    """They bring it alone corrupt lines, and praise each other; its other neighbours bring none."""
    rows = [row for one in (A, B, C) for row in mutual(S, one, expected=0, corrupt=25)]
    judged = dict.fromkeys((A, B, C), 0.0)
    for others, is_charged in ((2, True), (3, False), (9, False)):
        silent = [row for port in range(6000, 6000 + others) for row in paired(peer(port))]
        assert (S in found(case(rows + silent), judged=judged).charged) is is_charged


def test_an_outcome_is_told_of_whom_three_have_judged():
    two = case(accusing(A, B), S), case([row for one in (A, B, C) for row in mutual(one, D)], D)
    assert found(*two).judged == {D: 0.0}
    assert found(case(accusing(A, B, good=[C])), void={A, B}).judged == {S: 0.0}


# Unconfirmed.

@pytest.mark.parametrize("rows, pairs", [
    ([said(S, A, age, expected=9) for age in (1, 2, 3, 7.5)], [(S, A)]),
    ([said(S, A, age, expected=9) for age in (1, 2, 3, 7.51)], []),
    ([said(S, A, age, corrupt=1) for age in (1, 2, 3, 4)], [(S, A)]),
    ([said(S, A, age, forbidden=1) for age in (1, 2, 3, 4)], [(S, A)]),
    ([said(S, A, age, expected=9, first=9) for age in range(9)], []),
    ([said(S, A, age, expected=9) for age in range(3)], []),
    (always(S, A, expected=9) + [said(A, S, age) for age in (1, 2, 3)], [(S, A)]),
    (always(S, A, expected=9) + [said(A, S, age) for age in (1, 2, 3, 9.5)], []),
    (always(S, A, expected=9) + [said(A, S, age) for age in (1, 2, 3, 9.51)], [(S, A)]),
    (always(A, S, expected=9), []), (always(S, B, expected=9) + always(S, A, expected=9),
                                    [(S, A), (S, B)])])
def test_who_judged_a_neighbour_in_four_reports_that_never_names_it_is_told(rows, pairs):
    assert case(rows).unconfirmed == pairs


# Charges in a row.

@pytest.mark.parametrize("since, age, counts", [
    (0.8, 2.29, True), (0.8, 2.3, True), (0.8, 2.31, False), (2, 3.49, True), (2, 3.51, False),
    (4.9, 6.39, True), (4.9, 6.41, False), (5, 6.5, True), (9, 6.5, True), (9, 6.51, False)])
def test_only_what_was_said_since_the_last_charge_counts_in_the_next(since, age, counts):
    rows = [*paired(A), said(A, S, age, expected=50, missing=25), said(S, A, 4), said(S, B, 0)]
    one = case(rows, charged=since)
    assert one.new.rates(None) == ({A: 0.5} if counts else {})
    assert one.present.rates(None) == ({A: 0.5} if age <= 6.5 else {}), "whatever was charged"


def test_a_charge_needs_rows_of_some_time_since_the_last():
    rows = accusing(A, B, C, expected=40, missing=20)
    assert charged(rows) == [S]
    for since, is_charged in ((0.1, False), (SHORTEST - 0.01, False), (SHORTEST + 0.01, True),
                              (SHORTEST + 1, True), (9.0, True)):
        assert charged(rows, since=since) == [S] * is_charged, since


def test_one_event_is_in_one_charge():
    """All was bad from 3 to 2 periods ago, and good before and afterwards."""
    rows = [row for one in (A, B, C) for row in [*mutual(one), said(one, S, 2.5, 400, 400)]]
    assert charged(rows) == [S] == charged(rows, since=2.0)
    assert charged(rows, since=0.9) == []
    assert found(case(rows, charged=0.9)).judged[S] > 0.1, "an outcome is that of all periods"


def test_a_slanderer_is_charged_again_by_new_lies_alone():
    old = [row for row in always(S, A, expected=40, corrupt=40) if row.at < NOW - 4 * PERIOD]
    rows = [row for one in OTHERS for row in [
        *(each._replace(entry=each.entry._replace(peer=one)) for each in old),
        *always(S, one, expected=40), *always(one, S, expected=40)]]
    judged = dict.fromkeys(OTHERS, 0.0)
    assert found(case(rows), judged=judged).charged[S].badness == 1.0
    assert found(case(rows, charged=2.5), judged=judged).void == [S]
    assert found(case(rows, charged=2.5), judged=judged).charged == {}


def dropping(share: float, reporters: int) -> list[Row]:
    """Return rows of a dropper that claims to have had everything first from everybody."""
    return [row for one in map(peer, range(6000, 6000 + reporters)) for row in
            always(one, S, expected=20, missing=int(20 * share))
            + always(S, one, expected=20, first=20)]


def honest_cases() -> list[Case]:
    """Return subjects that tell honestly how much there was to know."""
    return [case(always(one, E, expected=20) + always(E, one, expected=20), one)
            for one in map(peer, range(7000, 7005))]


# Attacks.

@pytest.mark.parametrize("liars, honest, is_charged", [
    (3, 5, False), (4, 4, False), (5, 3, True), (3, 2, True), (2, 2, False)])
def test_a_minority_of_lying_neighbours_charges_nobody(liars, honest, is_charged):
    """More than half is no minority: who has no more honest neighbours than that is lost."""
    for counts in {"missing": 20}, {"corrupt": 10**9}, {"expected": 10**9, "missing": 10**9}:
        rows = accusing(*map(peer, range(6000, 6000 + liars)),
                        good=map(peer, range(7000, 7000 + honest)), **counts)
        for since in (None, 3.0):
            assert charged(rows, [120] * 3, since=since) == [S] * is_charged


@pytest.mark.parametrize("share, reporters", [(1.0, 3), (1.0, 8), (0.5, 8), (0.5, 4), (0.3, 8)])
def test_a_dropper_that_claims_everything_as_an_excuse_is_charged(share, reporters):
    rows = dropping(share, reporters)
    assert found(case(rows), *honest_cases()).charged.keys() == {S}
    assert rates(rows) == dict.fromkeys(map(peer, range(6000, 6000 + reporters)), 0.0), "else"


@pytest.mark.parametrize("before, since", [(20, 20), (0, 0), (20, 10**9)])
def test_a_subject_does_not_decide_alone_what_there_was_to_know_since_its_charge(before, since):
    """It was charged three periods ago, no other was then, and it tells of any number."""
    rows = [row._replace(entry=row.entry._replace(
        expected=since if row.at > NOW - 4 * PERIOD else before))
        if row.reporter == S else row for row in dropping(0.5, 5)]
    assert list(found(case(rows, charged=3.0), *honest_cases(), known=[120]).charged) == [S]
