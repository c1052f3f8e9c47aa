"""Verdicts: from what peers say of one another to badness, voids and slander."""

import itertools

import pytest

from gossip.monitoring import grammar
from gossip.monitoring.verdicts import (
    Case, View, badness_of, evaluate, false_share, is_void, outcome_of, slanders)
from tests.tools.fakes import peer
from tests.tools.rows import (
    A, B, C, D, E, NOW, OTHERS, PERIOD, S, always, case, mutual, of, paired, said, told)


def rates(rows, k=0, known=None, banned=()):
    return case(rows, banned=banned).rates(k, known)


# What counts in a window.

@pytest.mark.parametrize("k", range(4))
@pytest.mark.parametrize("age, counts", [
    (1.49, False), (1.5, False), (1.51, True), (6.49, True), (6.5, True), (6.51, False)])
def test_what_a_reporter_says_counts_from_six_and_a_half_periods_to_one_and_a_half(k, age, counts):
    rows = [*paired(A), said(A, S, k + age, expected=50, missing=25),
            said(S, A, k + 4, expected=1), said(S, B, 0)]
    assert rates(rows, k) == ({A: 0.5} if counts else {})


@pytest.mark.parametrize("k", range(4))
@pytest.mark.parametrize("age, counts", [
    (-0.01, False), (0, False), (0.01, True), (11.99, True), (8, True), (12.01, False)])
def test_what_the_subject_had_first_counts_from_twelve_periods_on(k, age, counts):
    rows = [*paired(A), said(A, S, k + 4, expected=50, missing=25),
            said(S, A, k + 4, expected=1), said(S, A, k + age, expected=25, first=25),
            said(S, B, 0)]
    assert rates(rows, k) == {A: 0.0 if counts else 0.5}


@pytest.mark.parametrize("age, counts", [(2.99, False), (3.01, True), (6, True)])
def test_what_is_said_of_a_peer_that_died_counts_up_to_its_last_report(age, counts):
    rows = [*paired(A), said(A, S, age, expected=50, missing=25), said(S, A, 4, expected=1),
            said(S, B, 3)]
    assert rates(rows) == ({A: 0.5} if counts else {})


@pytest.mark.parametrize("by_reporter, by_subject, counts", [
    (4, 4, True), (3, 4, False), (4, 3, False), (12, 1, False)])
def test_two_peers_count_if_each_has_named_the_other_in_four_reports(by_reporter, by_subject,
                                                                     counts):
    """Who was a neighbour for a moment says nothing about a peer that counts."""
    rows = ([said(A, S, 2 + age / 4, expected=50, missing=25) for age in range(by_reporter)]
            + [said(S, A, 2 + age / 4) for age in range(by_subject)] + [said(S, B, 0)])
    assert rates(rows) == ({A: 0.5} if counts else {})
    assert list(case(rows).views(0)) == []  # it has judged A by no message


def test_a_dropper_that_claims_everything_is_charged_in_the_windows_in_which_gossip_began():
    """Much more is known now than there was to know then."""
    ages = [age + 0.4 for age in range(6)]
    rows = [row for other in map(peer, range(6000, 6008)) for age in ages for row in (
        said(other, S, age, expected=20, missing=10), said(S, other, age, expected=20, first=20))]
    assert list(evaluate([case(rows)], [told(known=100)]).guilty) == [S]
    honest = [row._replace(entry=row.entry._replace(missing=min(row.entry.missing, 2)))
              for row in rows]
    assert evaluate([case(honest)], [told(known=100)]).guilty == {}


# The rate of one reporter.

@pytest.mark.parametrize("counts, rate", [
    ({}, 0.0), ({"corrupt": 20}, 0.5), ({"forbidden": 20}, 0.5),
    ({"corrupt": 10, "forbidden": 10}, 0.5), ({"missing": 5}, 0.25),
    ({"missing": 10, "corrupt": 10}, 1.0), ({"missing": 4, "corrupt": 4}, 0.4),
    ({"missing": 20, "corrupt": 20}, 1.0),
    ({"expected": 0, "corrupt": 20}, 1.0)])
def test_a_rate_is_the_share_of_bad_copies_and_of_missing_messages(counts, rate):
    assert rates(mutual(A, **counts)) == {A: rate}


