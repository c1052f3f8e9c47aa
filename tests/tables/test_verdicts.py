"""Verdicts: from what peers say of one another to badness, void reporters, charges and warnings."""

import itertools

import pytest

from grapevine.monitoring import verdicts
from grapevine.monitoring.grammar import ABOUT, BY, Entry
from grapevine.monitoring.rows import Row
from grapevine.monitoring.verdicts import (
    LIES, Case, View, badness_of, evaluate, false_share, slanders)
from tests.tables.samples import peer

PERIOD, NOW = 10.0, 1_000.0
S, A, B, C, D, E = map(peer, range(5000, 5006))  # the subject, and its neighbours
OTHERS, SHORTEST = [A, B, C, D, E], verdicts.SHORTEST


def said(reporter, other, age, expected=0, missing=0, first=0, corrupt=0, forbidden=0) -> Row:
    """What a peer said of another so many periods ago."""
    entry = Entry(other, expected, missing, first, corrupt, forbidden)
    return Row("", reporter, 1, int(100 - age), NOW - age * PERIOD, entry)


def paired(other, subject=S) -> list[Row]:
    """What pairs two peers, and says nothing about either."""
    return [said(*pair, age) for age in (9.1, 9.2, 9.3, 9.4)
            for pair in ((other, subject), (subject, other))]


def always(reporter, other, since=12, **counts) -> list[Row]:
    """The same in each of some periods. Five of them count in a window, all twelve as one's own."""
    return [said(reporter, other, age + 0.25, **counts) for age in range(since)]


def mutual(reporter, subject=S, first=0, since=12, **counts) -> list[Row]:
    """What a reporter always says of the subject, which says in turn that it had so many messages
    first from the reporter."""
    return (always(reporter, subject, since, **{"expected": 20, **counts})
            + always(subject, reporter, since, expected=20, first=first))


def case(rows, subject=S, banned=(), charged: float | None = None) -> Case:
    """A subject that was charged so many periods ago, or never."""
    own = [row._replace(side=BY if row.reporter == subject else ABOUT)
           for row in rows if subject in (row.reporter, row.entry.peer)]
    at = {} if charged is None else {"charged_at": NOW - charged * PERIOD}
    return Case(subject, own, NOW, PERIOD, banned, **at)


def rates(rows, known=None, **words) -> dict:
    return case(rows, **words).present.rates(known)


def found(*cases: Case, known=(), judged=None, void=()):
    return evaluate(list(cases), list(known), judged or {}, set(void))


def charged(rows, known=(), void=(), since=None, **words) -> list:
    """Return whether the subject is charged alone, whatever was found elsewhere."""
    return list(found(case(rows, charged=since), known=known, void=void, **words).charged)


# What counts in a window.

@pytest.mark.parametrize("age, counts", [
    (1.49, False), (1.5, False), (1.51, True), (6.49, True), (6.5, True), (6.51, False)])
def test_what_a_reporter_says_counts_from_six_and_a_half_periods_to_one_and_a_half(age, counts):
    rows = [*paired(A), said(A, S, age, expected=50, missing=25), said(S, A, 4), said(S, B, 0)]
    assert rates(rows) == ({A: 0.5} if counts else {})


@pytest.mark.parametrize("age, counts", [
    (-0.01, False), (0, False), (0.01, True), (8, True), (12.0, True), (12.01, False)])
def test_what_the_subject_had_first_counts_from_twelve_periods_on(age, counts):
    rows = [*paired(A), said(A, S, 4, expected=50, missing=25), said(S, B, 0),
            said(S, A, age, expected=25, first=25)]
    assert rates(rows) == {A: 0.0 if counts else 0.5}


@pytest.mark.parametrize("age, counts", [(2.99, False), (3, False), (3.01, True), (6, True)])
def test_what_is_said_of_a_peer_that_died_counts_up_to_its_last_report(age, counts):
    rows = [*paired(A), said(A, S, age, expected=50, missing=25), said(S, A, 4), said(S, B, 3)]
    assert rates(rows) == ({A: 0.5} if counts else {})


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


def test_a_case_has_the_rows_of_its_subject_alone_and_none_about_itself():
    rows = mutual(A, missing=10) + mutual(A, subject=B, corrupt=10) + mutual(S)
    itself = [row._replace(side=side) for row in mutual(S) for side in (ABOUT, BY)]
    assert rates(rows) == {A: 0.5}
    assert Case(S, itself, NOW, PERIOD).present.rates(None) == {}


# The rate of one reporter.

@pytest.mark.parametrize("counts, rate", [
    ({}, 0.0), ({"corrupt": 20}, 0.5), ({"forbidden": 20}, 0.5),
    ({"corrupt": 10, "forbidden": 10}, 0.5), ({"missing": 5}, 0.25), ({"missing": 20}, 1.0),
    ({"missing": 10, "corrupt": 10}, 1.0), ({"missing": 4, "corrupt": 4}, 0.4),
    ({"missing": 20, "corrupt": 20}, 1.0), ({"expected": 0, "corrupt": 20}, 1.0)])
