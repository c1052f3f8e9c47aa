"""The rules by which a peer believes seeds about runs."""

import pytest

from gossip.signing import known_runs
from gossip.signing.known_runs import DOUBT, REST, KnownRuns, Outcome, run_of
from tests.tools.fakes import peer

SEEDS = [peer(1), peer(2), peer(3)]
ORIGIN, NEIGHBOUR = peer(10), peer(20)
KEY = ORIGIN, 77
NOTHING = Outcome([])


@pytest.fixture
def runs():
    return KnownRuns(SEEDS)


def test_a_run_that_more_than_half_of_the_seeds_name_is_genuine(runs):
    assert runs.open(KEY, NEIGHBOUR, 0.0) is True and runs.is_open(KEY)
    assert runs.answer(SEEDS[0], KEY, [5, 77], 0.0) == NOTHING
    assert not runs.is_known(run_of(KEY))
    assert runs.answer(SEEDS[2], KEY, [77], 0.0) == Outcome([run_of(KEY)])
    assert runs.is_known(run_of(KEY)) and not runs.is_open(KEY)


def test_one_seed_that_repeats_itself_is_one_seed(runs):
    runs.open(KEY, NEIGHBOUR, 0.0)
    for _ in range(3):
        assert runs.answer(SEEDS[0], KEY, [77, 77], 0.0) == NOTHING
    assert not runs.is_known(run_of(KEY))


@pytest.mark.parametrize("lies", [[77], [], None])
def test_what_one_seed_of_three_says_changes_nothing(runs, lies):
    runs.open(KEY, NEIGHBOUR, 0.0)
    assert runs.answer(SEEDS[1], KEY, [], 0.0) == NOTHING
    assert runs.answer(SEEDS[0], KEY, lies, 0.0) == (
        Outcome([], denied=KEY) if lies == [] else NOTHING)
    if lies != []:
        assert runs.answer(SEEDS[2], KEY, [], 0.0) == Outcome([], denied=KEY)
    runs.deny(KEY, 0.0)
    genuine = ORIGIN, 78
    runs.open(genuine, NEIGHBOUR, 0.0)
    runs.answer(SEEDS[1], genuine, [78], 0.0)
    assert runs.answer(SEEDS[0], genuine, lies, 0.0) == NOTHING
    assert runs.answer(SEEDS[2], genuine, [78], 0.0) == Outcome([run_of(genuine)])


def test_when_too_few_answer_the_address_itself_is_dialled(runs):
    runs.open(KEY, NEIGHBOUR, 0.0)
    assert runs.answer(SEEDS[0], KEY, None, 0.0) == NOTHING
    assert runs.answer(SEEDS[1], KEY, [77], 0.0) == NOTHING
    assert runs.answer(SEEDS[2], KEY, None, 0.0) == Outcome([], dial=KEY)
    assert runs.is_open(KEY)
    assert runs.learn((ORIGIN, 78)) and runs.is_known(b"%b:78" % str(ORIGIN).encode())
    assert runs.is_open(KEY)  # the address has proved another run
    assert runs.learn(KEY) and runs.is_known(run_of(KEY)) and not runs.is_open(KEY)


def test_a_question_ahead_tells_of_all_runs_and_dials_nobody(runs):
    ahead = ORIGIN, 0
    runs.open(ahead, None, 0.0)
    assert runs.answer(SEEDS[0], ahead, [1, 2, 3], 0.0) == NOTHING
    genuine = [run_of((ORIGIN, start)) for start in (1, 3)]
    assert runs.answer(SEEDS[1], ahead, [3, 1], 0.0) == Outcome(genuine)
    assert not runs.is_known(run_of((ORIGIN, 2)))
    assert runs.answer(SEEDS[2], ahead, None, 0.0) == NOTHING and not runs.is_open(ahead)


def test_without_seeds_the_address_itself_is_dialled():
    runs = KnownRuns([])
    runs.open(KEY, NEIGHBOUR, 0.0)
    assert runs.undecided(KEY) == Outcome([], dial=KEY)


def test_a_denied_run_rests_and_blames_who_brought_it_first_once(runs):
    runs.open(KEY, NEIGHBOUR, 0.0)
    assert not runs.open(KEY, peer(21), 0.0)  # it is being asked about
    assert runs.deny(KEY, 5.0) == (True, NEIGHBOUR)
    assert runs.open(KEY, peer(21), 5.0 + REST - 1) is False
    assert runs.open(KEY, peer(21), 5.0 + REST) is True
    assert runs.deny(KEY, 25.0) == (True, None)  # who is honest may bring it again and again


def test_a_run_is_denied_without_seeds_that_cannot_change_it(runs):
    runs.open(KEY, NEIGHBOUR, 0.0)
    assert runs.answer(SEEDS[0], KEY, [5], 0.0) == NOTHING
    assert runs.answer(SEEDS[1], KEY, [], 0.0) == Outcome([], denied=KEY)  # the third is slow
    runs.deny(KEY, 0.0)
    assert runs.answer(SEEDS[2], KEY, [77], 0.0) == NOTHING and not runs.is_known(run_of(KEY))


