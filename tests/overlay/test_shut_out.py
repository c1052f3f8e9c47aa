"""Who is shut out for its offences, and for how long."""

from gossip.overlay.places import REMEMBERED, ShutOut
from tests.tools.fakes import peer

LIMITS = {"corrupt": 3, "flood": 1}


def test_the_third_corrupt_line_within_a_minute_is_one_too_many():
    shut_out = ShutOut(LIMITS, 60.0)
    assert shut_out.note(peer(1), "corrupt", 1, 0.0) is None
    assert shut_out.note(peer(1), "corrupt", 1, 30.0) is None
    assert shut_out.note(peer(1), "corrupt", 1, 59.0) == 119.0
    assert shut_out.reason(peer(1), 118.0) and not shut_out.reason(peer(1), 119.0)
    assert not shut_out.reason(peer(2), 60.0)


def test_lines_that_came_long_ago_do_not_count_and_many_at_once_do():
    shut_out = ShutOut(LIMITS, 60.0)
    shut_out.note(peer(1), "corrupt", 2, 0.0)
    assert shut_out.note(peer(1), "corrupt", 1, 61.0) is None
    assert shut_out.note(peer(2), "corrupt", 1_000, 61.0) == 121.0


def test_each_offence_is_counted_by_itself_and_told_as_the_reason():
    shut_out = ShutOut(LIMITS, 60.0)
    shut_out.note(peer(1), "corrupt", 2, 0.0)
    assert shut_out.note(peer(1), "flood", 1, 1.0) == 61.0
    assert shut_out.reason(peer(1), 2.0) == "flood"
    shut_out.note(peer(2), "corrupt", 3, 1.0)
    assert shut_out.reason(peer(2), 2.0) == "corrupt"


def test_a_neighbour_that_was_shut_out_begins_anew():
    shut_out = ShutOut(LIMITS, 60.0)
    shut_out.note(peer(1), "corrupt", 3, 0.0)
    assert shut_out.note(peer(1), "corrupt", 2, 1.0) is None


def test_without_a_limit_lines_are_only_counted():
    assert ShutOut({"corrupt": 0}, 60.0).note(peer(1), "corrupt", 1_000, 0.0) is None


def test_both_memories_are_bounded():
    shut_out = ShutOut({"corrupt": 2}, 60.0)
    for port in range(1, REMEMBERED + 2):
        shut_out.note(peer(port), "corrupt", 2, 0.0)
    assert not shut_out.reason(peer(1), 1.0) and shut_out.reason(peer(2), 1.0)
    for port in range(1, REMEMBERED + 2):
        shut_out.note(peer(port), "corrupt", 1, 100.0)
    assert shut_out.note(peer(1), "corrupt", 1, 100.0) is None
    assert shut_out.note(peer(3), "corrupt", 1, 100.0) is not None
