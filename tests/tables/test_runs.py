"""Which runs are genuine: what follows from what seeds say, and what is remembered."""

import pytest

from grapevine.addresses import Name
from grapevine.messages import RUNS
from grapevine.signing import runs as limits
from grapevine.signing.grammar import run_of
from grapevine.signing.runs import ANY, OFFER_LIMIT, REST, Outcome, Runs
from tests.tables.samples import A, B, OWN_RUN, FakeLink, peer

ONE, TWO, THREE = SEEDS = [peer(1), Name("seed", 2), Name("localhost", 1)]
AT = {ONE: peer(1), TWO: peer(2, "10.0.0.2"), THREE: peer(3)}
RUN, NOTHING = run_of(A, 77), []
WAIT, DENY, DIAL = Outcome
UNDECIDED = NOTHING, WAIT


def ask(runs: Runs, address, start: int, brought_by, now: float):
    """Open a question, if that may be."""
    run = run_of(address, start)
    return runs.ask(run, brought_by) if runs.may_ask(run, brought_by, now) else None


def heard(*answers, start: int = 77, seeds=SEEDS, at=AT) -> list[tuple[list[bytes], Outcome]]:
    """Ask about a run; return what followed from each answer (seed, STARTs)."""
    runs = Runs(seeds, OWN_RUN)
    question = ask(runs, A, start, FakeLink(), 0.0)
    return [runs.answer(question, seed, at.get(seed), starts) for seed, starts in answers]


# What seeds say.

def test_a_run_that_more_than_half_of_the_seeds_name_is_genuine():
    assert heard((ONE, (5, 77)), (THREE, (77, 6))) == [UNDECIDED, ([RUN], WAIT)]
    for lies in ((), None):
        assert heard((ONE, lies), (TWO, (77,)), (THREE, (77,))) == [UNDECIDED] * 2 + [([RUN], WAIT)]


def test_a_run_is_denied_once_more_than_half_have_answered_without_it():
    assert heard((ONE, (5,)), (TWO, ())) == [UNDECIDED, (NOTHING, DENY)]
    for lies in ((77,), None):
        assert heard((ONE, ()), (TWO, lies), (THREE, ()))[2] == (NOTHING, DENY)


def test_when_neither_can_come_about_any_more_the_address_is_dialled():
    assert heard((ONE, None), (TWO, None)) == [UNDECIDED, (NOTHING, DIAL)]
    assert heard((ONE, None), (TWO, (77,)), (THREE, None)) == [UNDECIDED] * 2 + [(NOTHING, DIAL)]


@pytest.mark.parametrize("naming, result", [
    (1, (NOTHING, DENY)), (2, (NOTHING, DIAL)), (3, ([RUN], WAIT))])
def test_with_an_even_number_of_seeds_half_are_too_few(naming, result):
    four = [peer(port) for port in range(1, 5)]
    answers = [(seed, (77,) if seed.port <= naming else ()) for seed in four]
    assert heard(*answers, seeds=four, at=dict(zip(four, four)))[3] == result


def test_a_seed_has_one_voice_also_if_two_lines_of_config_lead_to_it():
    assert heard((ONE, (77, 77)), (ONE, (77,)))[1] == heard((ONE, ()), (ONE, ()))[1] == UNDECIDED
    assert heard((ONE, (77,)), (TWO, (77,)), seeds=[ONE, ONE, ONE, TWO])[1] == ([RUN], WAIT)
    twice = AT | {THREE: AT[ONE]}
    assert heard((ONE, (77,)), (THREE, (77,)), (TWO, (77,)), at=twice)[1:] == [
        UNDECIDED, ([RUN], WAIT)]
    assert heard((ONE, ()), (THREE, ()), (TWO, (77,)), at=twice)[2] == (NOTHING, DIAL)


def test_a_question_about_all_runs_waits_for_all_seeds_and_dials_nobody():
    named = [run_of(A, 1), run_of(A, 3)]
    assert heard((ONE, (1, 2, 3)), (TWO, (3, 1)), (THREE, None), start=ANY) == [
        UNDECIDED, (named, WAIT), (named, DENY)]


# Questions and verdicts.

def test_a_verdict_closes_its_question_and_is_remembered():
    runs = Runs(SEEDS, OWN_RUN)
    question = ask(runs, A, 77, None, 0.0)
    assert runs.open == {RUN: question} and ask(runs, A, 77, FakeLink(), 0.0) is None
    assert runs.settle(RUN, True, 0.0) is question and runs.open == {}
    assert runs.settle(run_of(B, 1), True, 0.0) is None, "nobody has asked: it has proved itself"
    assert runs.is_genuine(RUN) and runs.is_genuine(run_of(B, 1))
    assert not runs.is_genuine(run_of(A, 78)) and runs.is_genuine(OWN_RUN)


