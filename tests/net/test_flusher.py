"""The flusher: calls that it takes over, soon or for later."""

import threading

import pytest

from gossip.net.flusher import Flusher
from gossip.net.threads import Turn
from tests.tools.waiting import wait_until


@pytest.fixture
def flusher():
    """A flusher whose thread runs."""
    flusher = Flusher(Turn(pytest.fail), pytest.fail)
    thread = threading.Thread(target=flusher.flush_all)
    thread.start()
    yield flusher
    flusher.stop()
    thread.join(60)
    assert not thread.is_alive()
    flusher.close()


def test_calls_are_made_when_they_are_due(flusher):
    made = []
    for after in (0.3, 0.0, 0.6, 0.15):
        flusher.take_over(lambda after=after: made.append(after), after)
    wait_until(lambda: len(made) == 4)
    assert made == [0.0, 0.15, 0.3, 0.6]


def test_a_call_for_later_keeps_no_other_one_waiting(flusher):
    made = []
    flusher.take_over(lambda: made.append("much later"), 600.0)
    for number in range(3):
        flusher.take_over(lambda number=number: made.append(number))
        wait_until(lambda: made == list(range(number + 1)))


def test_a_call_may_hand_over_another_one(flusher):
    made = []
    flusher.take_over(lambda: flusher.take_over(lambda: made.append("second"), 0.05), 0.05)
    wait_until(lambda: made == ["second"])


def test_a_call_that_fails_is_reported_and_the_next_ones_are_made():
    told, made = [], []
    flusher = Flusher(Turn(pytest.fail), told.append)
    for call in (lambda: made.append(1 / 0), lambda: made.append("next")):
        flusher.take_over(call)
    flusher._do_jobs()
    flusher.close()
    assert [type(error) for error in told] == [ZeroDivisionError] and made == ["next"]


def test_a_call_for_years_later_keeps_no_other_one_waiting(flusher):
    made = []
    flusher.take_over(lambda: made.append("years later"), 1e8)
    flusher.take_over(lambda: made.append("soon"), 0.1)
    wait_until(lambda: made == ["soon"])
    flusher.take_over(lambda: made.append("then"))
    wait_until(lambda: made == ["soon", "then"])
