"""The inbox: in order, bounded, each message once, whoever takes."""

import contextlib
import functools
import random
import time

import pytest

from grapevine.library import messages
from grapevine.library.messages import Inbox, Message
from tests.library.tools import alarm, running


def line(number, text="x", second=100, run="127.0.0.1:1:7"):
    return f"gmessage:{second}.000000:{run}:{number}:{text}".encode()


def put(inbox, *lines):
    inbox.put("127.0.0.1:2", list(lines))


def taken(inbox):
    numbers = []
    with contextlib.suppress(TimeoutError):
        while True:
            numbers.append(inbox.take(0).number)
    return numbers


def test_messages_are_taken_in_order_and_parsed_as_they_were_said():
    inbox = Inbox(100, False)
    put(inbox, line(1, "a\\\\b\\x1b\x1b\u202e\U000e0001:\x85c"), line(2, run="[fe80::1]:5:8"))
    put(inbox, b"any:thing:" + line(3, ""))
    assert inbox.take(0) == Message("127.0.0.1:1", 7, 1, 100.0,
                                    "a\\\\b\\x1b\x1b\u202e\U000e0001:\x85c", "127.0.0.1:2")
    assert inbox.take(0)[:3] == ("[fe80::1]:5", 8, 2)
    assert taken(inbox) == [3] and inbox.count() == 0


def test_what_interrupts_a_wait_is_shown_alone():
    def interrupt(*_):
        raise KeyboardInterrupt

    for wait in (None, 60):
        with pytest.raises(KeyboardInterrupt) as interrupted, alarm(interrupt, 0.05):
            Inbox(100, False).take(wait)
        assert interrupted.value.__context__ is None


@pytest.mark.parametrize("seed", range(20))
def test_never_more_than_the_limit_and_the_newest_stay(seed):
    chance, inbox, number, expected = random.Random(seed), Inbox(10, False), 0, []
    for _ in range(200):
        if chance.random() < 0.6:
            batch = list(range(number, number + chance.randrange(1, 15)))
            number = batch[-1] + 1
            put(inbox, *map(line, batch))
            expected = (expected + batch)[-10:]
        elif expected:
            assert inbox.take(0).number == expected.pop(0)
        assert inbox.count() == len(expected)
    assert taken(inbox) == expected


def test_it_is_bounded_in_bytes_too(monkeypatch):
    monkeypatch.setattr(messages, "MOST_BYTES", 10_000)
    inbox = Inbox(100, False)
    for number in range(20):
        put(inbox, line(number, "x" * 1_000))
    assert inbox.count() == 9 and taken(inbox) == list(range(11, 20))


def test_one_that_waits_is_full_above_its_limit_until_enough_is_taken():
    inbox = Inbox(2, True)
    put(inbox, line(1), line(2))
    assert not inbox.is_full()
    put(inbox, line(3))
    assert inbox.is_full() and inbox.dropped == 0
    inbox.take(0)
    assert not inbox.is_full() and taken(inbox) == [2, 3]


def test_what_is_older_than_since_is_left_out():
    inbox = Inbox(10, False, 100.0)
    put(inbox, line(1, second=99), line(2, second=100))
    put(inbox, line(3, second=1), b"any:" + line(4, second=101))
    assert taken(inbox) == [2, 4]


def test_takers_in_four_threads_get_each_message_once_until_the_end():
    inbox, found = Inbox(100_000, False), [[] for _ in range(4)]

    def take(numbers):
        with contextlib.suppress(EOFError):
            while True:
                numbers.append(inbox.take().number)

    with running(*[functools.partial(take, numbers) for numbers in found]):
        for first in range(0, 20_000, 50):
            put(inbox, *map(line, range(first, first + 50)))
        inbox.end()
    assert sorted(sum(found, [])) == list(range(20_000))
    assert all(numbers == sorted(numbers) for numbers in found)


def test_an_arrival_is_told_once_until_somebody_looks_and_the_end_is_told():
    told = []
    inbox = Inbox(10, False)
    inbox.on_arrival = lambda: told.append(inbox.count())
    put(inbox, line(1))
    put(inbox, line(2))
    assert told == [1]
    inbox.look()
    assert taken(inbox) == [1, 2]
    put(inbox, line(3))
    inbox.end()
    assert told == [1, 1] and inbox.count() == 1
    inbox.look()
    assert inbox.take(0).number == 3
    for _ in range(2):
        with pytest.raises(EOFError):
            inbox.take(0)


def test_a_signal_handler_may_end_the_inbox_while_its_thread_takes_messages():
    for delay in (0.0005, 0.002, 0.005):
        inbox, numbers = Inbox(100_000, False), []
        put(inbox, *map(line, range(2_000)))
        with alarm(lambda *_: inbox.end(), delay), pytest.raises(EOFError):
            while True:
                with contextlib.suppress(TimeoutError):  # Python may handle a signal after it
                    numbers.append(inbox.take(0.1).number)
        assert numbers == list(range(2_000))


def test_a_handler_of_signals_that_outlasts_the_time_delays_a_call_and_does_not_hang_it():
    inbox = Inbox(100, False)
    with alarm(lambda *_: time.sleep(0.2), 0.05), pytest.raises(TimeoutError):
        inbox.take(0.1)
