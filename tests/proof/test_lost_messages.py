"""Messages that a healthy network does not deliver, and those that a broken one does not."""

import pytest

from tests.tools.stories import PAIR, SEED, holds

# Whoever leaves, or dies.

@pytest.mark.parametrize("said, healthy", [(29.5, True), (22, False)])
def test_a_message_is_lost_with_its_dead_origin_only_if_no_neighbour_had_time_to_hear_it(
        tmp_path, said, healthy):
    assert holds(tmp_path, SEED, PAIR, f"""
        18 5003 starts
        20 5003 links 5001
        20 5003 asks 5001 until 30
        20 5001 asks 5003 until 30
        {said} 5003 says 1
        31 5001 parts 5003 closed by the other end
    """) is healthy


@pytest.mark.parametrize("linked, left, healthy", [
    (20.2, 20.0, True),  # its first link came after it began to leave
    (19.5, 20.0, True),  # or shortly before
    (18.6, 20.0, False),  # it says goodbye after its messages
])
def test_what_one_said_that_met_nobody_before_it_left_is_lost(tmp_path, linked, left, healthy):
    assert holds(tmp_path, SEED, PAIR, f"""
        18.0 5003 starts
        {min(18.5, left)} 5003 says 1
        {linked} 5003 links 5001
        {left} 5003 leaving:@5003
        20.4 5001 parts 5003 left
        20.4 5003 parts 5001 left
        20.5 5003 stopped:quit
    """) is healthy


@pytest.mark.parametrize("left, healthy", [(21, True), (50, False)])
def test_one_that_met_nobody_although_a_seed_was_up_for_long_is_a_failure(tmp_path, left,
                                                                          healthy):
    assert holds(tmp_path, SEED, PAIR, f"""
        18.0 5003 starts
        18.5 5003 says 1
        {left} 5003 leaving:@5003
        {left + 0.1} 5003 stopped:quit
    """) is healthy


# Cuts, power, frozen peers.

CUT_OFF = """
    0.5 5003 starts
    1.0 5003 links 5001
    1.0 5003 links 5002
    2.0 5003 asks 5001 until {contact}
    30 5001 says 1
    30.1 5002 hears 5001/1 from 5001
    30.0 5003 lives until 34
"""
END_OF_THREE = """
    {second} 5001 parts 5003 {reason}
    {second} 5002 parts 5003 {reason}
"""


@pytest.mark.parametrize("contact, second, reason, healthy", [
    (29.0, 36, "dead", True),  # cut off, or without power
    (32.0, 36, "dead", False),  # it has heard of 5001 later than the message
    (29.0, 34.1, "closed by the other end", False),  # so there was no cut
    (29.0, 60, "Connection reset by peer", True),  # the cut was mended when it had long been dead
])
def test_who_ended_while_cut_off_may_lack_what_the_others_said_meanwhile(tmp_path, contact, second,
                                                                         reason, healthy):
    assert holds(tmp_path, SEED, PAIR, CUT_OFF.format(contact=contact),
                 END_OF_THREE.format(second=second, reason=reason)) is healthy


BOTH_MISSED = "\n 33 5001 liveness missed:@5003:1 \n 33 5002 liveness missed:@5003:1"
RESET_HERE = END_OF_THREE.format(second=31.5, reason="Connection reset by peer")
RESET_THERE = "".join(f"\n 31.5 5003 parts {port} Connection reset by peer"
                      for port in (5001, 5002))


@pytest.mark.parametrize("story, healthy", [
    (END_OF_THREE.format(second=34.1, reason="closed by the other end") + BOTH_MISSED, True),
    (END_OF_THREE.format(second=31.5, reason="given up"), True),
    (END_OF_THREE.format(second=31.5, reason="given up")
     + "\n 31.5 5003 parts 5001 full \n 31.5 5003 parts 5002 full", False),  # it has heard of that
    (RESET_HERE, True),  # its end still stood
    (RESET_HERE.replace("31.5", "33.5"), False),  # its end did not, for all that one can tell
    (RESET_HERE + RESET_THERE, True),
])
def test_an_end_of_a_link_tells_of_contact_only_by_a_word_of_the_other_end(tmp_path, story,
                                                                           healthy):
    assert holds(tmp_path, SEED, PAIR, CUT_OFF.format(contact=29), story) is healthy


@pytest.mark.parametrize("spread, left, healthy", [
    ("rumor", 40, True), ("rumor", 60, False), ("flood", 40, False)])
def test_a_rumor_that_has_died_is_brought_by_comparing_some_time_later(tmp_path, spread, left,
                                                                       healthy):
    assert holds(tmp_path, SEED, PAIR, f"""
        0.5 5003 starts
        1.0 5003 links 5001
        2.0 5003 asks 5001 until {left}
        30 5001 says 1
        30.1 5002 hears 5001/1 from 5001
        {left} 5003 leaving:@5003
        {left} 5001 parts 5003 left
        {left} 5003 stopped:quit
    """, spread=spread, antientropy_interval=4) is healthy


def test_who_lives_has_to_get_what_was_said_while_it_was_cut_off(tmp_path):
    story = CUT_OFF.format(contact=25) + "".join(
        f"\n 32 {one} parts {other} dead"
        for one, other in ((5003, 5001), (5001, 5003), (5003, 5002), (5002, 5003)))
    mended = "\n 50 5003 links 5001 \n 70 5003 asks 5001"
    assert not holds(tmp_path, SEED, PAIR, story + mended)
    assert holds(tmp_path, SEED, PAIR, story + mended + "\n 50.2 5003 hears 5001/1 from 5001")


@pytest.mark.parametrize("end, healthy", [(53, True), (60, False)])
def test_a_frozen_peer_that_ends_when_it_has_just_woken_may_lack_messages(tmp_path, end, healthy):
    assert holds(tmp_path, SEED, PAIR, f"""
        0.5 5003 starts
        1.0 5003 links 5001
        2.0 5003 asks 5001 until 28
        30 5001 says 1
        30.1 5002 hears 5001/1 from 5001
        31 5001 parts 5003 dead
        49.9 5003 late:20.500
        50 5003 liveness missed:@5001:1
        50 5003 parts 5001 closed by the other end
        50.6 5003 links 5002
        50.7 5003 asks 5002 until {end}
        {end} 5003 leaving:@5003
        {end + 0.1} 5003 parts 5002 left
        {end + 0.1} 5002 parts 5003 left
        {end + 0.1} 5003 stopped:quit
    """) is healthy


# Through others.

@pytest.mark.parametrize("linked, story, healthy", [
    (50, "", False),
    (10, "", True),  # they were neighbours
    (50, "21 5002 leaving:@5002", True),  # the neighbour in common may not have got it
    (50, "15 5003 parts 5002 dead", True),
    (50, """
        65 5003 says 1
        65.1 5002 hears 5003/1 from 5003
        65.2 5001 hears 5003/1 from 5002
    """, True),  # another message did travel
])
def test_messages_have_to_travel_where_not_all_are_neighbours(tmp_path, linked, story, healthy):
    assert holds(tmp_path, SEED, f"""
        0.5 5001 starts
        0.5 5002 starts
        0.5 5003 starts
        1 5001 links 5002
        1 5002 links 5003
        20 5001 says 1
        20.1 5002 hears 5001/1 from 5001
        {linked} 5001 links 5003
        {linked + 15} 5003 hears 5001/1 from 5001
        70 5003 asks 5002
        70 5001 asks 5002
        70 5002 asks 5001
    """, story) is healthy