def test_a_rate_is_the_share_of_bad_copies_and_of_missing_messages(counts, rate):
    assert rates(mutual(A, **counts)) == {A: rate}


@pytest.mark.parametrize("missing, first, rate", [
    (5, 0, 0.25), (5, 1, 0.13), (5, 2, 0.01), (5, 5, 0.0), (0, 5, 0.0)])
def test_what_is_missing_is_excused_by_what_the_subject_had_first_from_the_reporter(
        missing, first, rate):
    for known in None, 9_999:
        assert rates(mutual(A, missing=missing, first=first), known) == {A: pytest.approx(rate)}


@pytest.mark.parametrize("expected, corrupt, counts", [
    (3, 0, False), (4, 0, True), (3, 1, True), (0, 4, True), (0, 3, False)])
def test_a_reporter_counts_when_it_has_judged_twenty_messages_or_copies(expected, corrupt, counts):
    assert bool(rates(mutual(A, expected=expected, corrupt=corrupt))) == counts


def test_who_is_banned_does_not_count_and_its_excuses_do_not_either():
    assert set(rates(mutual(A, missing=10) + mutual(B), banned={B})) == {A}
    rows = mutual(A, missing=20, first=20) + mutual(B, missing=20, first=20)
    assert rates(rows, 100)[A] > 0.0 and rates(rows, 100, banned={B})[A] == 0.0


# All excuses together.

def test_nobody_is_excused_for_more_messages_than_there_were_and_a_tenth():
    """In a window 210 of 300 are missing at three reporters, and the subject claims them all."""
    rows = [row for one in (A, B, C) for row in mutual(one, missing=14, first=20)]
    for known, rate in (None, 0.0), (191, 0.0), (190, 0.7 - 209 / 300), (150, 0.7 - 165 / 300):
        assert rates(rows, known) == {one: pytest.approx(rate) for one in (A, B, C)}


def test_claims_of_liars_take_nothing_from_the_excuse_of_an_honest_reporter():
    """Of 100 messages C brought S 30 first; A and B call as many missing as S says of each."""
    for expected, rate in (20, 0.7 - (110 - 30) / 200), (99, None):
        rows = mutual(C, missing=6, first=6) + [row for liar in (A, B) for row in mutual(
            liar, expected=expected, missing=14, first=14)]
        assert rates(rows, 100)[C] == 0.0
        assert rate is None or rates(rows, 100)[A] == pytest.approx(rate)


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
    (0.49, 0), (0.5, 0), (0.51, 50), (6.49, 50), (6.5, 50), (6.51, 0)])
def test_what_there_was_to_know_is_the_most_that_a_subject_reports_in_six_periods(age, known):
    rows = [*paired(A), said(S, A, age, expected=50), said(S, A, 7, expected=9)]
    assert case(rows).present.known() == known
    assert case(mutual(A) + mutual(B) + always(S, B, expected=10)).present.known() == 180
    assert case([]).present.known() is None


def knows(subject, known: int) -> Case:
    return case([*paired(E, subject), said(subject, E, 1, expected=known)], subject)


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
    assert case(rows, banned={A}).present.views() == {}


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
    ([A, B], [C, D], [D], True),
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


def test_a_starved_peer_that_misses_everything_is_void_and_not_charged():
    rows = [row for one in OTHERS for row in mutual(S, one, missing=20)]
    one = found(case(rows), judged=dict.fromkeys(OTHERS, 0.0))
    assert one.void == [S] and one.charged == {}


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
    assert case(rows, banned={A, B}).unconfirmed == []


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


def dropping(share: float, reporters: int, claims=True, messages=20, told=20) -> list[Row]:
    """Return rows of a dropper that may claim to have had everything first from everybody."""
    return [row for one in map(peer, range(6000, 6000 + reporters)) for row in
            always(one, S, expected=messages, missing=int(messages * share))
            + always(S, one, expected=told, first=messages * claims)]


def honest_cases(count: int = 5, messages=20) -> list[Case]:
    """Return subjects that tell honestly how much there was to know."""
    return [case(always(one, E, expected=messages) + always(E, one, expected=messages), one)
            for one in map(peer, range(7000, 7000 + count))]


def test_excuses_of_a_short_window_are_measured_by_what_there_was_to_know_in_it():
    """Three messages of four are missing at eight reporters, which the subject all claims."""
    for since in (None, SHORTEST + 0.01, 3.0):
        subject = case(dropping(0.75, 8), charged=since)
        assert list(found(subject, *honest_cases(), known=[120]).charged) == [S], since
    others = [case(always(E, one, expected=20) + always(one, E, expected=told), one, charged=3.0)
              for one, told in ((A, 20), (B, 10**9))]
    subject = case(dropping(0.5, 5), charged=3.0)
    assert list(found(subject, *others, *honest_cases(), known=[120]).charged) == [S], "a median"
    few = case(dropping(0.1, 8), charged=3.0)
    assert found(few, *honest_cases(), known=[120]).charged == {}


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


