"""Who calls another dead needs a reason, says so, and is wrong about nobody that lives."""

import pytest

from grapevine.lab.proof import deaths
from tests.tools.stories import THREE, tell

DIES = """
    2.0 5003 asks 5002 until 20
    20.0 5001 parts 5003 closed by the other end
    20.0 5002 parts 5003 closed by the other end
    23.1 5002 reports 5003 to 8080
    24.0 8080 removed:@5003:gone
    60 8080 peer list:@5001:1
"""
LIVES = """
    2.0 5003 asks 5002 until 60
    2.0 5003 lives until 60
"""
REPORTED = "\n 23.1 5001 reports 5003 to 8080"


def failures(folder, *stories):
    row = deaths.dead(tell(folder, *stories))
    assert row.holds is (not row.details)
    return row.details


def misses(*counts):
    """A miss every half second, so many in a row, and then a death."""
    return "".join(f"\n {20 + at / 2} 5001 liveness missed:@5003:{count}"
                   for at, count in enumerate(counts)) + "\n 23.0 5001 dead:@5003"


@pytest.mark.parametrize("counts, healthy", [
    ((1, 2, 3), True),
    ((1, 2, 3, 3), True),  # the last probe had found nothing out: it was judged once more
    ((1, 2, 1, 2, 3), True),  # it had answered meanwhile
    ((), False),
    ((1, 2), False),
    ((3,), False),
    ((1, 3), False),
    ((2, 3), False),
    ((1, 2, 1, 3), False),
    ((1, 2, 3, 1), False),
    ((1, 2, 3, 1, 2), False),
])
def test_a_death_is_found_after_as_many_misses_in_a_row_as_the_settings_say(tmp_path, counts,
                                                                            healthy):
    found = failures(tmp_path, THREE, DIES, "23 5002 finds 5003 dead", misses(*counts) + REPORTED)
    assert found == [] if healthy else (
        ["127.0.0.1:5001 found 127.0.0.1:5003 dead without 3 misses in a row"] == found)


@pytest.mark.parametrize("story, healthy", [
    (REPORTED, True),
    ("\n 27.9 5001 reports 5003 to 8080", True),
    ("\n 28.5 5001 reports 5003 to 8080", False),  # too late
    ("", False),
    ("\n 23.1 5001 reports 5002 to 8080", False),  # of somebody else
    (REPORTED + "\n 22.5 5001 registered:@8081", True),  # it may not have known that yet
    (REPORTED + "\n 21.5 5001 registered:@8081", False),
    ("\n 25 5001 unregistered:@8080:closed by the other end", True),  # it had no seed to tell
    ("\n 22 5001 unregistered:@8080:closed by the other end", True),
    ("\n 24 5001 leaving:@5001", True),
    ("\n 23.0 5001 stopped:interrupted", True),  # it had no time to
    ("\n 23.2 5001 stopped:interrupted", False),
])
def test_a_death_that_was_found_is_reported_to_every_seed_of_the_finder_within_five_seconds(
        tmp_path, story, healthy):
    end = int(float(story.split()[0])) if "stopped" in story or "leaving" in story else 60
    up = THREE.replace("5001 asks 5002 until 60", f"5001 asks 5002 until {end}")
    found = failures(tmp_path, up, DIES, "23 5002 finds 5003 dead", misses(1, 2, 3), story)
    seed = "127.0.0.1:8081" if "8081" in story else "127.0.0.1:8080"
    unreported = ["127.0.0.1:5001 found 127.0.0.1:5003 dead, and has not reported it to seed "
                  + seed]
    assert [failure for failure in found if "not reported" in failure] == (
        [] if healthy else unreported)


@pytest.mark.parametrize("story, lived", [
    (LIVES, True),
    (LIVES.replace("2.0 5003 asks", "30 5003 asks"), False),  # nothing led from one to the other
    ("2.0 5003 asks 5002 until 24", False),  # then it was dead
    (LIVES + "\n 50 8080 registered:@5003", False),  # it came back within a minute
    (LIVES + "\n 22 5003 finds 5001 dead", False),  # their connection broke, and neither heard
])
def test_nobody_that_lives_and_is_in_touch_may_be_found_dead(tmp_path, story, lived):
    found = failures(tmp_path, THREE, story, "23 5001 finds 5003 dead", REPORTED)
    assert ("127.0.0.1:5001 found 127.0.0.1:5003 dead, which lived" in found) is lived


@pytest.mark.parametrize("reason", ["dead", "gone", "left"])
@pytest.mark.parametrize("story, lived", [
    ("", True),
    ("30.1 5003 unregistered:@8080:closed by the other end", False),  # it has noticed
    ("38.9 5003 unregistered:@8080:silent", False),  # after four rounds, as it was cut off
    ("39.1 5003 unregistered:@8080:silent", True),
    ("40.9 5003 late:2.000\n 40.9 5003 unregistered:@8080:silent", False),  # it was frozen
    ("33 5003 kicked:@8080:0.519", False),  # its run ends with what it has noticed
    ("31 8080 registered:@5003", False),  # it is on the list again
    ("29 5003 unregistered:@8080:closed by the other end", False),  # it had noticed before
    ("29 5003 leaving:@5003", False),
    ("10 5001 unregistered:@8080:closed by the other end"
     "\n 35 5002 unregistered:@8080:silent", False),  # a cut, of which all notice
    ("30 8080 removed:@5002:gone \n 10 5001 unregistered:@8080:closed by the other end", False),
])
def test_a_seed_that_removes_one_that_lives_and_knows_nothing_of_it_is_blamed(tmp_path, story,
                                                                             lived, reason):
    found = failures(tmp_path, THREE, LIVES, f"30 8080 removed:@5003:{reason}", story)
    blamed = [failure for failure in found if "5003" in failure]
    assert blamed == (["seed 127.0.0.1:8080 removed 127.0.0.1:5003, which lived"] if lived else [])


@pytest.mark.parametrize("story", [
    "30 8080 passed on:Dead Node:@5003:1.000000:@5001",
    "30 5002 told:@8080:Dead Node:@5003:1.000000:@5001",
])
def test_a_seed_that_tells_of_the_death_of_one_that_lives_is_blamed(tmp_path, story):
    lives = LIVES + "\n 60 8080 refused:x"
    assert failures(tmp_path, THREE, lives, story) == [
        "seed 127.0.0.1:8080 told of the death of 127.0.0.1:5003, which lived"]
    noticed = "30.1 5003 unregistered:@8080:closed by the other end"
    assert failures(tmp_path, THREE, lives, story, noticed) == []


@pytest.mark.parametrize("second, lived", [(58.9, True), (59.1, False)])
def test_a_removal_at_the_very_end_tells_nothing(tmp_path, second, lived):
    assert bool(failures(tmp_path, THREE, LIVES, f"{second} 8080 removed:@5003:gone")) is lived


def test_a_frozen_peer_may_be_removed(tmp_path):
    frozen = LIVES.replace("until 60", "until 20") + LIVES.replace("2.0 5003", "40 5003")
    assert failures(tmp_path, THREE, frozen, "30 8080 removed:@5003:gone") == []
