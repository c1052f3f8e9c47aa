"""Whom the check blames for deaths: broken seeds and peers, and not those that could not know."""

import pytest

from grapevine.lab.proof import deaths
from tests.tools.stories import THREE, tell

DEAD = """
    2.0 5003 asks 5002 until 20
    20.0 5001 parts 5003 closed by the other end
    20.0 5002 parts 5003 closed by the other end
"""
FOUND = """
    23.0 5001 finds 5003 dead
    23.0 5001 reported:@8080:Dead Node:@5003:1.000000:@5001
"""
HEARD = "\n 23.1 5001 reports 5003 to 8080"
REMOVED = "\n 24.0 8080 removed:@5003:gone"
STAYS = "\n 60 8080 peer list:@5001:1"
LOST = "\n {0} 5001 unregistered:@8080:closed by the other end \n {0} 8080 dies"


def holds(folder, *stories):
    row = deaths.dead(tell(folder, *stories))
    assert row.holds or row.details
    return row.holds


def test_a_death_that_no_neighbour_found_fails_though_the_seed_removed_the_peer(tmp_path):
    row = deaths.dead(tell(tmp_path, THREE, DEAD, REMOVED, STAYS))
    assert row.figures == "1 died" and row.details == [
        f"127.0.0.1:5003 died, and its neighbour 127.0.0.1:{port} has not found it dead"
        for port in (5001, 5002)]


def test_a_death_that_nobody_had_to_find_is_told_as_such(tmp_path):
    early = THREE.replace("until 60", "until 20")
    ends = [f"20.2 {port} leaving:@{port} \n 20.3 {port} stopped:quit" for port in (5001, 5002)]
    row = deaths.dead(tell(tmp_path, early, DEAD.replace("until 20", "until 19"), *ends,
                           "25 8080 peer list:@5001:1"))
    assert row.holds and row.figures == (
        "1 died, 1 of them where nobody had to find and remove it")


def test_a_death_that_nobody_had_to_find_and_seeds_have_a_report_of_was_found(tmp_path):
    """Else somebody has deleted the finder's line."""
    early = THREE.replace("until 60", "until 25")
    proof = tell(tmp_path, early, DEAD, "23.0 5001 reported:@8080:Dead Node:@5003:1.000000:@5001",
                 HEARD, REMOVED, "25 8080 peer list:@5001:1")
    assert deaths.dead(proof).details == [
        "127.0.0.1:5003 was reported dead to seed 127.0.0.1:8080, but no peer found it dead"]


def test_a_peer_that_died_and_came_back_is_told_but_not_judged(tmp_path):
    row = deaths.dead(tell(tmp_path, THREE, DEAD, FOUND, HEARD, REMOVED, STAYS,
                           "40 5003 starts \n 40.5 5001 links 5003 \n 41 5003 asks 5001 until 60"))
    assert row.holds and row.figures == "0 died; not judged: 1 that came back"


@pytest.mark.parametrize("event, healthy", [
    ("33 {0} leaving:@{0}", True), ("35 {0} leaving:@{0}", False),
    ("25 {0} late:0.600", True), ("19 {0} late:0.600", False),
    ("24 {0} liveness missed:@5003:3 \n 25 {0} liveness missed:@5003:3", True),
    ("24 {0} liveness missed:@5003:3 \n 25 {0} liveness missed:@5003:2", False)])
def test_who_leaves_or_is_late_or_could_not_probe_may_overlook_a_death(tmp_path, event, healthy):
    both = [event.format(port) for port in (5001, 5002)]
    assert holds(tmp_path, THREE, DEAD, REMOVED, STAYS, *both) is healthy


@pytest.mark.parametrize("linked, healthy", [(19.5, True), (18.5, False)])
def test_who_was_linked_for_less_than_a_round_may_overlook_a_death(tmp_path, linked, healthy):
    again = [f"18 {port} parts 5003 closed by the other end \n {linked} {port} links 5003"
             for port in (5001, 5002)]
    assert holds(tmp_path, THREE, *again, DEAD, REMOVED, STAYS) is healthy


@pytest.mark.parametrize("story, told", [
    ("24 5001 lives until 24", False),
    ("23.5 5002 told:@8080:Dead Node:@5003:1.000000:@5001", True),
    ("23.5 5002 told:@8081:Dead Node:@5003:1.000000:@5001", False),  # the dead was not its
    ("24 5001 lives until 29", True),  # they had the time to
])
def test_a_death_is_told_when_all_its_seeds_have_told_others_of_it(tmp_path, story, told):
    proof = tell(tmp_path, THREE.replace("until 60", "until 20"), DEAD, FOUND, HEARD, REMOVED,
                 story)
    [run] = [run for run in proof.peers if run.address.endswith(":5003")]
    assert deaths.is_told(proof, run) is told


