"""Verdicts: from what peers say of one another to badness, void reporters and slander."""

import pytest

from grapevine.monitoring.verdicts import LIES, Case, View, badness_of, false_share, slanders
from tests.tables.samples import peer
from tests.tables.verdict_samples import (
    A, B, C, D, E, OTHERS, S, always, case, charged, found, mutual, paired, rates, said)


# What counts in a window.

@pytest.mark.parametrize("last, age, counts", [
    (0, 1.49, False), (0, 1.5, False), (0, 1.51, True), (0, 6.49, True), (0, 6.5, True),
    (0, 6.51, False), (3, 2.99, False), (3, 3, False), (3, 3.01, True), (3, 6, True)])
def test_what_a_reporter_says_counts_from_six_and_a_half_periods_to_one_and_a_half(
        last, age, counts):
    """Or, of a peer that died, up to its last report."""
    rows = [*paired(A), said(A, S, age, expected=50, missing=25), said(S, A, 4), said(S, B, last)]
    assert rates(rows) == ({A: 0.5} if counts else {})


@pytest.mark.parametrize("age, counts", [
    (-0.01, False), (0, False), (0.01, True), (8, True), (12.0, True), (12.01, False)])
def test_what_the_subject_had_first_counts_from_twelve_periods_on(age, counts):
    rows = [*paired(A), said(A, S, 4, expected=50, missing=25), said(S, B, 0),
            said(S, A, age, expected=25, first=25)]
    assert rates(rows) == {A: 0.0 if counts else 0.5}


@pytest.mark.parametrize("by_reporter, by_subject, age, counts", [
    (4, 4, 0, True), (3, 4, 0, False), (4, 3, 0, False), (12, 1, 0, False), (4, 4, 6.74, True),
    (4, 4, 6.76, False)])
def test_two_peers_count_if_each_has_named_the_other_in_four_reports(by_reporter, by_subject, age,
                                                                     counts):
    """Who was a neighbour for a moment says nothing about a peer that counts."""
    rows = ([said(A, S, age + 2 + each / 4, expected=50, missing=25) for each in range(by_reporter)]
            + [said(S, A, age + 2 + each / 4) for each in range(by_subject)]
            + [said(A, S, 2, expected=50, missing=25)] * (age > 0) + [said(S, B, 0)])
    assert bool(rates(rows)) == counts


# The rate of one reporter.

@pytest.mark.parametrize("counts, rate", [
    ({}, 0.0), ({"corrupt": 20}, 0.5), ({"forbidden": 20}, 0.5),
    ({"corrupt": 10, "forbidden": 10}, 0.5), ({"missing": 5}, 0.25), ({"missing": 20}, 1.0),
    ({"missing": 10, "corrupt": 10}, 1.0), ({"missing": 4, "corrupt": 4}, 0.4),
    ({"missing": 20, "corrupt": 20}, 1.0), ({"expected": 0, "corrupt": 20}, 1.0),
    ({"missing": 5, "first": 1}, 0.13), ({"missing": 5, "first": 2}, 0.01),
    ({"missing": 5, "first": 5}, 0.0), ({"first": 5}, 0.0)])
def test_a_rate_is_the_share_of_bad_copies_and_of_missing_messages_less_those_had_first(
        counts, rate):
    for known in None, 9_999:
        assert rates(mutual(A, **counts), known) == {A: pytest.approx(rate)}


@pytest.mark.parametrize("expected, corrupt, counts", [
    (3, 0, False), (4, 0, True), (3, 1, True), (0, 4, True), (0, 3, False)])
def test_a_reporter_counts_when_it_has_judged_twenty_messages_or_copies(expected, corrupt, counts):
    assert bool(rates(mutual(A, expected=expected, corrupt=corrupt))) == counts


# All excuses together.

def test_claims_of_liars_take_nothing_from_the_excuse_of_an_honest_reporter():
    """Of 100 messages C brought S 30 first; A and B call as many missing as S says of each."""
    for expected, rate in (20, 0.7 - (110 - 30) / 200), (99, None):
        rows = mutual(C, missing=6, first=6) + [row for liar in (A, B) for row in mutual(
            liar, expected=expected, missing=14, first=14)]
        assert rates(rows, 100)[C] == 0.0
        assert rate is None or rates(rows, 100)[A] == pytest.approx(rate)


