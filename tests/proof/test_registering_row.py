"""The row about registrations: who has the time is registered with a majority of the seeds."""

import pytest

from grapevine.lab.proof import check
from tests.tools.stories import tell

SEEDS = "".join(f"""
    0.0 {port} starts
    0.0 {port} settings:seeds=3
    0.0 {port} late:0
    0.05 {port} lives until 40
""" for port in (8080, 8081, 8082))
LIFE = """
    1.0 5001 starts
    1.0 5001 degree:@5001=>0 until {0}
"""


def failures(folder, *stories):
    row = check.registered(tell(folder, SEEDS, *stories))
    assert row.holds is (not row.details)
    return row.details


@pytest.mark.parametrize("story, healthy", [
    ("1.1 5001 joins 8080 \n 1.2 5001 joins 8082", True),
    ("38 5001 joins 8080 \n 38 5001 joins 8082", True),  # once is enough
    ("1.1 5001 joins 8080", False),
    ("", False),
    # twice the same, and never two at once:
    ("1.1 5001 joins 8080 \n 1.2 5001 joins 8080", False),
    ("1.1 5001 joins 8080 \n 9 5001 unregistered:@8080:closed by the other end"
     "\n 20 8080 refused:x \n 10 5001 joins 8081", False),
    # what it says of seeds that cannot be reached:
    ("3 5001 unregistered:@8081:Connection timed out \n 3 5001 joins 8080"
     "\n 3 5001 unregistered:@8082:Connection timed out", True),
    ("3 5001 unregistered:@8081:registration refused: too many registrations at once, try again"
     "\n 3 5001 joins 8080"
     "\n 3 5001 unregistered:@8082:registration refused: too many at once, try again", False),
    ("3 5001 unregistered:@8081:registration refused: kicked as malicious, again in 600 s", True),
])
def test_a_peer_has_to_be_registered_with_a_majority_at_once(tmp_path, story, healthy):
    found = failures(tmp_path, LIFE.format(40), story)
    assert found == ([] if healthy else
                     ["127.0.0.1:5001 was never registered with 2 seeds at once"])


@pytest.mark.parametrize("story, healthy", [
    ("1.1 8080 registered:@5001", True),
    ("", False),
    ("9.0 8080 registered:@5001", True),  # again
    ("0.9 8080 dies", True),  # in a power failure, which takes the last lines along
    ("5.0 8080 dies", False),
    ("9.0 8080 lost:7", True),
])
def test_the_file_of_a_seed_has_to_tell_who_registered_with_it(tmp_path, story, healthy):
    """Else it is the file of another network."""
    found = failures(tmp_path, LIFE.format(40), """
        1.0 5001 joins 8081
        1.1 5001 joins 8082
        1.2 5001 registered:@8080
    """, story)
    assert found == ([] if healthy else [
        "127.0.0.1:5001 was registered with seed 127.0.0.1:8080, whose files do not tell of it: "
        "is one missing, or of another network?"])


@pytest.mark.parametrize("reason, healthy", [
    ("no answer to register", True), ("Connection refused", False),
    ("registration refused: no Liveness Reply from 127.0.0.1:5001", True)])
def test_who_waits_for_a_mute_seed_tries_another_one_after_that(tmp_path, reason, healthy):
    story = LIFE.format(40) + f"""
        1.1 5001 joins 8080
        11.0 5001 unregistered:@8081:{reason}
        11.05 5001 unregistered:@8080:closed by the other end
        11.05 8080 dies
        11.05 8081 dies
        11.1 5001 joins 8082
    """
    assert (failures(tmp_path, story) == []) is healthy


@pytest.mark.parametrize("until, healthy", [(15.9, True), (16.1, False)])
def test_a_peer_that_ends_before_a_seed_had_to_answer_needs_no_registration(tmp_path, until,
                                                                           healthy):
    """Three intervals and two seconds, and the ten seconds after which a peer gives a seed up."""
    story = LIFE.format(10) + f"\n {until} 5001 stopped:interrupted"
    assert (failures(tmp_path, story) == []) is healthy


KNOWN = ["{0} 8080 registered:@5001", "{0} 8080 peer list:@5001:4",
         "{0} 5001 peer list:@8080:127.0.0.1#5002"]


@pytest.mark.parametrize("known", KNOWN)
@pytest.mark.parametrize("until, healthy", [(6.9, True), (7.1, False)])
def test_a_word_that_only_a_seed_in_reach_can_have_said_proves_that_it_was_in_reach(
        tmp_path, known, until, healthy):
    story = LIFE.format(6) + f"\n {until} 5001 stopped:interrupted"
    story += "\n" + "\n".join(f"{known.format(2)}".replace("8080", str(port))
                              for port in (8080, 8081))
    assert (failures(tmp_path, story) == []) is healthy


@pytest.mark.parametrize("story, healthy", [
    ("2 8080 stopped:interrupted \n 2.01 8080 dies \n 2 8081 dies", True),
    ("20 8080 late:18.000 \n 20 8081 late:18.000 \n 23 5001 stopped:quit \n 23.1 5001 dies", True),
    ("2 8080 stopped:interrupted \n 2.01 8080 dies", False),  # two are left
])
def test_only_seeds_that_are_up_and_not_frozen_count(tmp_path, story, healthy):
    row = check.registered(tell(tmp_path, SEEDS, LIFE.format(40), story))
    assert row.holds is healthy


def test_a_seed_that_comes_back_is_tried_again_after_a_pause(tmp_path):
    for until, healthy in ((37, True), (43, False)):
        row = check.registered(tell(tmp_path, f"""
            0.0 8080 starts
            0.0 8080 settings:seeds=1
            0.0 8080 lives until 2
            1.0 5001 starts
            3.0 5001 unregistered:@8080:Connection refused
            20 8080 starts
            20 8080 settings:seeds=1
            20 8080 lives until 50
            1.0 5001 degree:@5001=>0 until {until}
            {until} 5001 stopped:interrupted
        """))
        assert row.holds is healthy, until


def test_without_a_seed_that_tells_how_many_there_are_nothing_is_asked(tmp_path):
    assert check.registered(tell(tmp_path, "0 8080 starts", LIFE.format(40))) is None