def test_what_is_missing_is_excused_by_what_the_subject_had_first_from_the_reporter():
    assert rates(mutual(A, missing=5, first=1)) == {A: pytest.approx(0.25 - 12 / 100)}
    assert rates(mutual(A, missing=5, first=5)) == {A: 0.0}
    assert rates(mutual(A, first=5)) == {A: 0.0}  # an excuse too many is no merit
    assert rates(mutual(A, missing=5, first=1), known=9_999) == {A: pytest.approx(0.25 - 12 / 100)}


def test_nobody_is_excused_for_more_messages_than_there_were():
    """In a window 200 of 300 are missing at three reporters, and the subject claims them all."""
    rows = [row for one in (A, B, C) for row in mutual(one, missing=14, first=20)]
    assert rates(rows) == {A: 0.0, B: 0.0, C: 0.0}
    assert rates(rows, known=191) == {A: 0.0, B: 0.0, C: 0.0}  # a tenth more is allowed
    assert rates(rows, known=150) == {one: pytest.approx(0.7 - 1.1 * 150 / 300)
                                      for one in (A, B, C)}


def test_what_is_claimed_and_not_missing_takes_nothing_from_other_excuses():
    rows = [row for one in (A, B, C) for row in mutual(one, missing=5, first=20)]
    assert rates(rows, known=150) == {A: 0.0, B: 0.0, C: 0.0}


def test_claims_of_liars_take_nothing_from_the_excuse_of_an_honest_reporter():
    """Of 100 messages C brought S 30 first; A and B brought it 70 each in twelve periods, and call
    as many missing."""
    rows = mutual(C, missing=6, first=6) + [
        row for liar in (A, B) for row in mutual(liar, missing=14, first=14)]
    cut = pytest.approx(0.7 - (110 - 30) / 200)
    assert rates(rows, known=100) == {A: cut, B: cut, C: 0.0}
    more = [row for liar in (A, B) for row in mutual(liar, expected=99, missing=14, first=14)]
    assert rates(more + mutual(C, missing=6, first=6), known=100)[C] == 0.0


def test_liars_that_call_all_bad_use_up_no_excuse_of_the_honest():
    """Three of seven reporters lie, and brought S a fifth first each; D brought it two fifths."""
    liars, honest = list(map(peer, range(7000, 7003))), [D, *map(peer, range(7003, 7006))]
    rows = [row for liar in liars for row in mutual(
        liar, expected=10**9, missing=10**9, corrupt=10**9, first=4)]
    rows += mutual(D, missing=8, first=8) + [row for one in honest[1:] for row in mutual(one)]
    assert rates(rows, known=120) == {**dict.fromkeys(liars, 1.0), **dict.fromkeys(honest, 0.0)}
    assert evaluate([case(rows)], [told(known=120)] * 3).guilty == {}


def test_who_was_frozen_may_have_handed_on_more_than_others_knew_meanwhile():
    """What the reporters have judged it by is more, too; a single one cannot make it so."""
    frozen = [row for one in (A, B, C) for row in mutual(one, expected=40, missing=14, first=20)]
    assert rates(frozen, known=10) == {A: 0.0, B: 0.0, C: 0.0}
    new = [row for one in (D, E, *map(peer, range(7000, 7004))) for row in mutual(one, expected=0)]
    assert rates(frozen + new, known=10) == {A: 0.0, B: 0.0, C: 0.0}
    rows = [row for one, expected in [(A, 20), (B, 20), (C, 90)]
            for row in mutual(one, expected=expected, missing=14, first=20)]
    assert rates(rows, known=10)[A] == pytest.approx(0.7 - 0.7 * 1.1 * 100 / 210)
    stranger = always(D, S, expected=999) + always(E, S, expected=999)
    assert rates(rows + stranger, known=10)[A] == rates(rows, known=10)[A]


def test_a_case_has_the_rows_of_its_subject_alone():
    rows = mutual(A, missing=10) + mutual(A, subject=B, corrupt=10)
    assert rates(rows) == {A: 0.5}


# Which reporters count.

@pytest.mark.parametrize("expected, corrupt, counts", [(3, 0, False), (4, 0, True), (3, 1, True)])
def test_a_reporter_counts_when_it_has_judged_twenty_messages_or_copies(expected, corrupt, counts):
    assert bool(rates(mutual(A, expected=expected, corrupt=corrupt))) == counts


