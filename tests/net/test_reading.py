"""Reading a link: what came in time counts, however late it is read; and it counts once."""

import socket

import pytest

from gossip.net.connection import Connection
from gossip.net.flusher import Flusher
from gossip.net.threads import Turn
from gossip.node.link import Link
from gossip.settings import Settings
from gossip.wire import WireError

DEADLINE = 5.0


def fail(link):
    """What a node does with a link that is overdue."""
    raise WireError(link.what_is_overdue())


class Clock:
    now = 0.0
    tell = None  # a function that tells the time instead

    def __call__(self):
        return self.tell() if self.tell else self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def pair(clock):
    """A link on which a line is due at DEADLINE by that clock, and the socket at its other end."""
    flusher = Flusher(Turn(pytest.fail), pytest.fail)
    here, there = socket.socketpair()
    link = Link("waiting", Settings(), flusher, clock, Connection(here))
    link.deadline = DEADLINE
    yield link, there
    link.finish()
    there.close()
    flusher.close()


def test_a_line_that_came_in_time_and_is_read_late_counts(pair, clock):
    link, there = pair
    there.sendall(b"in time\n")
    clock.now = DEADLINE + 3.0
    assert link.next_lines(fail) == [b"in time"]
    with pytest.raises(WireError, match="no valid line in time"):
        link.next_lines(fail)


def test_nothing_that_came_is_overdue_after_a_look(pair, clock):
    link, _ = pair
    clock.now = DEADLINE
    with pytest.raises(WireError, match="no valid line in time"):
        link.next_lines(fail)


def test_a_reader_that_is_held_up_between_its_look_and_the_deadline_looks_again(pair, clock):
    link, there = pair
    looks = 0

    def clock_of_one_held_up():
        nonlocal looks
        looks += 1
        if looks == 1:
            return DEADLINE - 1.0
        if looks == 2:
            there.sendall(b"meanwhile\n")
        return DEADLINE + 1.0

    clock.tell = clock_of_one_held_up
    assert link.next_lines(fail) == [b"meanwhile"]


def test_who_goes_on_sending_after_the_deadline_gains_no_time(pair, clock):
    link, there = pair
    clock.now = DEADLINE
    there.sendall(b"one\n")
    assert link.next_lines(fail) == [b"one"]
    there.sendall(b"two\n")
    with pytest.raises(WireError, match="no valid line in time"):
        link.next_lines(fail)


def test_half_a_line_at_the_deadline_gains_no_time(pair, clock):
    link, there = pair
    clock.now = DEADLINE
    there.sendall(b"half a li")
    with pytest.raises(WireError, match="no valid line in time"):
        link.next_lines(fail)


def test_a_later_deadline_is_looked_past_once_as_well(pair, clock):
    link, there = pair
    clock.now = DEADLINE
    there.sendall(b"one\n")
    assert link.next_lines(fail) == [b"one"]
    link.deadline = 2 * DEADLINE
    there.sendall(b"two\n")
    clock.now = 2 * DEADLINE
    assert link.next_lines(fail) == [b"two"]
    with pytest.raises(WireError):
        link.next_lines(fail)


def test_the_end_of_the_stream_behind_the_deadline_is_no_broken_rule(pair, clock):
    link, there = pair
    there.close()
    clock.now = DEADLINE + 3.0
    assert link.next_lines(fail) is None
    assert link.reason == "closed by the other end"


def test_who_is_given_more_time_is_looked_for_once_more_after_it(pair, clock):
    link, there = pair
    given = []

    def give_more_time(link):
        if given:
            fail(link)
        given.append(link.what_is_overdue())
        link.more_patience = lambda: 0.05
        link.look_again()

    def clock_of_one_late():
        if given and clock.now == DEADLINE:  # it is about to wait
            there.sendall(b"in time\n")
            clock.now = DEADLINE + 1.0
        return clock.now

    clock.now, clock.tell = DEADLINE, clock_of_one_late
    assert link.next_lines(give_more_time) == [b"in time"]
    assert given
