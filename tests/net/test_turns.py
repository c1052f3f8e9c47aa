"""Turns: one thread at a time, what comes after a turn, and how a turn is left in order to wait."""

import contextlib
import math
import threading
import types

import pytest

from gossip.net import threads
from gossip.net.threads import Turn
from gossip.settings import LATE_FOR
from tests.tools.waiting import wait_until


def started(target):
    """A thread that runs this."""
    thread = threading.Thread(target=target, daemon=True)
    thread.start()
    return thread


def turn_of_two():
    """A turn, what was told in it, and what another thread does: it takes the turn and tells so."""
    turn, told = Turn(pytest.fail), []

    def other():
        with turn:
            told.append("the other")
    return turn, told, other


def test_another_thread_has_its_turn_when_the_outermost_is_over():
    turn, told, other = turn_of_two()
    with turn:
        with turn:
            thread = started(other)
        thread.join(0.1)
        told.append("this one")
    thread.join(60)
    assert told == ["this one", "the other"]


def test_what_may_wait_is_done_by_the_same_thread_after_the_outermost_turn():
    turn, told = Turn(pytest.fail), []

    def wait_for_another(number):
        """Another thread can take a turn, so this one is over."""
        started(turn.__enter__).join(60)
        told.append((number, threading.current_thread()))

    with pytest.raises(KeyError):
        with turn:
            with turn:
                turn.after(told.append, "after")
                turn.after(wait_for_another, 1)
            assert told == []
            raise KeyError("also after an error")
    assert told == ["after", (1, threading.current_thread())]


def test_outside_of_a_turn_it_is_done_at_once():
    turn, told = Turn(pytest.fail), []
    turn.after(told.append, 1)
    assert told == [1]


def test_a_turn_is_left_whole_and_taken_again():
    turn, told, other = turn_of_two()
    with turn:
        with turn:
            turn.after(told.append, "after")
            with turn.left():
                started(other).join(60)
            thread = started(other)
            thread.join(0.1)
            assert told == ["after", "the other"]  # this turn goes on
    thread.join(60)
    assert told == ["after", "the other", "the other"]


def test_whoever_has_no_turn_leaves_none():
    turn = Turn(pytest.fail)
    entered, let_go = threading.Event(), threading.Event()

    def other():
        with turn:
            entered.set()
            let_go.wait(60)

    thread = started(other)
    assert entered.wait(60)
    leaver = threading.Thread(target=lambda: turn.left().__enter__())
    leaver.start()
    leaver.join(0.1)
    assert leaver.is_alive()  # it has to look, in a turn, whether it has one
    let_go.set()
    wait_until(lambda: not thread.is_alive() and not leaver.is_alive())
    with turn:
        pass


def test_a_call_that_fails_after_a_turn_is_reported_and_the_others_are_made():
    failed, made = [], []
    turn = Turn(failed.append)
    with turn:
        turn.after(int, "no number")
        turn.after(made.append, "second")
        with turn.left():
            assert made == ["second"] and len(failed) == 1
        turn.after(made.append, "third")
        assert made == ["second"]
    assert made == ["second", "third"]


def test_a_thread_that_waits_for_its_turn_is_late_meanwhile_and_for_some_time_after(monkeypatch):
    turn, clock = Turn(pytest.fail), [100.0]
    monkeypatch.setattr("gossip.net.threads.time.monotonic", lambda: clock[0])
    assert turn.waited() == 0.0
    with turn:
        thread = started(lambda: turn.__enter__() or turn.__exit__())
        wait_until(lambda: turn._waiting)
        clock[0] += 0.3
        assert turn.waited() == pytest.approx(0.3)
    thread.join(60)
    clock[0] += LATE_FOR - 0.1
    assert turn.waited() == pytest.approx(0.3)
    clock[0] += 0.2
    assert turn.waited() == 0.0