def test_a_reporter_whom_the_subject_never_names_does_not_count():
    rows = always(A, S, expected=20, missing=20) + mutual(B, missing=10)
    assert rates(rows) == {B: 0.5}


def test_who_is_kicked_does_not_count_and_its_excuses_do_not_either():
    rows = mutual(A, missing=10) + mutual(B)
    assert set(rates(rows, banned={B})) == {A}
    rows = mutual(A, missing=20, first=20) + mutual(B, missing=20, first=20)
    assert rates(rows, known=100)[A] > 0.0 and rates(rows, known=100, banned={B})[A] == 0.0


def test_nobody_is_its_own_reporter():
    rows = always(S, S, expected=20) + mutual(A, missing=10)
    about = [row._replace(side=grammar.ABOUT) for row in always(S, S, expected=20)]
    assert Case(S, of(S, rows) + about, NOW, PERIOD).rates(0, None) == {A: 0.5}


@pytest.mark.parametrize("shares, void, badness, outcome", [
    ([], [], None, None), ([1, 1], [], None, None), ([0.1, 0.9, 0.5], [], 0.5, 0.5),
    ([0.1, 0.2, 0.8, 0.9], [], 0.2, 0.2), ([0.9, 0.2, 0.1, 0.8, 0.3], [], 0.3, 0.3),
    ([0.9, 0.2, 0.1, 0.8, 0.3], [C], 0.3, 0.3), ([0.9, 0.2, 0.1, 0.8, 0.3], [B, C], 0.8, 0.8),
    ([0.1, 0.9, 0.5], [A], None, 0.5), ([0.1, 0.9, 0.5], [A, C], None, 0.9),
    ([0.1, 0.9, 0.5], [A, B, C], None, None), ([1, 1], [A], None, None)])
def test_badness_is_the_lower_median_of_three_rates_or_more(shares, void, badness, outcome):
    """Those of void reporters are left out; for an outcome they are among the three."""
    of_reporters = dict(zip(OTHERS, shares))
    assert badness_of(of_reporters, void) == badness
    assert outcome_of(of_reporters, void) == outcome


# Void, and slander.

def views(*of_others):
    return {other: View(*view) for other, view in zip(OTHERS, of_others)}


JUDGED = {A: 0.0, B: 0.1, C: 0.10001, D: 0.9}


@pytest.mark.parametrize("of_rates, share", [
    ([0.0, 0.1, 0.2, 0.11], 0.0), ([0.0, 0.1, 0.0, 0.0], 0.5), ([0.2, 0.1, 0.1, 0.0], 0.75),
    ([1.0, 1.0], 0.0), ([1.0, 1.0, 0.0], 1.0), ([0.0, 0.0, 0.2, 0.9, 1.0], 0.0)])
def test_who_differs_from_the_outcome_on_more_than_half_of_three_or_more_is_void(of_rates, share):
    found = views(*((rate, rate, 0.0) for rate in of_rates))
    assert false_share(found, JUDGED) == share
    assert is_void(found, JUDGED) == (share > 0.5)


def test_who_differs_only_by_what_is_excused_does_not_differ():
    """Whoever drops everything and claims it is excused would make its honest neighbours void."""
    assert false_share(views(*[(0.0, 0.5, 0.0)] * 4), JUDGED) == 0.0
    assert false_share(views(*[(0.2, 0.5, 0.0)] * 4), JUDGED) == 0.5
    assert false_share(views(*[(0.0, 0.1, 0.0)] * 4), JUDGED) == 0.5


def test_it_is_slander_to_call_three_corrupt_that_are_not():
    good = {A: 0.0, B: 0.1, C: 0.0, D: 0.9}
    assert slanders(views((1, 1, 0.2), (1, 1, 0.2), (1, 1, 0.2)), good)
    assert not slanders(views((1, 1, 0.2), (1, 1, 0.1), (1, 1, 0.2)), good)
    fourth_is_bad = views((1, 1, 0.2), (1, 1, 0.2), (0, 0, 0), (1, 1, 0.2))
    assert not slanders(fourth_is_bad, good)
    third_is_not_judged = {A: View(1, 1, 1), B: View(1, 1, 1), E: View(1, 1, 1)}
    assert not slanders(third_is_not_judged, good)


