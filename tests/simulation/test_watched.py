"""Watched networks in virtual time: attackers are found out, and nobody else is, come what may."""

import functools

import pytest

from grapevine.lab.attackers import KINDS
from grapevine.lab.proof.disturbances import HOLDS
from grapevine.lab.proof.malicious import Tally
from grapevine.lab.simulation.accidents import Accident
from grapevine.lab.simulation.drawing import draw_schedule, draw_watched
from grapevine.lab.simulation.simulate import play
from grapevine.settings import WAYS
from tests.tools.folders import simulated

EIGHT = ",".join(f"{kind}:1" for kind in (
    "drop", "drophalf", "tamper", "forge", "forbidden", "collude", "slander", "onoff"))
IN_A_ROW = 10  # schedules, in the slow tests


def tally_of(number, attacks, **conditions):
    return play(draw_watched(number, attacks, **conditions)).tally


@pytest.mark.parametrize("number, peers", [(2, 20), pytest.param(3, 40, marks=pytest.mark.slow)])
def test_eight_attackers_are_kicked_in_time_and_nobody_else_is(number, peers):
    tally = tally_of(number, EIGHT, peers=peers, capacity="fixed:6")
    assert (len(tally.took) + tally.early, tally.missed, tally.falsely) == (8, [], [])
    assert len(tally.took) >= 7 and tally.late == []


def test_silent_attackers_lose_their_honest_neighbours_and_liars_are_disbelieved():
    tally = tally_of(1, "mute:1,falsedead:1", peers=12, capacity="fixed:6")
    assert (tally.attackers, tally.faults, tally.falsely) == (2, [], [])


def test_two_texts_are_punished_within_two_periods():
    tally = tally_of(1, "twotexts:1", peers=8, capacity="fixed:4")
    assert len(tally.took) == 1 and max(tally.took) < 2.5 and tally.falsely == []


def test_the_command_tells_who_was_found_out(capfd):
    flags = ["--malicious", "tamper:1", "--peers", "6", "--seeds", "2", "--capacity", "fixed:6"]
    assert simulated([*flags, "--schedule", "1"]) == 0
    assert "malicious  holds   kicked 1 of 1 attackers, missed 0, " in capfd.readouterr().out
    assert simulated([*flags, "--schedules", "2"]) == 0
    held, row = capfd.readouterr().out.splitlines()
    assert held.startswith("2 of 2 schedules held; 60 simulated seconds in ")
    assert row.startswith("malicious  holds   kicked 2 of 2 attackers, ")
    assert simulated(["--malicious", "smile:2"]) == 2
    assert "smile:2" in capfd.readouterr().err


@pytest.mark.parametrize("flags, says", [
    (["--malicious", "tamper:40"], "nobody honest and alive of 40 peers"),
    (["--malicious", "drop:2,tamper:3", "--peers", "5"], "nobody honest and alive of 5 peers"),
    (["--file", "schedule.txt"], "'smile' is not KIND:COUNT")])
def test_attacks_that_leave_nobody_or_are_none_are_a_line_of_error(flags, says, tmp_path, capfd,
                                                                   monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "schedule.txt").write_text("schedule 1 malicious=smile\n0 start 127.0.0.1:5000\n")
    assert simulated(flags) == 2
    assert says in capfd.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("attacks", [f"{kind}:4" for kind in KINDS] + ["none"])
def test_four_attackers_of_a_kind_are_kicked_in_many_schedules(attacks):
    tallies = [tally_of(number, attacks) for number in range(1, 1 + IN_A_ROW)]
    assert [fault for tally in tallies for fault in tally.falsely + tally.faults] == []
    assert functools.reduce(Tally.plus, tallies).verdict() == HOLDS


# Nobody attacks, and nobody is blamed.

@pytest.mark.parametrize("number, peers", [
    (4, 8), *[pytest.param(number, 12, marks=pytest.mark.slow) for number in (2, 8)]])
def test_nobody_is_shut_out_of_a_restless_network_without_attackers(number, peers):
    tally = play(draw_watched(number, "none", peers=peers)).tally
    assert tally.falsely == [] and tally.took == []


@pytest.mark.slow
def test_nobody_has_to_leave_an_honest_neighbour_alone_where_seeds_come_and_go():
    assert play(draw_watched(104, "none", peers=24, capacity="fixed:6")).tally.faults == []


def test_two_halves_that_heal_blame_nobody():
    schedule = draw_watched(1, "none", peers=10, capacity="fixed:4")
    half = tuple(sorted({accident.who[0] for accident in schedule.accidents})[::2])
    cuts = tuple(Accident(at, "cut", half, 6.0) for at in (7.0, 16.0))
    outcome = play(schedule._replace(accidents=schedule.accidents + cuts))
    assert outcome.tally.falsely == [] and outcome.tally.faults == []
    assert [row.verdict for row in outcome.rows if row.name == "pieces"] == [HOLDS]


@pytest.mark.parametrize("spread", WAYS)
@pytest.mark.parametrize("number", [91, 94, pytest.param(92, marks=pytest.mark.slow)])
def test_a_network_that_monitors_heals_from_accidents_and_finds_nobody_bad(number, spread):
    assert play(draw_schedule(number, monitor=True, spread=spread)).faults == []