@pytest.mark.parametrize("story, healthy", [
    (FOUND + HEARD + REMOVED + STAYS, True),
    (FOUND + HEARD + STAYS, False),
    (FOUND + HEARD, False),  # a seed that says nothing more is up
    (FOUND + REMOVED + STAYS, False),
    (FOUND + "\n 23.5 8080 late:0.060" + REMOVED + STAYS, False),  # for which no report is lost
    (FOUND + STAYS, False),
    (HEARD + REMOVED + STAYS, False),  # a report about whom nobody found dead
    (REMOVED + STAYS, False),  # its neighbours had to find it dead
    (STAYS, False),
    # A seed that ended:
    (FOUND + HEARD + LOST.format(25), True),  # while it probed
    (FOUND + HEARD + LOST.format(31), False),
    (FOUND + HEARD + LOST.format(31) + "\n 25 8080 dies", True),  # it was frozen before that
    (FOUND + HEARD + "\n 24.9 8080 stopped:interrupted \n 25 8080 dies", True),
    (FOUND + HEARD + "\n 28.9 8080 stopped:interrupted \n 29 8080 dies", False),
    (FOUND + HEARD + LOST.format(25) + "\n 40 8080 starts" + "\n 60 8080 registered:@5001", True),
    (FOUND + HEARD + "\n 25 8080 dies \n 40 8080 starts" + "\n 60 8080 registered:@5001", True),
    (FOUND + LOST.format(21), True),  # before it could know
    (FOUND + LOST.format(23.5), True),
    (LOST.format(21), False),  # its neighbours had to find it dead all the same
    (FOUND + HEARD + LOST.format(25) + "\n 24.9 5002 told:@8080:Dead Node:@5003:1.000000:@5001",
     False),  # it told of the death, so it knew
    (FOUND + "\n 23.3 8080 removed:@5003:gone" + LOST.format(23.5), True),
    (FOUND + "\n 23.3 8080 removed:@5003:gone" + LOST.format(23.5)
     + "\n 23.4 5002 told:@8080:Dead Node:@5003:1.000000:@5001", False),
    # A seed that was cut off or frozen while the death was found:
    (FOUND + "\n 60 8080 removed:@5003:gone" + "\n 24 5001 unregistered:@8080:silent", True),
    (FOUND + "\n 60 8080 removed:@5003:gone" + "\n 40 5001 unregistered:@8080:silent", False),
    (FOUND + "\n 28.5 5001 unregistered:@8080:silent", False),
    (FOUND + "\n 28.5 5001 unregistered:@8080:silent \n 24 8080 dies", True),  # without power
    (FOUND + HEARD + "\n 33 5001 unregistered:@8080:silent", False),
    (FOUND + HEARD + "\n 33 5001 unregistered:@8080:silent \n 24 8080 dies", True),
    # A finder that had no seed to tell:
    (LOST.format(10) + FOUND + "\n 60 8080 removed:@5003:gone", True),
    ("22.9 5001 leaving:@5001 \n 23 5001 finds 5003 dead \n 60 8080 removed:@5003:gone", True),
    # A seed that tells of a death without having heard of it, or having heard before the last line:
    (REMOVED + STAYS + "\n 24.1 5002 told:@8080:Dead Node:@5003:1.000000:@5002", False),
    ("19 5002 reports 5003 to 8080 \n 19 5002 finds 5003 dead" + REMOVED + LOST.format(10)
     + "\n 24.1 5002 told:@8080:Dead Node:@5003:1.000000:@5002 \n 60 8080 refused:x", True),
])
def test_a_seed_is_blamed_for_a_death_only_if_it_could_know(tmp_path, story, healthy):
    assert holds(tmp_path, THREE, DEAD, story) is healthy


@pytest.mark.parametrize("story, healthy", [
    ("", False),
    ("\n 25 8081 dead report:Dead Node:@5003:1.000000:@5001", True),
    # One of the two ended before it could be told:
    ("\n 24.4 8080 stopped:interrupted \n 24.5 8080 dies", True),
    ("\n 24.4 8081 stopped:interrupted \n 24.5 8081 dies", True),
    ("\n 24 5001 unregistered:@8081:no answer to register", True),  # a cut, as far as it knows
    ("\n 40 5001 unregistered:@8081:Connection timed out", True),  # which it did not try earlier
    ("\n 40 5001 unregistered:@8081:Connection reset by peer", False),
    ("\n 1.2 5001 registered:@8081 \n 15 5001 unregistered:@8081:closed by the other end"
     + "\n 20 8081 refused:x", True),  # the finder had not found it again
    ("\n 1.2 5002 registered:@8081 \n 26 5002 unregistered:@8081:silent", True),  # a cut
    ("\n 1.2 5002 registered:@8081 \n 40 5002 unregistered:@8081:silent", False),
])
def test_a_seed_has_to_tell_other_seeds_of_a_death(tmp_path, story, healthy):
    other = "\n 1.1 8081 registered:@5003 \n 24.1 8081 removed:@5003:gone \n 60 8081 refused:x"
    if "8081 stopped" in story:
        other = other.replace("\n 60 8081 refused:x", "")
    stays = "" if "8080 stopped" in story else STAYS
    assert holds(tmp_path, THREE, DEAD, FOUND + HEARD + REMOVED, other, stays, story) is healthy