def test_a_long_turn_is_left_for_a_moment_when_somebody_waits():
    turn, told, other = turn_of_two()
    with turn:
        with turn:
            thread = started(other)
            wait_until(lambda: turn.share() or told, what="the other to have its turn")
    thread.join(60)
    assert told == ["the other"]


def test_a_turn_that_begins_while_the_pulse_is_overdue_has_it_look_first(monkeypatch):
    looked = []
    late = types.SimpleNamespace(expected=0.0, look=lambda: looked.append(1))
    monkeypatch.setattr("gossip.net.threads.PULSE", late)
    turn = Turn(pytest.fail)
    with turn, turn:
        assert looked == [1]
    late.expected = math.inf
    with turn:
        assert looked == [1]


def test_long_waits_at_the_same_time_are_told_once(monkeypatch):
    waits = []
    monkeypatch.setattr("gossip.net.threads.AT_ONCE", 0.2)
    turn = Turn(pytest.fail, waits.append)

    def wait():
        with turn:
            pass

    threads = [threading.Thread(target=wait) for _ in range(3)]
    with turn:
        for thread in threads:
            thread.start()
        wait_until(lambda: turn.waited() > 0.3)
    for thread in threads:
        thread.join()
    assert len(waits) == 1 and waits[0] > 0.2


@contextlib.contextmanager
def reader_of(turn, many=True):
    """What a link reader has while it passes many lines, or few, to the node."""
    turn.take(many)
    try:
        yield
    finally:
        turn.__exit__()


def test_of_all_nodes_one_reader_has_a_turn_and_others_do_not_wait_for_it():
    """It lets the next reader go before it makes calls that may wait, and while it leaves."""
    first, second, told = Turn(pytest.fail), Turn(pytest.fail), []

    def read():
        with reader_of(second):
            told.append("another reader")

    def do_a_duty():
        with second:
            told.append("a duty")

    with reader_of(first):
        reader = started(read)
        started(do_a_duty).join(60)
        wait_until(second.waited, what="the other reader to wait")
        assert told == ["a duty"]
        first.after(lambda: reader.join(60) or told.append("after"))
    assert told == ["a duty", "another reader", "after"]
    with reader_of(first):
        with first, first.left():
            started(read).join(60)
        assert told[3:] == ["another reader"] and Turn._many.locked()
    assert not Turn._many.locked()


def test_a_long_turn_of_a_reader_keeps_no_reader_of_another_node_waiting():
    busy, other, told = Turn(pytest.fail), Turn(pytest.fail), []

    def read():
        with reader_of(other):
            told.append("another reader")

    with reader_of(busy):
        reader = started(read)
        wait_until(lambda: busy.share() or told, what="the other reader to have its turn")
    reader.join(60)
    assert not Turn._many.locked() and not Turn._queue


def test_a_reader_whose_turn_stalls_keeps_readers_of_other_nodes_waiting_for_some_seconds(
        monkeypatch):
    monkeypatch.setattr(threads, "PATIENCE", 0.1)
    first, second, told = Turn(pytest.fail), Turn(pytest.fail), []

    def read():
        with reader_of(second):
            told.append("another reader")

    with reader_of(first):
        started(read).join(60)
        assert told == ["another reader"] and Turn._many.locked()
    assert not Turn._many.locked()


def test_a_duty_waits_for_few_readers_of_its_node_and_not_for_all():
    turn, told = Turn(pytest.fail), []

    def read():
        with reader_of(turn, many=False):
            told.append("a reader")

    def do_a_duty():
        with turn:
            told.append("the duty")

    with reader_of(turn, many=False):
        waiting = [started(read) for _ in range(40)]
        wait_until(lambda: len(turn._waiting) == 40, what="all readers to wait")
        waiting.append(started(do_a_duty))
        wait_until(lambda: len(turn._waiting) == 41, what="the duty to wait")
    for thread in waiting:
        thread.join(60)
    assert told.index("the duty") < 20 and told.count("a reader") == 40
    assert not turn._crowd.locked()
