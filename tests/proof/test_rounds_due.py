"""The row about liveness rounds: who has neighbours asks them in the rounds that are due."""

import pytest

from grapevine.lab.proof import check
from grapevine.lab.proof.disturbances import FAILS, HOLDS
from tests.tools.stories import tell, verdict

UP = """
    0.0 5001 starts
    0.0 5002 starts
    1.0 5001 links 5002
    1.0 5001 lives until 41
    1.5 5001 asks 5002 until 41
    1.0 5002 lives until 41
"""
ASKS = "{0} 5001 liveness request:@5002 until {1}"


def rounds_hold(folder, *stories, **settings):
    story = "1.6 5002 liveness request:@5001 until 41"
    return verdict(folder, UP, story, *stories, row=check.liveness, **settings) == HOLDS


@pytest.mark.parametrize("story, healthy", [
    (ASKS.format(1.5, 41), True),
    (ASKS.format(20.5, 41), True),  # in 21 of 40 rounds
    (ASKS.format(22.5, 41), False),
    ("", False),
    ("\n".join([ASKS.format(1.5, 11)] * 3), False),  # thrice at once is one round
])
def test_a_peer_with_neighbours_asks_them_in_half_of_the_rounds_due_at_least(tmp_path, story,
                                                                            healthy):
    assert rounds_hold(tmp_path, story) is healthy


def test_a_peer_that_did_not_ask_is_named_with_its_rounds(tmp_path):
    row = check.liveness(tell(tmp_path, UP, ASKS.format(1.5, 11)))
    assert row.details == ["127.0.0.1:5001 asked its neighbours in 10 rounds of 39",
                           "127.0.0.1:5002 asked its neighbours in 0 rounds of 39"]


@pytest.mark.parametrize("story, healthy", [
    ("10 5001 parts 5002 left", True),
    ("30 5001 parts 5002 left", False),
    ("10 5001 liveness missed:@5002:2", False),
    ("10 5001 leaving:@5001", True),
    ("10 5001 stopped:interrupted", True),
])
def test_no_round_is_due_without_a_neighbour(tmp_path, story, healthy):
    up = UP.replace("5001 asks 5002 until 41", "5001 asks 5002 until 9").replace(
        "5001 lives until 41", "5001 lives until 9") if "stopped" in story else UP
    assert check.liveness(tell(tmp_path, up, ASKS.format(1.5, 9), story, """
        1.6 5002 liveness request:@5001 until 41
    """)).verdict == (HOLDS if healthy else FAILS)


@pytest.mark.parametrize("misses, answered, healthy", [(3, False, True), (2, False, False),
                                                       (3, True, False)])
def test_a_suspect_is_not_asked_until_it_answers(tmp_path, misses, answered, healthy):
    up = UP.replace("asks 5002 until 41", "asks 5002 until 9")
    up += "\n 12 5001 asks 5002" if answered else ""
    assert check.liveness(tell(tmp_path, up, ASKS.format(1.5, 9), f"""
        1.6 5002 liveness request:@5001 until 41
        10 5001 liveness missed:@5002:{misses}
    """)).verdict == (HOLDS if healthy else FAILS)


def test_a_frozen_peer_asks_nobody(tmp_path):
    up = UP.replace("5001 asks 5002 until 41", "5001 asks 5002 until 9").replace(
        "5001 lives until 41",
        "5001 lives until 9 \n 38 5001 late:28.500 \n 38 5001 lives until 41")
    assert check.liveness(tell(tmp_path, up, ASKS.format(1.5, 9), """
        1.6 5002 liveness request:@5001 until 41
    """)).verdict == HOLDS


def test_rounds_of_less_than_a_second_are_due_once_a_second(tmp_path):
    assert rounds_hold(tmp_path, ASKS.format(1.5, 41), liveness_interval=0.1)
