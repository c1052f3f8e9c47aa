"""The row about liveness rounds: who has neighbours asks them in the rounds that are due."""

import pytest

from grapevine.lab.proof import check
from grapevine.lab.proof.disturbances import FAILS, HOLDS
from tests.tools.stories import tell

UP = """
    0.0 5001 starts
    0.0 5002 starts
    1.0 5001 links 5002
    1.0 5001 lives until {lives}
    1.5 5001 asks 5002 until {hears}
    1.0 5002 lives until 41
"""
OTHER = "1.6 5002 liveness request:@5001 until 41"
ASKS = "{0} 5001 liveness request:@5002 until {1}"
NINE = ASKS.format(1.5, 9)


def rounds(folder, *stories, hears=41, lives=41, **settings):
    """Return the row of a story in which 5001 hears from 5002, and lives, until these seconds."""
    return check.liveness(tell(folder, UP.format(hears=hears, lives=lives), *stories, **settings))


@pytest.mark.parametrize("story, verdict", [
    (ASKS.format(1.5, 41), HOLDS),
    (ASKS.format(20.5, 41), HOLDS),  # in 21 of 40 rounds
    (ASKS.format(22.5, 41), FAILS),
    ("", FAILS),
    ("\n".join([ASKS.format(1.5, 11)] * 3), FAILS),  # thrice at once is one round
])
def test_a_peer_with_neighbours_asks_them_in_half_of_the_rounds_due_at_least(tmp_path, story,
                                                                            verdict):
    assert rounds(tmp_path, OTHER, story).verdict == verdict


def test_a_peer_that_did_not_ask_is_named_with_its_rounds(tmp_path):
    assert rounds(tmp_path, ASKS.format(1.5, 11)).details == [
        "127.0.0.1:5001 asked its neighbours in 10 rounds of 39",
        "127.0.0.1:5002 asked its neighbours in 0 rounds of 39"]


@pytest.mark.parametrize("story, hears, lives, verdict", [
    ("10 5001 parts 5002 left", 41, 41, HOLDS), ("30 5001 parts 5002 left", 41, 41, FAILS),
    ("10 5001 leaving:@5001", 41, 41, HOLDS), ("10 5001 stopped:interrupted", 9, 9, HOLDS),
    ("10 5001 liveness missed:@5002:2", 41, 41, FAILS),
    ("10 5001 liveness missed:@5002:2", 9, 41, FAILS),
    ("10 5001 liveness missed:@5002:3", 9, 41, FAILS),
    ("38 5001 late:28.500 \n 38 5001 lives until 41", 9, 9, HOLDS),  # it was frozen
    ("\n".join([f"{at} 5001 late:0.600" for at in range(10, 41)]), 9, 41, HOLDS),
])
def test_no_round_is_due_without_a_neighbour_that_may_answer(tmp_path, story, hears, lives,
                                                             verdict):
    found = rounds(tmp_path, OTHER, NINE, story, hears=hears, lives=lives)
    assert found.verdict == verdict


def test_rounds_of_less_than_a_second_are_due_once_a_second(tmp_path):
    found = rounds(tmp_path, OTHER, ASKS.format(1.5, 41), liveness_interval=0.1)
    assert found.verdict == HOLDS
