"""The inbox: in order, bounded, each message once, whoever takes."""

import random
import threading

import pytest

from gossip.library.messages import Inbox, received


def event(number, text="x", second=100):
    return f"received:127.0.0.1:2:gmessage:{second}.000000:127.0.0.1:1:7:{number}:{text}"


def taken(inbox):
    numbers = []
    while True:
        try:
            numbers.append(inbox.take(0).number)
        except TimeoutError:
            return numbers


def test_messages_are_taken_in_order_and_parsed_as_they_were_said():
    inbox = Inbox(100, False)
    inbox.put([event(1, "a\\\\b\\x1b\\u202e\\U000e0001"), event(2)])
    inbox.put([event(3, "")])
    first = inbox.take(0)
    assert first.text == "a\\b\x1b\u202e\U000e0001" and first.came_from == "127.0.0.1:2"
    assert (first.origin, first.run, first.number, first.time) == ("127.0.0.1:1", 7, 1, 100.0)
    assert taken(inbox) == [2, 3] and len(inbox) == 0


def test_addresses_of_ipv6_are_parsed():
    [message] = received(["received:[::1]:2:gmessage:1.000000:[fe80::1]:5:7:1:a:b"])
    assert (message.origin, message.came_from, message.text) == ("[fe80::1]:5", "[::1]:2", "a:b")


@pytest.mark.parametrize("seed", range(20))
def test_never_more_than_the_limit_and_the_newest_stay(seed):
    chance, inbox, number, expected = random.Random(seed), Inbox(10, False), 0, []
    for _ in range(200):
        if chance.random() < 0.6:
            batch = list(range(number, number + chance.randrange(1, 15)))
            number = batch[-1] + 1
            inbox.put(list(map(event, batch)))
            expected = (expected + batch)[-10:]
        elif expected:
            assert inbox.take(0).number == expected.pop(0)
        assert len(inbox) == len(expected)
    assert taken(inbox) == expected


def test_what_is_older_than_since_is_left_out():
    inbox = Inbox(10, False, 100.0)
    inbox.put([event(1, second=99), event(2, second=100)])
    inbox.put([event(3, second=1)])
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
        inbox.put(list(map(event, range(first, first + 50))))
    inbox.end()
    for thread in threads:
        thread.join(30)
    assert sorted(sum(found, [])) == list(range(20_000))
    assert all(numbers == sorted(numbers) for numbers in found)


def test_a_reader_waits_for_room_until_something_is_taken_or_its_link_ends():
    inbox, over = Inbox(2, True), threading.Event()
    inbox.put([event(1), event(2), event(3)])
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
    inbox = Inbox(10, False, on_arrival=lambda: told.append(len(inbox)))
    inbox.put([event(1)])
    inbox.put([event(2)])
    assert told == [1] and taken(inbox) == [1, 2]
    inbox.put([event(3)])
    inbox.end()
    assert told == [1, 1, 1]