def test_neighbours_that_ask_about_ever_more_runs_leave_places_for_others(runs, monkeypatch):
    monkeypatch.setattr(known_runs, "OPEN_LIMIT", 16)

    def opened(brought_by, port):
        return sum(runs.open((ORIGIN, port * 100 + n), brought_by, 0.0) is True for n in range(16))

    assert opened(NEIGHBOUR, 1) == 8
    assert opened(peer(21), 2) == 4
    assert opened(None, 3) == 2  # a seed that names ever more peers
    assert opened(peer(22), 4) == 1
    assert opened(NEIGHBOUR, 5) == 0
    runs.deny((ORIGIN, 100), 0.0)
    assert opened(peer(23), 6) == 1


def test_what_is_remembered_is_bounded(monkeypatch):
    monkeypatch.setattr(known_runs, "KNOWN_LIMIT", 3)
    monkeypatch.setattr(known_runs, "UNCONFIRMED_LIMIT", 3)
    runs = KnownRuns(SEEDS, b"own")
    for start in range(1, 6):
        runs.learn((ORIGIN, start))
        runs.open((NEIGHBOUR, start), None, 0.0)
        runs.deny((NEIGHBOUR, start), 0.0)
    assert runs.is_known(b"own")
    assert [runs.is_known(run_of((ORIGIN, start))) for start in range(1, 6)] == (
        [False] * 3 + [True] * 2)
    assert [runs.open((NEIGHBOUR, start), None, 1.0) for start in range(1, 6)] == (
        [True] * 2 + [False] * 3)


def test_a_run_that_became_known_meanwhile_is_asked_about_no_longer(runs):
    runs.open(KEY, NEIGHBOUR, 0.0)
    runs.open((ORIGIN, 0), None, 0.0)
    runs.answer(SEEDS[0], (ORIGIN, 0), [77], 0.0)
    assert runs.answer(SEEDS[1], (ORIGIN, 0), [77], 0.0) == Outcome([run_of(KEY)])
    assert not runs.is_open(KEY)
    assert not runs.open(KEY, NEIGHBOUR, 0.0) and not runs.is_open(KEY)
    assert runs.deny(KEY, 0.0) == (False, None)
    assert runs.is_known(run_of(KEY))


# Which runs count in judgements.


def test_a_run_counts_once_most_seeds_name_it(runs):
    run = run_of(KEY)
    runs.open(KEY, NEIGHBOUR, 0.0)
    runs.answer(SEEDS[0], KEY, [77], 1.0)
    assert not runs.counts(run, 1.0)
    runs.answer(SEEDS[1], KEY, [77], 2.0)
    assert runs.counts(run, 2.0)


def test_what_only_the_address_has_proved_does_not_count_and_is_asked_about_again(runs):
    run = run_of(KEY)
    runs.learn(KEY)
    assert runs.is_known(run) and not runs.counts(run, 1e9)
    assert runs.ask_again(KEY, 10.0) is True and runs.ask_again(KEY, 10.0) is False
    for seed in SEEDS:
        assert runs.answer(seed, KEY, None, 11.0) == NOTHING  # nothing else is dialled or denied
    assert not runs.is_asked(KEY)
    assert runs.ask_again(KEY, 10.0 + REST - 1) is False
    assert runs.ask_again(KEY, 10.0 + REST) is True
    for seed in SEEDS[:2]:
        runs.answer(seed, KEY, [77], 30.0)
    assert runs.counts(run, 30.0) and runs.ask_again(KEY, 1e9) is False


@pytest.mark.parametrize("before", [True, False], ids=["before most do", "after that"])
def test_a_run_on_which_seeds_differ_counts_when_who_denied_it_has_asked_again(runs, before):
    run, without = run_of(KEY), SEEDS[0 if before else 2]
    naming = [seed for seed in SEEDS if seed is not without]
    runs.open(KEY, NEIGHBOUR, 0.0)
    for seed in sorted(SEEDS, key=lambda seed: (seed is without) != before):
        runs.answer(seed, KEY, [77] if seed in naming else [], 1.0)
    assert runs.is_known(run) and not runs.is_asked(KEY)
    assert not runs.counts(run, 1.0 + DOUBT - 0.1) and runs.counts(run, 1.0 + DOUBT)
    assert DOUBT > REST


def test_a_run_that_was_denied_and_is_named_later_counts_later(runs):
    for at, starts in ((0.0, []), (20.0, [77])):
        runs.open(KEY, NEIGHBOUR, at)
        for seed in SEEDS[:2]:
            runs.answer(seed, KEY, starts, at)
        runs.deny(KEY, at)
    assert not runs.counts(run_of(KEY), 39.0) and runs.counts(run_of(KEY), 40.0)


def test_a_run_that_no_seed_named_when_it_was_known_already_counts_later(runs):
    runs.learn(KEY)
    for at, starts in ((0.0, []), (REST, [77])):
        assert runs.ask_again(KEY, at)
        for seed in SEEDS:
            runs.answer(seed, KEY, starts, at)
    assert not runs.counts(run_of(KEY), REST + DOUBT - 1)
    assert runs.counts(run_of(KEY), REST + DOUBT)


def test_with_an_even_number_of_seeds_half_are_too_few():
    seeds = [peer(number) for number in range(1, 7)]
    runs = KnownRuns(seeds)
    runs.learn(KEY)
    runs.ask_again(KEY, 0.0)
    for number, seed in enumerate(seeds):
        runs.answer(seed, KEY, [77] if number < 3 else [], 1.0)
    assert runs.is_known(run_of(KEY)) and not runs.counts(run_of(KEY), 1e9)