def test_the_excuses_that_are_largest_for_their_messages_are_cut():
    """B and D miss three fifths of 90 in each report, C a tenth, and A two fifths of 20."""
    rows = [row for one, expected, missing in [(A, 20, 8), (B, 90, 54), (C, 90, 9), (D, 90, 54)]
            for row in mutual(one, expected=expected, missing=missing, first=missing)]
    cut = pytest.approx(0.6 - 410 / 900)
    assert rates(rows, 10) == {A: 0.0, B: cut, C: 0.0, D: cut}


def test_liars_that_call_all_bad_use_up_no_excuse_of_the_honest():
    """Three of seven reporters lie, and brought S a fifth first each; D brought it two fifths."""
    liars, honest = list(map(peer, range(7000, 7003))), [D, *map(peer, range(7003, 7006))]
    rows = [row for liar in liars for row in mutual(
        liar, expected=10**9, missing=10**9, corrupt=10**9, first=4)]
    rows += mutual(D, missing=8, first=8) + [row for one in honest[1:] for row in mutual(one)]
    assert rates(rows, 120) == {**dict.fromkeys(liars, 1.0), **dict.fromkeys(honest, 0.0)}
    assert charged(rows, [120] * 3) == []


def test_who_was_frozen_may_have_handed_on_more_than_others_knew_meanwhile():
    """What the reporters have judged it by is more, too; a single one cannot make it so."""
    frozen = [row for one in (A, B, C) for row in mutual(one, expected=40, missing=14, first=20)]
    assert rates(frozen, 10) == {A: 0.0, B: 0.0, C: 0.0}
    new = [row for one in map(peer, range(7000, 7006)) for row in mutual(one, expected=0)]
    uneven = [row for one, expected in [(A, 10), (B, 20), (C, 90)]
              for row in mutual(one, expected=expected, missing=7, first=20)]
    for rows in frozen + new, uneven, uneven + new:
        assert rates(rows, 10) == {A: 0.0, B: 0.0, C: 0.0}
    rows = [row for one, expected in [(A, 20), (B, 20), (C, 90)]
            for row in mutual(one, expected=expected, missing=14, first=20)]
    assert rates(rows, 10)[A] == pytest.approx(0.7 - 0.7 * 1.1 * 100 / 210)
    strangers = always(D, S, expected=999) + always(E, S, expected=999)
    assert rates(rows + strangers, 10)[A] == rates(rows, 10)[A]


# How much there was to know.

@pytest.mark.parametrize("age, known", [
    (0.49, None), (0.5, None), (0.51, 50), (6.49, 50), (6.5, 50), (6.51, None)])
def test_what_there_was_to_know_is_what_neighbours_have_judged_a_subject_by_in_six_periods(
        age, known):
    rows = [*paired(A), said(A, S, age, expected=50), said(A, S, 7, expected=9)]
    assert case(rows).known() == known
    few = [row for one in (C, D) for row in mutual(one, expected=10)]
    assert case([*mutual(A), *mutual(B), *few, *always(S, A, expected=99)]).known() == 120
    assert case([]).known() is None


def test_subjects_do_not_say_themselves_how_much_there_was():
    """One that is alone at its seed would have had first whatever it kept back; or nobody could be
    charged again there, because little was said since its last charge, by its word."""
    keeps = [row for one in (A, B, C) for row in always(one, S, expected=20, missing=20)
             + always(S, one, expected=10**8, first=10**8)]
    assert found(case(keeps)).judged[S] == pytest.approx(1 - 1.1 * 120 / 300)
    alters = [row for one in (A, B, C) for row in [
        *paired(one), *always(one, S, expected=20, corrupt=20),
        *[said(S, one, age, expected=10**8 * (age > 4)) for age in range(12)]]]
    assert charged(alters, [120] * 3, since=3) == [S]


def knows(subject, known: int) -> Case:
    return case([*paired(E, subject), said(E, subject, 1, expected=known)], subject)


def test_a_seed_tells_the_median_of_what_its_subjects_know():
    assert found(knows(S, 7), knows(A, 900), knows(B, 8)).known == 8
    assert found(knows(S, 7), knows(A, 9)).known == 9, "its only other subject may lie"
    assert found(known=[5]).known == 0


def test_excuses_are_measured_by_the_median_of_all_seeds():
    one = case([row for reporter in (A, B, C) for row in mutual(reporter, missing=20, first=20)])

    def badness(*known):
        return found(one, known=known).judged[S]

    assert badness() == pytest.approx(1 - 1.1 * 120 / 300), "its own seed knows 120"
    assert badness(500, 600) == 0.0 == badness(500), "of two the higher"
    assert badness(0, 0) == badness(), "seeds without subjects cannot tell"
    assert badness(10, 130) == badness() and badness(130, 130) < badness()


