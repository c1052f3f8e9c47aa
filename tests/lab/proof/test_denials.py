"""What nobody confirmed: a healthy signed network may lack it, and a broken one may not."""

import pytest

from gossip.lab.proof import delivery
from tests.tools.stories import tell

PAIR = """
    0.0 8080 starts
    70.0 8080 peer list:@5002:1
    0.5 5001 starts
    0.5 5002 starts
    1.0 5001 links 5002
    2.0 5001 says 1
    2.1 5002 hears 5001/1 from 5001
    2.5 5001 asks 5002 until 10
    2.5 5002 lives until 70
"""
DIED = """
    12 5002 parts 5001 dead
"""
LIVES = """
    11 5001 asks 5002 until 70
"""
LATER = """
    20 5003 starts
    21 5002 links 5003
    22 5003 asks 5002 until 70
"""
ENDED = """
    20 5003 starts
    21 5002 links 5003
    22 5003 asks 5002 until 40
    40.5 5003 stopped:interrupted
    40.6 5002 parts 5003 closed by the other end
"""
LISTED = """
    20.5 8080 registered:@5001
    20.5 8080 registered:@5003
    20.5 5001 registered:@8080
    20.5 5003 registered:@8080
"""
DENIED = """
    23 5003 unconfirmed:@5001:1
"""


def row(folder, *stories, sign="yes", **settings):
    return delivery.broadcast(tell(folder, PAIR, *stories, sign=sign, **settings))


@pytest.mark.parametrize("stories, healthy", [
    ((DIED, LATER, DENIED), True),
    ((DIED, LATER), False),  # it has denied nothing
    ((LIVES, LATER, DENIED), False),  # the origin lives, and could prove itself
    ((LIVES, ENDED, DENIED), True),  # seeds and origin may have been out of reach until its end
    ((LIVES, ENDED), False),
    ((DIED, LATER, DENIED.replace("5001", "5002")), False),  # it has denied another run
    ((DIED, LATER, DENIED, "30 5003 hears 5001/9 from 5002"), False),  # it was confirmed since
])
def test_who_has_denied_a_run_may_lack_its_messages_if_one_of_the_two_has_ended(
        tmp_path, stories, healthy):
    said = "2.0 5001 says 9 \n 2.1 5002 hears 5001/9 from 5001" if "5001/9" in stories[-1] else ""
    found = row(tmp_path, *stories, said)
    assert found.holds is healthy
    assert ("; 1 not confirmed" in found.figures) is healthy


def test_an_origin_that_left_and_came_back_has_ended_too(tmp_path):
    assert row(tmp_path, LATER, DENIED, """
        11 5001 leaving:@5001
        11.1 5002 parts 5001 left
        11.2 5001 stopped:quit
        30 5001 starts
        30.5 5001 links 5002
        30.6 5001 unconfirmed:@5001:1
        31 5001 asks 5002 until 70
    """).holds


BEHIND = """
    20 5004 starts
    21 5003 links 5004
    22 5004 asks 5003 until 70
"""


@pytest.mark.parametrize("stories, healthy", [
    ((DIED, LATER, DENIED, BEHIND), True),
    ((DIED, LATER, BEHIND), False),  # nobody has denied the run
    ((LIVES, LATER, DENIED, BEHIND), False),
    ((DIED, LATER, DENIED, BEHIND, "30 5004 links 5002"), False),  # it met one that has it
    ((DIED, LATER, DENIED, BEHIND, "2.2 5003 links 5004"), True),
])
def test_what_was_denied_does_not_go_through_who_has_denied_it(tmp_path, stories, healthy):
    found = row(tmp_path, *stories)
    assert found.holds is healthy
    assert ("; 2 not confirmed" in found.figures) is healthy


@pytest.mark.parametrize("interval, healthy", [(5, False), (40, True)])
def test_who_had_time_to_ask_again_about_a_denied_run_may_not_lack_its_messages(
        tmp_path, interval, healthy):
    ended = ENDED.replace("40", "60")
    assert row(tmp_path, LIVES, LISTED, ended, DENIED,
               antientropy_interval=interval).holds is healthy


KNOWN = """
    24 5002 says 1
    24.1 5001 hears 5002/1 from 5002
    24.1 5003 hears 5002/1 from 5002
"""


@pytest.mark.parametrize("sign, end, earlier, healthy", [
    ("yes", 34, "", True),
    ("yes", 38, "", False),
    ("no", 34, "", False),
    ("yes", 34, KNOWN, False),
    # it knew the run half a second later, at the latest, and then had three seconds
    ("yes", 34, KNOWN.replace("24.1 5003", "30.6 5003"), False),
])
def test_who_ends_while_it_finds_out_about_a_run_may_lack_its_messages(tmp_path, sign, end,
                                                                       earlier, healthy):
    assert row(tmp_path, LIVES, earlier, f"""
        20 5003 starts
        21 5002 links 5003
        22 5003 asks 5002 until {end}
        25 5003 hears 5001/1 from 5002
        30 5002 says 2
        30.1 5001 hears 5002/2 from 5002
        {end + 0.1} 5003 stopped:interrupted
        {end + 0.2} 5002 parts 5003 closed by the other end
    """, sign=sign).holds is healthy