def test_a_denied_run_rests_unless_it_proves_itself():
    runs = Runs(SEEDS, OWN_RUN)
    for start in 77, ANY:
        assert ask(runs, A, start, None, 0.0) and runs.settle(run_of(A, start), False, 5.0)
    assert not runs.is_genuine(RUN) and ask(runs, A, 77, None, 5.0 + REST - 0.1) is None
    assert ask(runs, A, ANY, None, 5.0), "nobody has said that this address has no runs"
    assert ask(runs, A, 78, None, 5.0) and ask(runs, A, 77, None, 5.0 + REST) and REST == 15
    for is_genuine in False, True:
        runs.settle(RUN, is_genuine, 20.0)
    assert runs.is_genuine(RUN)


def test_a_denied_run_that_is_only_offered_rests_twice_as_long_each_time():
    runs, now = Runs(SEEDS, OWN_RUN), 5.0
    for rest in (15.0, 30.0, 60.0, 120.0, 240.0, 480.0, 600.0, 600.0):
        assert ask(runs, A, 77, None, now).is_repeated == (now > 5.0)
        runs.settle(RUN, False, now)
        assert not runs.may_ask(RUN, None, now + rest - 0.1, is_offer=True)
        assert runs.may_ask(RUN, None, now + rest, is_offer=True)
        assert runs.may_ask(RUN, None, now + REST), "whose lines are said now, it is asked about"
        now += rest


def test_as_many_denied_runs_rest_as_a_neighbour_may_know():
    runs = Runs(SEEDS, OWN_RUN)
    for start in range(1, RUNS + 1):
        ask(runs, A, start, None, 0.0)
        runs.settle(run_of(A, start), False, 0.0)
    assert not runs.may_ask(run_of(A, 1), None, 1.0)


def test_a_run_rests_for_the_neighbour_that_brought_it_when_it_was_denied_and_for_no_other():
    runs, early, other = Runs(SEEDS, OWN_RUN), FakeLink(), FakeLink()
    runs.rests_by_link = True
    assert ask(runs, A, 77, early, 0.0) and runs.settle(RUN, False, 5.0)
    assert ask(runs, A, 77, early, 6.0) is None and ask(runs, A, 77, other, 6.0)


def test_a_neighbour_may_use_half_of_what_others_leave(monkeypatch):
    monkeypatch.setattr(limits, "OPEN_LIMIT", 16)
    monkeypatch.setattr(limits, "SURE", 0)
    runs, first, second, third = Runs(SEEDS, OWN_RUN), FakeLink(), FakeLink(), FakeLink()

    def opened(link, port):
        return sum(ask(runs, peer(port), start, link, 0.0) is not None for start in range(1, 20))

    links = first, second, None, third, FakeLink(), first
    assert [opened(link, port) for port, link in enumerate(links, 1)] == [8, 4, 2, 1, 1, 0]
    assert all([runs.settle(run, True, 0.0) for run in list(runs.open)[:8]])
    assert opened(first, 7) == 4 and len(runs.open) == 12
    monkeypatch.setattr(limits, "SURE", 3)
    assert [opened(FakeLink(), port) for port in range(8, 12)] == [3, 3, 3, 3], "a few in any case"


def test_what_neighbours_offer_of_an_unknown_run_is_kept_apart_and_bounded():
    runs, first, second = Runs(SEEDS, OWN_RUN), FakeLink(), FakeLink()
    question = ask(runs, A, 77, first, 0.0)
    assert question.brought_by is first and question.offers == {}
    question.offer(first, [(1, 2)])
    question.offer(first, [(3, 5), (9, 9)])
    question.offer(second, [(number, number) for number in range(1, 999, 2)])
    assert question.offers[first].ranges() == [(1, 5), (9, 9)]
    assert len(question.offers[second]) == OFFER_LIMIT and question.offers[second].lowest() == 1


def test_what_is_remembered_is_bounded(monkeypatch):
    for limit in ("GENUINE_LIMIT", "DENIED_LIMIT"):
        monkeypatch.setattr(limits, limit, 3)
    runs = Runs(SEEDS, OWN_RUN)
    for start in range(1, 6):
        runs.settle(run_of(A, start), True, 0.0)
        ask(runs, B, start, None, 0.0)
        runs.settle(run_of(B, start), False, 0.0)
    assert [at for at in range(9) if runs.is_genuine(run_of(A, at))] == [3, 4, 5]
    assert [at for at in range(1, 6) if ask(runs, B, at, None, 1.0)] == [1, 2]
