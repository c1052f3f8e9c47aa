"""Who is shut out for corrupt lines, and for how long."""

from gossip.overlay.shut_out import REMEMBERED, ShutOut
from tests.tools.fakes import peer


def test_the_third_corrupt_line_within_a_minute_is_one_too_many():
    shut_out = ShutOut(3, 60.0)
    assert shut_out.note(peer(1), 1, 0.0) is None and shut_out.note(peer(1), 1, 30.0) is None
    assert shut_out.note(peer(1), 1, 59.0) == 119.0
    assert shut_out.has(peer(1), 118.0) and not shut_out.has(peer(1), 119.0)
    assert not shut_out.has(peer(2), 60.0)


def test_lines_that_came_long_ago_do_not_count_and_many_at_once_do():
    shut_out = ShutOut(3, 60.0)
    shut_out.note(peer(1), 2, 0.0)
    assert shut_out.note(peer(1), 1, 61.0) is None
    assert shut_out.note(peer(2), 1_000, 61.0) == 121.0


def test_a_neighbour_that_was_shut_out_begins_anew():
    shut_out = ShutOut(3, 60.0)
    shut_out.note(peer(1), 3, 0.0)
    assert shut_out.note(peer(1), 2, 1.0) is None


def test_without_a_limit_lines_are_only_counted():
    assert ShutOut(0, 60.0).note(peer(1), 1_000, 0.0) is None


def test_both_memories_are_bounded():
    shut_out = ShutOut(2, 60.0)
    for port in range(1, REMEMBERED + 2):
        shut_out.note(peer(port), 2, 0.0)
    assert not shut_out.has(peer(1), 1.0) and shut_out.has(peer(2), 1.0)
    for port in range(1, REMEMBERED + 2):
        shut_out.note(peer(port), 1, 100.0)
    assert shut_out.note(peer(1), 1, 100.0) is None
    assert shut_out.note(peer(3), 1, 100.0) is not None
