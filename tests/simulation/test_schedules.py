"""Schedules in virtual time: the network heals from accidents, and the judge finds mistakes."""

import concurrent.futures
import functools
import multiprocessing
import os
import pathlib
import subprocess
import sys

import pytest

from grapevine.lab.proof import check
from grapevine.lab.proof.disturbances import FAILS
from grapevine.lab.proof.evidence import Row
from grapevine.lab.simulation.accidents import KINDS, parse_schedule, seed_addresses
from grapevine.lab.simulation.drawing import draw_schedule
from grapevine.lab.simulation.simulate import play
from grapevine.node import Node
from grapevine.peer import Peer
from grapevine.seed import Seed
from grapevine.settings import WAYS
from grapevine.sync import Sync
from tests.tools.folders import files_of, simulated
from tests.tools.programs import ROOT

FILE = pathlib.Path(__file__).with_name("kept_schedules.txt")
KEPT = {text.splitlines()[0].removeprefix("# "): text.partition("\n")[2]
        for text in FILE.read_text(encoding="utf-8").split("\n\n")}
SEEDS_WITHOUT_POWER = """schedule 1 seeds=3
0.000 start 127.0.0.1:4000 127.0.0.1:4001 127.0.0.1:4002
1.000 start 127.0.0.1:5000 127.0.0.1:5001
20.000 power 127.0.0.1:4000 127.0.0.1:4001"""
NEWCOMER = """schedule 1 seeds=1 latency=0.1
0.000 start 127.0.0.1:4000 127.0.0.1:5000
3.000 say 127.0.0.1:5000 x30
10.000 start 127.0.0.1:5001
{} kill 127.0.0.1:5000"""
MISSED_BY_A_NEWCOMER = """schedule 1 latency=0.1
0.000 start 127.0.0.1:4000 127.0.0.1:5000
3.000 say 127.0.0.1:5000 x30
10.000 start 127.0.0.1:5001
20.000 freeze 127.0.0.1:5001 for 3.000
30.000 say 127.0.0.1:5001 x1"""
ONE_OF_EACH = """schedule 1 unrest=20
0.000 start 127.0.0.1:4000 127.0.0.1:5000 127.0.0.1:5001
5.000 leave 127.0.0.1:5000 for 0.001
7.000 freeze 127.0.0.1:5001 for 1.000
9.000 cut 127.0.0.1:5000 127.0.0.1:5001 for 1.000
11.000 slow 127.0.0.1:5000 for 1.000 x100
13.000 kill 127.0.0.1:5001 for 1.000"""


def faults_of(schedule):
    return [str(fault) for fault in play(schedule).faults]


# The network heals.

@pytest.mark.parametrize("name", KEPT)
def test_a_schedule_that_once_found_something_holds(name):
    assert faults_of(parse_schedule(KEPT[name])) == []


@pytest.mark.parametrize("number", range(1, 21))
def test_a_network_heals_from_accidents(number):
    assert faults_of(draw_schedule(number)) == []


@pytest.mark.parametrize("number", range(44, 54))
def test_a_network_stays_together_when_all_seeds_die(number):
    assert faults_of(draw_schedule(number, seedless=True)) == []


@pytest.mark.parametrize("number", range(61, 73))
def test_a_network_heals_where_all_is_late_and_machines_lose_power(number):
    assert faults_of(draw_schedule(number, hard=True)) == []