# Badness, void, slander.

@pytest.mark.parametrize("shares, void, badness, outcome", [
    ([], [], None, None), ([1, 1], [], None, None), ([0.1, 0.9, 0.5], [], 0.5, 0.5),
    ([0.1, 0.2, 0.8, 0.9], [], 0.2, 0.2), ([0.9, 0.2, 0.1, 0.8, 0.3], [], 0.3, 0.3),
    ([0.9, 0.2, 0.1, 0.8, 0.3], [C], 0.3, 0.3), ([0.9, 0.2, 0.1, 0.8, 0.3], [B, C], 0.8, 0.8),
    ([0.1, 0.9, 0.5], [A], None, 0.5), ([0.1, 0.9, 0.5], [A, C], None, 0.9),
    ([0.1, 0.9, 0.5], [A, B, C], None, None), ([1, 1], [A], None, None)])
def test_badness_is_the_lower_median_of_three_rates_or_more(shares, void, badness, outcome):
    """Those of void reporters are left out; for an outcome they are among the three."""
    of_reporters = dict(zip(OTHERS, shares))
    left = {peer: rate for peer, rate in of_reporters.items() if peer not in void}
    assert badness_of(left, len(left)) == badness
    assert badness_of(left, len(of_reporters)) == outcome


def views(*of_others) -> dict:
    return {other: View(*view) for other, view in zip(OTHERS, of_others)}


JUDGED = {A: 0.0, B: 0.1, C: 0.10001, D: 0.9}


@pytest.mark.parametrize("of_rates, share", [
    ([0.0, 0.1, 0.2, 0.11], 0.0), ([0.0, 0.1, 0.0, 0.0], 0.5), ([0.2, 0.1, 0.1, 0.0], 0.75),
    ([1.0, 1.0], 0.0), ([1.0, 1.0, 0.0], 1.0), ([0.0, 0.0, 0.2, 0.9, 1.0], 0.0)])
def test_who_differs_from_the_outcome_on_more_than_half_of_three_or_more_is_void(of_rates, share):
    told = views(*((rate, rate, 0.0) for rate in of_rates))
    assert false_share(told, JUDGED) == share and LIES == 0.5


def test_who_differs_only_by_what_is_excused_does_not_differ():
    """Whoever drops everything and claims it is excused would make its honest neighbours void."""
    for view, share in ((0.0, 0.5, 0.0), 0.0), ((0.2, 0.5, 0.0), 0.5), ((0.0, 0.1, 0.0), 0.5):
        assert false_share(views(*[view] * 4), JUDGED) == share


@pytest.mark.parametrize("broken, is_slander", [
    ([0.2, 0.2, 0.2], True), ([0.2, 0.1, 0.2], False), ([0.2, 0.2, 0.0, 0.2], False),
    ([1, 1, 0, 0, 1], False), ([0.2, 0.2, 0.2, 0.0, 0.0], True)])
def test_it_is_slander_to_call_copies_of_three_corrupt_that_are_good(broken, is_slander):
    """D is bad, and E not judged."""
    good = {A: 0.0, B: 0.1, C: 0.0, D: 0.9}
    assert slanders(views(*((1, 1, share) for share in broken)), good) == is_slander


@pytest.mark.parametrize("honest, is_slander", [(2, True), (3, False), (4, False)])
def test_who_calls_the_copies_of_half_of_its_neighbours_good_is_no_slanderer(honest, is_slander):
    """Three attackers send it alone bad copies, and only two of its other neighbours are judged."""
    own = {A: View(1, 1, 1), B: View(1, 1, 1), C: View(1, 1, 1),
           **{peer(6000 + number): View(0, 0, 0) for number in range(honest)}}
    judged = {A: 0.0, B: 0.0, C: 0.0, peer(6000): 0.0, peer(6001): 0.0}
    assert false_share(own, judged) > LIES and slanders(own, judged) is is_slander


def test_in_a_peers_own_views_all_that_is_claimed_is_excused():
    for counts, first, view in ({"missing": 10}, 20, View(0.0, 0.5, 0.0)), \
            ({"missing": 10}, 0, View(0.5, 0.5, 0.0)), ({"corrupt": 20}, 9, View(0.5, 0.5, 0.5)):
        rows = always(S, A, expected=20, **counts) + always(A, S, expected=20, first=first)
        assert case(rows).present.views() == {A: view}
    rows = always(S, A, expected=20, corrupt=10, missing=10) + always(A, S, expected=20)
    assert case(rows).present.views() == {A: View(1.0, 1.0, 0.5)}
