"""Schedules in virtual time: real nodes heal from accidents, and the judge finds mistakes."""

import pathlib
import socket
import threading

import pytest

from gossip.lab.experiments.accidents import parse_schedule
from gossip.lab.experiments.drawing import LIED_TO, draw_schedule
from gossip.lab.experiments.schedules import play, shrink
from gossip.lab.proof.records import Records
from peer import Peer
from seed import Seed
from tests.tools import mistakes
from tests.tools.simulated import CLASSES, faults_of, outcome_of

KEPT_FILE = pathlib.Path(__file__).parent / "kept_schedules.txt"
KEPT = {text.splitlines()[0].removeprefix("# "): parse_schedule(text.partition("\n")[2])
        for text in KEPT_FILE.read_text().split("\n\n")}
PEER = "127.0.0.1:5000"


@pytest.mark.parametrize("number", [
    *range(1, 5), *(pytest.param(number, marks=pytest.mark.slow) for number in range(5, 51))])
def test_a_network_heals_from_the_accidents_of_fifty_schedules(number):
    assert faults_of(number) == []


@pytest.mark.parametrize("number", [  # in every third a seed lies about runs
    15, 16, *(pytest.param(number, marks=pytest.mark.slow) for number in (17, 18))])
def test_a_network_that_signs_heals_from_accidents(number):
    assert faults_of(number, sign=True) == []


@pytest.mark.slow
@pytest.mark.parametrize("hundred", range(10))
def test_a_network_that_signs_heals_from_the_accidents_of_a_thousand_schedules(hundred):
    numbers = range(1_000 + 100 * hundred, 1_100 + 100 * hundred)
    assert {number: faults for number in numbers if (faults := faults_of(number, sign=True))} == {}


@pytest.mark.slow
@pytest.mark.parametrize("hundred", range(10))
def test_a_network_heals_from_the_accidents_of_a_thousand_schedules(hundred):
    numbers = range(1_000 + 100 * hundred, 1_100 + 100 * hundred)
    assert {number: faults for number in numbers if (faults := faults_of(number))} == {}


@pytest.mark.slow
def test_a_network_heals_from_two_hundred_gentle_schedules():
    for number in range(3_000, 3_200):
        outcome = play(draw_schedule(number, gentle=True), CLASSES)
        assert (number, [str(fault) for fault in outcome.faults]) == (number, [])


@pytest.mark.parametrize("name", KEPT)
def test_a_schedule_that_once_found_something_holds(name):
    assert faults_of(KEPT[name]) == []


@pytest.mark.slow
@pytest.mark.parametrize("mistake", mistakes.BY_CHANCE, ids=lambda mistake: mistake.__name__)
def test_a_planted_mistake_is_found_within_a_hundred_schedules(mistake, monkeypatch):
    mistake(monkeypatch)
    found = next((number for number in range(1, 101) if faults_of(number)), None)
    assert found is not None
    monkeypatch.undo()
    assert faults_of(found) == []  # so it was the mistake that was found


@pytest.mark.parametrize("mistake", mistakes.BY_KEPT, ids=lambda mistake: mistake.__name__)
def test_a_planted_mistake_is_found_by_the_schedule_that_is_kept_for_it(mistake, monkeypatch):
    mistake(monkeypatch)
    assert any(fault.startswith("while it happened") for fault in faults_of(KEPT[mistake.__name__]))


@pytest.mark.parametrize("mistake", mistakes.BY_SIGNED, ids=lambda mistake: mistake.__name__)
def test_a_planted_mistake_about_runs_is_found_by_the_schedule_that_is_kept_for_it(mistake,
                                                                                   monkeypatch):
    mistake(monkeypatch)
    assert faults_of(KEPT[mistake.__name__])[0].startswith(
        ("messages: ", "pieces: ", "after the rest: "))


@pytest.mark.slow
@pytest.mark.parametrize("mistake", mistakes.BY_SIGNED, ids=lambda mistake: mistake.__name__)
def test_a_planted_mistake_about_runs_is_found_within_two_hundred_schedules(mistake, monkeypatch):
    mistake(monkeypatch)  # of use where a seed lies: the others prove their runs over links anyway
    found = next((number for number in range(LIED_TO, 201 * LIED_TO, LIED_TO)
                  if faults_of(number, sign=True)), None)
    assert found is not None
    monkeypatch.undo()
    assert faults_of(found, sign=True) == []


def test_no_thread_and_no_socket_is_needed(monkeypatch):
    def none(*arguments, **words):
        raise AssertionError("no thread and no socket is to be had in virtual time")
    monkeypatch.setattr(threading.Thread, "start", none)
    monkeypatch.setattr(socket, "socket", none)
    assert faults_of(3) == []


@pytest.mark.slow
def test_a_schedule_that_fails_is_made_smaller_and_still_fails(monkeypatch):
    mistakes.a_lost_registration_is_not_probed(monkeypatch)
    schedule, question = next(
        (draw_schedule(number), faults[0].question) for number in range(1, 101)
        if (faults := outcome_of(number).faults))
    smaller = shrink(schedule, question, CLASSES)
    assert len(smaller.accidents) < len(schedule.accidents) / 2
    assert question in {fault.question for fault in outcome_of(smaller).faults}
    assert parse_schedule(str(smaller)) == smaller


def test_who_spins_is_a_failure_that_names_the_duty(monkeypatch):
    monkeypatch.setattr(Peer, "check_liveness", lambda self, now: now)
    [fault] = outcome_of(KEPT["gossip_is_sent_before_accepted"]).faults
    assert fault.question == "spins" and "'liveness' of 127.0.0.1:5001" in fault.text


def test_who_turns_again_and_again_while_hardly_any_time_passes_spins_too(monkeypatch):
    monkeypatch.setattr(Peer, "check_liveness", lambda self, now: now + 0.01)
    faults = faults_of(KEPT["gossip_is_sent_before_accepted"])
    assert any("'liveness' of 127.0.0.1:5001 took" in fault for fault in faults)


def test_a_node_that_raises_is_a_failure_that_names_it(monkeypatch):
    def broken(self, link, message):
        raise KeyError("broken")
    monkeypatch.setattr(Seed, "on_ask_peer_list", broken)
    [fault] = outcome_of(KEPT["gossip_is_sent_before_accepted"]).faults
    assert fault.question == "failed" and "127.0.0.1:4001" in fault.text and "broken" in fault.text


def test_until_a_second_nothing_more_happens_and_the_rest_is_not_judged():
    schedule = draw_schedule(4)
    outcome = play(schedule, CLASSES, until=20.0)
    records = Records(outcome.folder).refresh()
    assert outcome.simulated == 20.0 and outcome.faults == []
    assert 0 < records.newest() - min(run.first for run in records.peers) < 20.0