@pytest.mark.parametrize("number", [*range(76, 91), 9012, 33075])
def test_a_network_that_signs_heals_though_a_seed_lies(number):
    assert faults_of(draw_schedule(number, sign=True, spread=WAYS[number // 3 % len(WAYS)])) == []


@pytest.mark.slow
@pytest.mark.parametrize("ten", range(100, 130))
def test_a_network_heals_from_the_accidents_of_many_schedules(ten):
    for number in range(10 * ten, 10 * ten + 10):
        for kind in ({}, {"seedless": True}, {"hard": True}, {"sign": True},
                     {"sign": True, "hard": True, "spread": WAYS[number % len(WAYS)]}):
            assert (number, kind, faults_of(draw_schedule(number, **kind))) == (number, kind, [])


# The judge finds mistakes.

def test_what_may_never_happen_is_found_while_it_happens(monkeypatch):
    original = Peer.enter

    def enter(self, link, peer, is_dialled):
        if not is_dialled:
            self.compare(link)  # before it says that it accepts
        original(self, link, peer, is_dialled)
    monkeypatch.setattr(Peer, "enter", enter)
    assert any(fault.startswith("while it happened: ")
               for fault in faults_of(parse_schedule(KEPT["gossip is sent before accepted"])))


@pytest.mark.parametrize("owner, method, fake, question", [
    (Peer, "dial_ended", lambda self, link, error: None, "left over"),
    (Peer, "compare", lambda self, link, pause=0.0: None, "messages"),
    (Peer, "look_after_links", lambda self, now, original=Peer.look_after_links:
        min(original(self, now), now + 0.02), "quiet"),
    (Peer, "gossip_links", lambda self: self.neighbours.links[:1], "after the rest"),
    (Peer, "dial_peer", lambda self, peer, original=Peer.dial_peer:
        original(self, peer) if peer.port % 2 else None, "pieces"),
    (Seed, "judge_lost", lambda self, peer, row, alive: None, "lists"),
    (Node, "took", lambda self, link, data: 1 / 0, "failed")])
def test_each_question_of_the_judge_finds_a_mistake(owner, method, fake, question, monkeypatch):
    monkeypatch.setattr(owner, method, fake)
    asked = (fault.question for number in range(1, 21)
             for fault in play(draw_schedule(number)).faults)
    assert question in asked


def test_a_registration_with_a_machine_without_power_is_found(monkeypatch):
    schedule = parse_schedule(SEEDS_WITHOUT_POWER)
    assert faults_of(schedule) == []
    monkeypatch.setattr(Peer, "repeat_registrations", lambda self: None)
    assert any(fault.startswith("registrations: ") for fault in faults_of(schedule))


def test_an_offer_that_is_kept_after_its_link_is_found(monkeypatch):
    monkeypatch.setattr(Sync, "ended", lambda self, link: None)
    faults = [fault for tenth in range(130, 160)
              for fault in faults_of(parse_schedule(NEWCOMER.format(tenth / 10)))]
    assert "left over: 127.0.0.1:5001 still lacks what 127.0.0.1:5000 has offered" in faults


# The text of schedules.

def test_a_schedule_is_what_its_text_says():
    for number in range(50):
        schedule = draw_schedule(number)
        assert parse_schedule(str(schedule)) == schedule


def test_all_accidents_are_over_in_time():
    assert all(accident.at + (accident.seconds or 0) <= schedule.conditions.unrest
               for schedule in map(draw_schedule, range(200)) for accident in schedule.accidents)


def test_chance_brings_every_kind_of_accident_and_to_gentle_schedules_none_of_machines():
    def kinds(**flags):
        return {accident.kind for number in range(40)
                for accident in draw_schedule(number, **flags).accidents}

    assert kinds() == KINDS.keys()
    assert kinds() - kinds(gentle=True) == {"freeze", "cut", "slow", "power"}


def test_accidents_end_and_who_leaves_is_started_again_once_it_has_ended():
    files = files_of(ONE_OF_EACH)
    one, other = "127.0.0.1:5000", "127.0.0.1:5001"
    assert [event for _, event in files["scenario.txt"]][3:] == [
        f"leave:{one}", f"start:{one}", f"freeze:{other}", f"thaw:{other}", f"cut:{one} {other}",
        f"mend:{one} {other}", f"slow:{one}", f"fast:{one}", f"kill:{other}", f"start:{other}"]
    for peer, ends in (one, ["stopped:quit"]), (other, []):
        events = [event for _, event in files[f"peer_{peer.replace(':', '_')}.txt"]]
        assert events.count(f"started:peer:{peer}") == 2
        assert [event for event in events if event.startswith("stopped:")] == ends


def test_a_number_stands_for_one_schedule_and_as_many_nodes_start_as_are_asked_for():
    assert draw_schedule(7) == draw_schedule(7) != draw_schedule(8)
    schedule = draw_schedule(3, peers=30, seeds=4)
    started = {accident.who[0] for accident in schedule.accidents if accident.kind == "start"}
    assert len(started) == 34 and started > set(seed_addresses(4))


def test_all_seeds_end_for_good_in_a_seedless_schedule():
    for number in range(50):
        schedule = draw_schedule(number, seedless=True)
        seeds = seed_addresses(schedule.conditions.seeds)
        deaths = {accident.who[0]: accident for accident in schedule.accidents
                  if accident.kind in ("kill", "power")}
        for seed in seeds:
            assert deaths[seed].seconds is None and deaths[seed].at > 10.0


def test_a_hard_schedule_has_late_calls_and_losses_of_power():
    for number in range(50):
        schedule = draw_schedule(number, hard=True)
        assert schedule.conditions.lag >= 0.1
        assert any(accident.kind == "power" for accident in schedule.accidents)


@pytest.mark.parametrize("text, complaint", [
    ("schedule 1 seeds=70000", "seeds is a number from 1 to 1000"),
    ("schedule 1 capacity=fixed:x", "'fixed:x' is none of"),
    ("plan 1", "'plan 1': the first line is"),
    ("", "'': the first line is"), ("schedule x", "'schedule x': invalid literal"),
    ("schedule 1\n1.0 kill", "'1.0 kill': a line is"),
    ("schedule 1 colour=red", "no condition is called colour"),
    ("schedule 1\n1.0 start 127.0.0.1:5000 for 3", "a start does not end"),
    ("schedule 1\n1.0 burn 127.0.0.1:5000", "'burn' is none of start, say"),
    ("schedule 1\n1.0 kill 127.0.0.1", "'127.0.0.1' is not IP:PORT"),
    ("schedule 1\n1.0 kill 127.0.0.1:5000 x3", "a number xN goes with each of say"),
    ("schedule 1\n1.0 say 127.0.0.1:5000 x-3", "a line is"),
    ("schedule 1\nsoon kill 127.0.0.1:5000", "a line is")])
def test_a_line_that_is_no_accident_is_named(text, complaint):
    with pytest.raises(ValueError, match=complaint):
        parse_schedule(text)


# The proof.

@pytest.mark.parametrize("kind", ["reset", "slow"])
@pytest.mark.parametrize("row", ["once", "broadcast"])
def test_what_the_files_do_not_prove_is_a_fault(kind, row, monkeypatch):
    monkeypatch.setattr(check, "prove", lambda records: [Row(row, FAILS, "", ["seen twice"])])
    schedule = parse_schedule(f"schedule 1 unrest=2\n0.000 start 127.0.0.1:4000\n"
                              f"1.000 {kind} 127.0.0.1:4000 x1")
    assert faults_of(schedule) == [f"check of {row}: seen twice"]
    assert play(schedule, until=1.0).faults == []


# The command.

def test_the_same_number_gives_the_same_bytes_in_every_process(tmp_path):
    folders = [tmp_path / "one", tmp_path / "two"]
    runs = [subprocess.Popen(
        [sys.executable, ROOT / "runner.py", "simulate", "--schedule", "31", "--peers", "5",
         "--outputs", folder],
        env=os.environ | {"PYTHONHASHSEED": seed}, text=True, stdout=subprocess.PIPE)
        for folder, seed in zip(folders, "17")]
    shown = [run.communicate(timeout=60)[0].partition(" calls in ")[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0] and shown[0] == shown[1]
    one, two = ({file.name: file.read_bytes() for file in folder.iterdir()} for folder in folders)
    assert one == two and sum(map(len, one.values())) > 50_000


def test_many_schedules_are_played_and_each_that_fails_is_shown(monkeypatch, capfd):
    assert simulated(["--schedules", "3", "--peers", "3"]) == 0
    assert capfd.readouterr().out.startswith("3 of 3 schedules held; ")
    monkeypatch.setattr(Peer, "compare", lambda self, link, pause=0.0: None)
    monkeypatch.setattr(  # processes that inherit the mistake
        concurrent.futures, "ProcessPoolExecutor", functools.partial(
            concurrent.futures.ProcessPoolExecutor,
            mp_context=multiprocessing.get_context("fork")))
    assert simulated(["--schedules", "2", "--from", "20", "--seeds", "2", "--hard"]) == 1
    shown = capfd.readouterr().out
    assert "schedule 20 FAILS: messages: messages differ: " in shown
    assert "python runner.py simulate --schedule 20 --seeds 2 --hard\n" in shown
    assert "of 2 schedules held; " in shown


def test_what_fails_is_made_smaller_and_can_be_played_again(monkeypatch, tmp_path, capfd):
    monkeypatch.setattr(Peer, "compare", lambda self, link, pause=0.0: None)
    file = tmp_path / "schedule.txt"
    file.write_text(MISSED_BY_A_NEWCOMER, encoding="utf-8")
    assert simulated(["--file", str(file), "--shrink"]) == 1
    smaller = capfd.readouterr().out.partition("the smallest schedule found")[2]
    smaller = smaller[smaller.index("schedule 1 seeds=1"):]
    assert "latency=0.001 " in smaller and "freeze" not in smaller
    file.write_text(smaller, encoding="utf-8")
    assert simulated(["--file", str(file)]) == 1
    assert " messages: messages differ: " in capfd.readouterr().out


def test_a_run_may_be_ended_early_and_then_only_what_may_never_happen_is_judged(capfd):
    assert simulated(["--schedule", "5", "--until", "12"]) == 0
    assert "verdict    holds   12 simulated seconds" in capfd.readouterr().out


@pytest.mark.parametrize("arguments, complaint", [
    (["--schedules", "0"], "argument --schedules: '0' is not a whole number of 1 or more "),
    (["--schedules", "2", "--shrink"], "--shrink is for one schedule, --schedules for many"),
    (["--colour"], "unrecognized arguments: --colour"),
    (["--file", "nowhere.txt"], "cannot read nowhere.txt: No such file"),
    (["--seeds", "1001"], "argument --seeds: '1001' is not a whole number from 1 to 1000")])
def test_bad_usage_is_told_in_one_line(arguments, complaint, capfd):
    assert simulated(arguments) == 2
    out, error = capfd.readouterr()
    assert error.startswith(f"runner.py simulate: {complaint}")
    assert out == "" and error.count("\n") == 1