SILENT = """
    2.0 5003 asks 5002 until 20
    {0}
    60 8080 peer list:@5001:1
"""


@pytest.mark.parametrize("story, healthy", [
    ("26 5001 parts 5003 dead \n 26 5002 parts 5003 dead", False),  # nobody said so
    ("20.1 5001 parts 5003 given up \n 20.1 5002 parts 5003 full", True),  # no neighbours any more
    ("21 5001 parts 5003 told dead \n 21 5002 parts 5003 left", True),
])
def test_neighbours_have_to_find_a_dead_peer(tmp_path, story, healthy):
    assert holds(tmp_path, THREE, SILENT.format(story)) is healthy


# Living peers that are removed.

LIVES = """
    {0}
    2.0 5003 asks 5002 until {1}
    2.0 5002 asks 5003 until {1}
    2.0 5003 lives until 60
    32.5 5003 asks 5002 until 60
    {2} 5003 asks 5002
    32.0 5001 finds 5003 dead
    {3} 5001 reports 5003 to 8080
    {4} 8080 removed:@5003:{5}
    {4} 5003 unregistered:@8080:closed by the other end
    60 8080 peer list:@5001:1
"""


@pytest.mark.parametrize("cut, mended, heard, removed, reason, healthy", [
    (20, 33, 32, 36, "dead", True),
    (20, 30.5, 32, 36, "dead", True),  # mended while the reporter probed
    (20, 29.5, 32, 36, "dead", False),  # before that, so it had to answer
    (60, 33, 32, 36, "dead", False),  # never cut off
    (20, 33, 35, 39, "dead", True),  # the report came from another seed
    (20, 29.5, 35, 39, "dead", False),
    (60, 33, 32, 36, "gone", False),  # it was found dead without a reason
])
def test_a_removal_is_blamed_by_what_could_be_known_when_the_probe_began(
        tmp_path, cut, mended, heard, removed, reason, healthy):
    assert holds(tmp_path, THREE, LIVES.format("", cut, mended, heard, removed, reason)) is healthy


@pytest.mark.parametrize("milliseconds, healthy", [(1500, True), (500, False)])
def test_a_peer_that_is_too_slow_to_answer_a_probe_may_be_removed(tmp_path, milliseconds, healthy):
    slow = LIVES.format("", 60, 33, 32, 36, "dead")
    for other in (5002, 5003):
        slow = slow.replace(f"asks {other}", f"liveness reply:@{other}:{milliseconds}.000")
    assert holds(tmp_path, THREE, slow) is healthy


@pytest.mark.parametrize("story, healthy", [
    ("", True),
    ("23 5002 finds 5003 dead \n 23 5002 reports 5003 to 8080"
     "\n 25 8080 removed:@5003:dead", False),
])
def test_a_peer_that_was_killed_and_returned_at_once_is_not_dead(tmp_path, story, healthy):
    assert holds(tmp_path, THREE, DEAD, """
        20.5 5003 starts
        20.1 8080 removed:@5003:gone
        20.6 8080 registered:@5003
        20.7 5003 links 5002
        20.8 5003 asks 5002 until 60
        20.8 5002 asks 5003 until 60
        60 8080 peer list:@5001:1
    """, story) is healthy


def test_a_cut_between_halves_that_find_each_other_dead_is_no_failure(tmp_path):
    """Each half has a seed, which removes the peer of the other half; later it is mended."""
    assert holds(tmp_path, THREE, """
        1.1 8081 registered:@5003
        2.0 5003 asks 5002 until 20
        2.0 5002 asks 5003 until 20
        2.0 5003 lives until 60
        24 5001 finds 5003 dead
        24 5002 finds 5003 dead
        24 5003 finds 5001 dead
        24 5003 finds 5002 dead
        24.1 5001 reports 5003 to 8080
        24.1 5002 reports 5003 to 8080
        24.1 5003 reports 5001 to 8081
        28 8080 removed:@5003:dead
        24 5003 unregistered:@8080:silent
        40 8080 registered:@5003
        40 5003 registered:@8080
        41 5003 links 5002
        41 5003 asks 5002 until 60
        60 8080 peer list:@5001:2
    """)


@pytest.mark.parametrize("missed, healthy", [
    ("", False), ("\n 23.9 5002 liveness missed:@5003:3", True)])
def test_a_last_probe_that_fails_at_once_began_with_the_last_miss(tmp_path, missed, healthy):
    """A machine that knows of a cut refuses to dial at once, and the probe takes no time."""
    assert holds(tmp_path, THREE, """
        2.0 5003 asks 5002 until 22
        2.0 5002 asks 5003 until 22
        2.0 5003 lives until 60
        24 5002 finds 5003 dead
        24 5002 reports 5003 to 8080
        24 8080 removed:@5003:dead
        60 8080 peer list:@5001:1
    """, missed) is healthy
