"""The inbox: in order, bounded, each message once, whoever takes."""

import contextlib
import queue
import random
import signal
import threading

import pytest

from gossip.events import escape
from gossip.library.messages import Inbox, message_of


def line(number, text="x", second=100, run="127.0.0.1:1:7"):
    return f"gmessage:{second}.000000:{run}:{number}:{text}"


def put(inbox, *lines):
    inbox.put("127.0.0.1:2", "\n".join(lines))


def taken(inbox):
    numbers = []
    while True:
        try:
            numbers.append(inbox.take(0).number)
        except TimeoutError:
            return numbers


def test_messages_are_taken_in_order_and_parsed_as_they_were_said():
    inbox = Inbox(100, False)
    put(inbox, line(1, "a\\\\b\\x1b\\u202e\\U000e0001"), line(2))
    put(inbox, line(3, ""))
    first = inbox.take(0)
    assert first.text == "a\\b\x1b\u202e\U000e0001" and first.came_from == "127.0.0.1:2"
    assert (first.origin, first.run, first.number, first.time) == ("127.0.0.1:1", 7, 1, 100.0)
    assert taken(inbox) == [2, 3] and len(inbox) == 0


class QueueBefore313(queue.SimpleQueue):
    """A queue whose `get` waits for ever if it was called with hardly any time."""

    def get(self, block=True, timeout=None):
        assert not block or timeout is None or timeout > 1e-3, "this would wait for ever"
        return super().get(block, timeout)


def test_a_look_never_waits_for_ever_in_an_older_python():
    inbox = Inbox(100, False)
    inbox._queue = QueueBefore313()
    for number in (1, 2):
        put(inbox, line(number))
        assert inbox.take(0 if number == 1 else 1e-6).number == number
        with pytest.raises(TimeoutError):
            inbox.take(0)


def test_addresses_of_ipv6_are_parsed():
    message = message_of("gmessage:1.000000:[fe80::1]:5:7:1:a:b", "[::1]:2")
    assert (message.origin, message.came_from, message.text) == ("[fe80::1]:5", "[::1]:2", "a:b")


@pytest.mark.parametrize("seed", range(20))
def test_messages_of_many_runs_that_came_together_are_parsed_as_one_by_one(seed):
    chance, inbox = random.Random(seed), Inbox(100, False)
    runs = ["127.0.0.1:1:7", "127.0.0.1:1:71", "127.0.0.1:11:7", "[::1]:1:7", "[::1]:1:8"]
    texts = ["", ":", "\\x1b", "\x1b", *(f"{mark}:{run}:{mark}:" for run in runs
                                          for mark in ("", "1", "a"))]
    lines = [line(number, chance.choice(texts), number, chance.choice(runs))
             for number in range(50)]
    put(inbox, *map(escape, lines))
    together = [inbox.take(0) for _ in lines]
    assert together == [message_of(line, "127.0.0.1:2") for line in lines]
    assert [f"gmessage:{message.time:.6f}:{message.origin}:{message.run}:{message.number}:"
            f"{message.text}" for message in together] == lines


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
        assert len(inbox) == len(expected)
    assert taken(inbox) == expected


def test_what_is_older_than_since_is_left_out():
    inbox = Inbox(10, False, 100.0)
    put(inbox, line(1, second=99), line(2, second=100))
    put(inbox, line(3, second=1))
    assert taken(inbox) == [2]


def test_takers_in_four_threads_get_each_message_once_until_the_end():
    inbox, found = Inbox(100_000, False), [[] for _ in range(4)]

    def take(numbers):
        try:
            while True:
                numbers.append(inbox.take().number)
        except EOFError:
            pass

    threads = [threading.Thread(target=take, args=(numbers,)) for numbers in found]
    for thread in threads:
        thread.start()
    for first in range(0, 20_000, 50):
        put(inbox, *map(line, range(first, first + 50)))
    inbox.end()
    for thread in threads:
        thread.join(30)
    assert sorted(sum(found, [])) == list(range(20_000))
    assert all(numbers == sorted(numbers) for numbers in found)


def test_a_reader_waits_for_room_until_something_is_taken_or_its_link_ends():
    inbox, over = Inbox(2, True), threading.Event()
    put(inbox, line(1), line(2), line(3))
    reader = threading.Thread(target=inbox.wait_for_room, args=(over.is_set,))
    reader.start()
    reader.join(0.05)
    assert reader.is_alive() and len(inbox) == 3
    over.set()
    reader.join(30)
    assert not reader.is_alive() and taken(inbox) == [1, 2, 3]
    inbox.wait_for_room(lambda: False)


def test_arrival_is_told_when_the_empty_inbox_gets_something_and_at_the_end():
    told = []
    inbox = Inbox(10, False)
    inbox.on_arrival = lambda: told.append(len(inbox))
    put(inbox, line(1))
    put(inbox, line(2))
    assert told == [1] and taken(inbox) == [1, 2]
    put(inbox, line(3))
    inbox.end()
    assert told == [1, 1, 1]


def test_a_signal_handler_may_end_the_inbox_while_its_thread_takes_messages():
    for delay in (0.0005, 0.002, 0.005):
        inbox, numbers = Inbox(100_000, False), []
        put(inbox, *map(line, range(2_000)))
        before = signal.signal(signal.SIGALRM, lambda number, frame: inbox.end())
        try:
            signal.setitimer(signal.ITIMER_REAL, delay)
            with pytest.raises(EOFError):
                while True:
                    with contextlib.suppress(TimeoutError):  # Python may handle a signal after it
                        numbers.append(inbox.take(0.1).number)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
        assert numbers == list(range(2_000))
