"""Watched networks in virtual time, in which nobody attacks: whatever happens, nobody is blamed."""

import pytest

from grapevine.lab.proof.disturbances import HOLDS
from grapevine.lab.simulation.accidents import Accident
from grapevine.lab.simulation.drawing import draw_schedule, draw_watched
from grapevine.lab.simulation.simulate import play
from grapevine.settings import WAYS


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
