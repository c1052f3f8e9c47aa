"""Messages that no seed let travel: who could not find the others, and who had to."""

import pytest

from grapevine.lab.proof import check, delivery
from tests.tools.stories import PAIR, holds, tell

NO_SEED = """
    0.6 {0} unregistered:@8080:Connection refused
"""
STRANGERS = """
    0.5 5001 starts
    2.0 5001 says 1
    0.5 5002 starts
    2.0 5002 says 1
    70.0 5001 says 2
    70.0 5002 says 2
"""
ENDED = """
    70.2 5001 stopped:quit
    70.2 5002 stopped:quit
"""
BOTH_WITHOUT = NO_SEED.format(5001) + NO_SEED.format(5002)
ONE_LINE = "0.0 8080 starts \n 0.05 8080 lives until 70"
KILLED = "\n 0.4 8080 dies"


@pytest.mark.parametrize("end", ["", ENDED])
@pytest.mark.parametrize("story, healthy", [
    ("", True),  # no seed, as far as files tell
    (BOTH_WITHOUT, True),  # the same, by the peers' own word
    (ONE_LINE, False),  # a seed that has nothing to do is up
    ("0.0 8080 starts", True),  # of an earlier version
    (ONE_LINE + BOTH_WITHOUT + KILLED, True),
    (ONE_LINE + KILLED + "\n 0.3 8080 stopped:interrupted", True),
    (ONE_LINE + "\n 5 8080 starts", False),
    (ONE_LINE + BOTH_WITHOUT + KILLED + "\n 5 8080 starts \n 6.5 8080 dies", True),  # soon again
    (ONE_LINE + BOTH_WITHOUT + KILLED + "\n 5 8080 starts", False),  # they had to try again
    (ONE_LINE + NO_SEED.format(5001).replace("refused", "timed out"), True),  # cut off from it
    (ONE_LINE + "\n 0.7 5001 unregistered:@8080:registration refused: busy", False),
    ("0.7 5001 registered:@8080 \n 0.8 5002 registered:@8080", False),  # a seed elsewhere
    ("0.7 5001 registered:@8080 \n 0.8 5002 unregistered:@8080:Connection refused", True),
])
def test_two_that_never_met_are_a_failure_only_if_both_could_reach_a_seed(tmp_path, story, healthy,
                                                                          end):
    assert holds(tmp_path, STRANGERS, story, end) is healthy


@pytest.mark.parametrize("up, healthy", [(60, True), (30, False)])
def test_a_seed_that_comes_back_is_tried_again_after_a_pause(tmp_path, up, healthy):
    assert holds(tmp_path, STRANGERS, BOTH_WITHOUT, ENDED, f"""
        {up} 8080 starts
        {up} 8080 lives until 66
        66.5 8080 dies
    """) is healthy
    still_up = f"{up} 8080 starts \n {up} 8080 lives until 70"
    assert not holds(tmp_path, STRANGERS, still_up)  # and so are they


@pytest.mark.parametrize("story, healthy", [
    ("0.7 5001 registered:@8080", True),  # a seed that works, but is too far away
    ("", False),
    ("0.7 5001 registered:@8080 \n 20 5002 registered:@8080", False),
])
def test_a_seed_may_refuse_whom_it_cannot_reach_if_it_registers_others(tmp_path, story, healthy):
    assert holds(tmp_path, STRANGERS, ENDED, ONE_LINE, story, """
        0.6 5002 unregistered:@8080:Connection refused
        9 5002 refused:@8080:registration refused: no Liveness Reply from @5002
        8 8080 refused:@5002:no Liveness Reply from @5002
        60 8080 refused:@5009:no Liveness Reply from @5009
    """) is healthy


@pytest.mark.parametrize("late, healthy", [
    ("late:67.000", True), ("late:9.000", False), ("lives", False)])
def test_who_was_frozen_while_a_seed_was_up_may_have_met_nobody(tmp_path, late, healthy):
    assert holds(tmp_path, STRANGERS, ENDED, ONE_LINE, f"69.9 5001 {late}") is healthy


def test_two_that_were_neighbours_once_have_to_find_each_other_without_a_seed(tmp_path):
    assert not holds(tmp_path, STRANGERS, BOTH_WITHOUT, """
        1.0 5001 links 5002
        1.5 5001 parts 5002 dead
        1.5 5002 parts 5001 dead
    """)


def test_messages_that_no_seed_let_travel_are_shown(tmp_path):
    row = delivery.broadcast(tell(tmp_path, STRANGERS, BOTH_WITHOUT))
    assert "lost 4" in row.figures
    assert row.details[0] == "127.0.0.1:5001:1:1 had no way to 127.0.0.1:5002"


@pytest.mark.parametrize("seed_lost, healthy", [(35, True), (80, False)])
def test_pieces_that_no_seed_could_join_are_no_failure(tmp_path, seed_lost, healthy):
    """A seed that was started anew knew 5003 and 5004 only, and was killed at once."""
    lost = "".join(f"\n {seed_lost} {port} unregistered:@8080:closed by the other end"
                   for port in (5003, 5004))
    proof = tell(tmp_path, PAIR, f"""
        0.0 8080 starts
        0.05 8080 lives until 8.5
        9.0 5001 unregistered:@8080:closed by the other end
        9.0 5002 unregistered:@8080:closed by the other end
        32.0 8080 starts
        32.0 8080 lives until {seed_lost - 1}
        32.5 5003 starts
        32.5 5004 starts
        33.0 5003 registered:@8080
        33.0 5004 registered:@8080
        33.0 5003 links 5004
        34.0 5003 says 1
        34.1 5004 hears 5003/1 from 5003
        90 5001 asks 5002
        90 5003 asks 5004
        90 5002 asks 5001
        90 5004 asks 5003
    """, lost)
    for row in (delivery.broadcast(proof), check.pieces(proof)):
        assert row.holds is healthy, row