@pytest.mark.parametrize("honest, slanderer", [(2, True), (3, False), (4, False)])
def test_who_calls_the_copies_of_half_of_its_neighbours_good_is_no_slanderer(honest, slanderer):
    """Three attackers send it alone bad copies, and only two of its other neighbours are judged."""
    own = {A: View(1, 1, 1), B: View(1, 1, 1), C: View(1, 1, 1),
           **{peer(6000 + number): View(0, 0, 0) for number in range(honest)}}
    judged = {A: 0.0, B: 0.0, C: 0.0, peer(6000): 0.0, peer(6001): 0.0}
    assert is_void(own, judged) and slanders(own, judged) is slanderer


def test_in_a_peers_own_views_all_that_is_claimed_is_excused():
    rows = always(S, A, expected=20, missing=10) + always(A, S, expected=20, first=20)
    assert case(rows).views(0) == {A: View(0.0, 0.5, 0.0)}
    rows = always(S, A, expected=20, corrupt=10, missing=10) + always(A, S, expected=20)
    assert case(rows).views(0) == {A: View(1.0, 1.0, 0.5)}
    assert case(rows, banned={A}).views(0) == {}


# How much there was to know.

def test_what_there_was_to_know_is_the_most_that_a_subject_reports_in_six_periods():
    rows = mutual(A) + mutual(B) + always(S, B, expected=10) + mutual(C)
    assert case(rows).known() == 180
    assert case([]).known() is None


@pytest.mark.parametrize("age, known", [(0.49, 0), (0.51, 50), (6.49, 50), (6.51, 0)])
def test_what_there_was_to_know_is_told_a_period_ahead_of_the_newest_window(age, known):
    rows = [*paired(A), said(S, A, age, expected=50), said(S, A, 7, expected=9)]
    assert case(rows).known() == known


def reports_of_knowing(subject, known):
    return case([*paired(E, subject), said(subject, E, 1, expected=known)], subject)


def test_a_seed_tells_the_median_of_what_its_subjects_know():
    cases = [reports_of_knowing(subject, known) for subject, known in [(S, 7), (A, 900), (B, 8)]]
    assert evaluate(cases, []).known == 8
    assert evaluate([], [told(known=5)]).known == 0


def test_excuses_are_measured_by_the_median_of_all_seeds():
    one = case([row for reporter in (A, B, C) for row in mutual(reporter, missing=20, first=20)])

    def badness(*others):
        return evaluate([one], [told(known) for known in others]).judged[S]

    assert badness() == pytest.approx(1 - 1.1 * 120 / 300)  # its own seed knows 120
    assert badness(500, 600) == 0.0
    assert badness(0, 0) == badness()  # seeds without subjects cannot tell
    assert badness(10, 130) == badness() and badness(130, 130) < badness()


@pytest.mark.parametrize("accusers, starved_accuse, guilty", [
    (2, False, False),  # two liars; else one honest reporter would be left beside them
    (2, True, True),  # the starved accuse, too, so that nobody is protected
    (4, False, True),
])
def test_liars_that_starve_honest_reporters_do_not_become_most_of_those_that_count(
        accusers, starved_accuse, guilty):
    """Two reporters are void, because the accomplices, whom all else praise, keep everything back
    from them."""
    accomplices, honest = [peer(6000 + n) for n in range(4)], peer(5100)
    starved, content = [peer(5002), peer(5003)], peer(5004)
    rows = []
    for one in [*starved, content, *accomplices[:accusers]]:
        accuses = starved_accuse if one in starved else one in accomplices
        rows += always(one, S, expected=20, missing=20 * accuses)
        rows += always(S, one, expected=20)
    for one in starved:
        for other in accomplices:
            rows += always(one, other, expected=20, missing=20)
            rows += always(other, one, expected=20)
        rows += always(one, honest, expected=20) + always(honest, one, expected=20)
    for one, other in itertools.permutations(accomplices, 2):
        rows += always(one, other, expected=20)
    found = evaluate([case(rows, one)
                      for one in (S, *starved, content, *accomplices, honest)], [])
    assert set(found.void) == set(starved)
    assert (S in found.guilty) is guilty