def test_strangers_that_make_up_rows_charge_nobody_and_use_up_no_excuse():
    """The subject has never named them; nor do some that it has named in three reports only."""
    strangers = list(map(peer, range(6000, 6020)))
    rows = [row for one in strangers
            for row in always(one, S, expected=999, missing=999, corrupt=9)]
    moments = [said(S, one, age, expected=20) for one in strangers[:9] for age in (2, 3, 4)]
    good = accusing(good=(A, B, C)) + [row for one in (D, E)
                                       for row in mutual(one, missing=12, first=12)]
    alone = rates(good, 120)
    assert rates(good + rows + moments, 120) == alone and alone[D] == 0.0
    assert charged(good + rows + moments, [120]) == []


@pytest.mark.parametrize("share, reporters", [(1.0, 3), (1.0, 8), (0.5, 8), (0.5, 4), (0.3, 8)])
def test_a_dropper_that_claims_everything_as_an_excuse_is_charged(share, reporters):
    rows = dropping(share, reporters)
    assert found(case(rows), *honest_cases()).charged.keys() == {S}
    assert rates(rows) == dict.fromkeys(map(peer, range(6000, 6000 + reporters)), 0.0), "else"


def test_a_dropper_that_claims_everything_is_charged_in_the_periods_in_which_gossip_began():
    rows = [row for row in dropping(0.5, 8) if row.at > NOW - 6 * PERIOD]
    assert charged(rows, [100]) == [S]
    honest = [row._replace(entry=row.entry._replace(missing=min(row.entry.missing, 2)))
              for row in rows]
    assert charged(honest, [100]) == []


def test_an_honest_peer_whose_excuses_are_as_many_as_messages_is_not_charged():
    """Each of 100 messages in a window came first from one of five neighbours, which then miss it
    on that link: 120 in six periods, a tenth more is borne."""
    rows = [row for one in OTHERS for row in mutual(one, missing=4, first=4)]
    assert charged(rows, [100, 100]) == [] == charged(rows, [100, 100], since=3.0)
    twice = [row for one in OTHERS for row in mutual(one, missing=8, first=8)]
    assert charged(twice, [100, 100]) == [S] == charged(twice, [100, 100], since=3.0)


@pytest.mark.parametrize("before, since", [(20, 20), (0, 0), (20, 10**9)])
def test_a_subject_does_not_decide_alone_what_there_was_to_know_since_its_charge(before, since):
    """It was charged three periods ago, no other was then, and it tells of any number."""
    rows = [row._replace(entry=row.entry._replace(
        expected=since if row.at > NOW - 4 * PERIOD else before))
        if row.reporter == S else row for row in dropping(0.5, 5)]
    assert list(found(case(rows, charged=3.0), *honest_cases(), known=[120]).charged) == [S]


@pytest.mark.parametrize("accusers, starved_accuse, guilty", [
    (2, False, False),  # two liars; else one honest reporter would be left beside them
    (2, True, True),  # the starved accuse, too, so that nobody is protected
    (4, False, True)])
def test_liars_that_starve_honest_reporters_do_not_become_most_of_those_that_count(
        accusers, starved_accuse, guilty):
    """Two reporters are void, because the accomplices, whom all else praise, keep everything back
    from them."""
    accomplices, honest = [peer(6000 + n) for n in range(4)], peer(5100)
    starved, content = [peer(5002), peer(5003)], peer(5004)
    rows = []
    for one in [*starved, content, *accomplices[:accusers]]:
        accuses = starved_accuse if one in starved else one in accomplices
        rows += always(one, S, expected=20, missing=20 * accuses) + always(S, one, expected=20)
    for one in starved:
        for other in accomplices:
            rows += always(one, other, expected=20, missing=20) + always(other, one, expected=20)
        rows += always(one, honest, expected=20) + always(honest, one, expected=20)
    for one, other in itertools.permutations(accomplices, 2):
        rows += always(one, other, expected=20)
    one = found(*[case(rows, each) for each in (S, *starved, content, *accomplices, honest)])
    assert set(one.void) == set(starved) and (S in one.charged) is guilty


def test_eight_slanderers_among_sixteen_peers_are_charged_and_nobody_else():
    """Each peer has eight neighbours, of which four lie."""
    everybody = [peer(6000 + number) for number in range(16)]
    liars = set(everybody[::2])
    rows = [row for at, one in enumerate(everybody) for step in (1, 2, 3, 4, 12, 13, 14, 15)
            for row in always(one, everybody[(at + step) % 16], expected=20,
                              corrupt=20 * (one in liars))]
    cases = [case(rows, one) for one in everybody]
    first = found(*cases)
    again = found(*cases, judged=first.judged, void=first.void)
    assert set(again.void) == set(again.charged) == liars
