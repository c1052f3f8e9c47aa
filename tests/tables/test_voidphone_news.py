"""News of a gossip module: what is remembered, what waits, what is kept for newcomers."""

import math
import random

import pytest

from grapevine.voidphone import news
from grapevine.voidphone.messages import PeerNotification
from grapevine.voidphone.news import (
    CROWDED_OUT, KEPT_BYTES, LEAST_REMEMBERED, NOT_WAITING, OVERHEAD, TOO_LATE, UNWANTED, WAITING,
    WAITING_BYTES, Memory, Pending)


def push(number: int = 1, data: bytes = b"x", ttl: int = 3, data_type: int = 1):
    return PeerNotification(ttl, number, data_type, data)


def item(number: int, data_type: int = 1) -> news.Item:
    return news.Item(number, data_type, b"digest")


def pending_of(patience: float = 5.0) -> Pending:
    return Pending(random.Random(1), patience)


def test_a_message_is_new_once_in_its_time():
    memory = Memory(60.0, 10)
    assert memory.add(item(1), 0.0) and not memory.add(item(1), 59.9)
    assert memory.add(item(1), 60.0) and not memory.add(item(1), 119.9)
    assert memory.add(item(1, data_type=2), 60.0) and memory.add(item(2), 60.0)
    assert memory.add(item(1)._replace(digest=b"other"), 60.0)
    assert len(memory) == 4 and memory.forgotten == 0
    assert memory.add(item(3), 1000.0) and len(memory) == 1


@pytest.mark.parametrize("most, bound", [(50, LEAST_REMEMBERED), (70_000, 70_000)])
def test_the_memory_is_bounded_and_counts_what_goes_early(most, bound):
    memory = Memory(60.0, most)
    for number in range(bound + 10):
        assert memory.add(item(number), 0.0)
    assert len(memory) == bound and memory.forgotten == 10
    assert not memory.add(item(10), 1.0) and memory.add(item(0), 1.0)


def test_ids_of_what_waits_are_random_and_unique_and_the_oldest_gives_way():
    pending = pending_of()
    ids = [pending.add(push(), item(n), "one", "a", 0.0).number for n in range(WAITING)]
    assert len(set(ids)) == WAITING and set(ids) <= set(range(65_536)) and ids != sorted(ids)
    assert pending.dropped == {}
    pending.add(push(), item(-1), "one", "a", 0.0)
    assert len(pending.waiting) == WAITING and pending.dropped == {CROWDED_OUT: 1}
    assert pending.validated(ids[0], "a", True) is None
    assert pending.validated(ids[1], "a", True) is not None


def test_the_first_validation_by_one_who_was_notified_counts():
    pending = pending_of()
    first = pending.add(push(), item(1), "sender", ["a", "b"], 0.0).number
    second = pending.add(push(2), item(2), "sender", ["b"], 0.0).number
    unknown = next(n for n in range(65_536) if n not in (first, second))
    for number, client in ((first, "c"), (second, "a"), (unknown, "b")):
        assert pending.validated(number, client, True) is None
    assert pending.copy(item(1), "other", 2) and not pending.copy(item(3), "other", 2)
    found = pending.validated(first, "b", True)
    assert found.message == push() and found.senders == {"sender", "other"}
    assert not pending.copy(item(1), "late", 2), "it waits no longer"
    assert pending.validated(first, "a", True) is None and len(pending.waiting) == 1
    assert pending.dropped == {NOT_WAITING: 4}


def test_what_nobody_validates_in_time_is_dropped():
    pending = pending_of()
    assert pending.expire(0.0) == math.inf
    early = pending.add(push(1), item(1), "one", "a", 10.0).number
    late = pending.add(push(2), item(2), "one", "a", 12.0).number
    assert pending.expire(14.9) == 15.0 and len(pending.waiting) == 2
    assert pending.expire(15.0) == 17.0 and len(pending.waiting) == 1
    assert pending.validated(early, "a", True) is None and pending.validated(late, "a", False)
    assert pending.expire(17.0) == math.inf and pending.dropped[TOO_LATE] == 1


def test_what_waits_is_at_most_64_mib_and_what_was_validated_makes_room():
    pending, data = pending_of(), bytes(1 << 20)
    ids = [pending.add(push(n, data), item(n), "one", "a", n).number for n in range(64)]
    assert WAITING_BYTES == 64 << 20 and pending.dropped == {}
    pending.add(push(64), item(64), "one", "a", 64)
    assert len(pending.waiting) == 64 and pending.validated(ids[0], "a", True) is None
    for number in ids[1:5]:
        assert pending.validated(number, "a", True)
    for n in range(65, 69):
        pending.add(push(n, data), item(n), "one", "a", n)
    assert len(pending.waiting) == 64 and pending.dropped[CROWDED_OUT] == 1


def joined(pending: Pending, client: str, now: float, data_type: int = 1) -> list[int]:
    return [found.id for _, found in pending.join(data_type, client, now)]


def test_who_joins_is_notified_of_what_waits_and_of_what_came_within_a_second():
    pending = pending_of()
    ids = [pending.add(push(n), item(n), "sender", notified, n / 10).number
           for n, notified in enumerate(("a", "a", "", "a"))]
    assert len(pending.waiting) == 3 and pending.validated(ids[1], "a", True)
    assert joined(pending, "b", 0.0, data_type=2) == [] == joined(pending, "sender", 0.0)
    assert joined(pending, "b", 1.0) == [0, 1, 2, 3]
    assert joined(pending, "c", 1.15) == [0, 2, 3]
    assert joined(pending, "d", 4.9) == [0, 3] and joined(pending, "e", 5.1) == [3]
    assert pending.validated(ids[3], "b", True).message == push(3)
    assert joined(pending, "f", 5.1) == [] and pending.expire(9.0) == math.inf


def test_news_that_are_gone_are_not_found_under_their_id_any_more():
    pending = pending_of()
    added = pending.add(push(1), item(1), "sender", ["a"], 0.0)
    [(number, which)] = pending.join(1, "b", 0.0)
    assert pending.find(number, which, "b") is added
    assert pending.find(number, which, "c") is pending.find(number, item(2), "b") is None
    pending.validated(number, "a", False)
    assert pending.find(number, which, "b") is None


def test_what_is_kept_is_at_most_8_mib_and_leaves_room_for_what_waits():
    pending, data = pending_of(), bytes(60_000)
    room = KEPT_BYTES // (len(data) + OVERHEAD)
    for number in range(room + 5):
        pending.add(push(number, data), item(number), "one", "", 0.0)
    assert joined(pending, "a", 0.0) == list(range(5, room + 5))
    for number in range(WAITING):
        pending.add(push(number, data_type=2), item(number, 2), "one", "a", 0.0)
    assert len(pending.waiting) == WAITING and pending.dropped == {}
    assert joined(pending, "b", 0.0) == []


def test_the_id_of_what_is_kept_is_free_when_that_is_dropped():
    pending = pending_of()
    number = pending.add(push(), item(1), "one", "", 10.0).number
    assert pending.expire(10.9) == 12.0
    taken = {pending.add(push(), item(n), "one", "a", 10.9).number for n in range(2, 59_000)}
    assert number not in taken and pending.expire(11.0) == 15.9


def test_unwanted_messages_are_kept_for_a_second_by_type():
    pending = pending_of()
    for data, data_type, sender, now in ((b"one", 1, "a", 10.0), (b"other", 2, "a", 10.5),
                                         (b"two", 1, "b", 10.6)):
        pending.add_unwanted(push(7, data, data_type=data_type), sender, now)
    assert pending.expire(10.9) == 11.0 and pending.dropped == {}
    assert [(sender, message.data) for sender, message in pending.take_unwanted(1, 10.9)] == [
        ("a", b"one"), ("b", b"two")]
    assert pending.take_unwanted(1, 10.9) == [] and pending.take_unwanted(2, 11.5) == []
    assert pending.expire(99.0) == math.inf and pending.dropped == {UNWANTED: 1}


def test_of_too_many_bytes_of_unwanted_messages_the_oldest_go():
    pending, size = pending_of(), 60_000
    room = KEPT_BYTES // (size + OVERHEAD)
    for number in range(room + 5):
        pending.add_unwanted(push(number, bytes(size), data_type=number % 2), "a", 1.0)
    assert pending.dropped == {UNWANTED: 5}
    for data_type in (0, 1):
        taken = [message.id for _, message in pending.take_unwanted(data_type, 1.0)]
        assert taken == [n for n in range(5, room + 5) if n % 2 == data_type]


def test_a_type_is_far_behind_by_its_own_messages_alone(monkeypatch):
    monkeypatch.setattr(news, "WAITING", 100)
    pending = pending_of(10.0)
    for number in range(61):
        pending.add(push(data_type=2 if number else 3), item(number), "one", ["a"], 0.0)
    assert [pending.lag(data_type, 0.5) for data_type in (2, 3, 4)] == [0.5, None, None]
    assert pending.lag(3, 6.0) == 6.0
    monkeypatch.setattr(news, "WAITING_BYTES", 100)
    pending.add(push(data=bytes(51), data_type=5), item(99), "one", ["a"], 0.0)
    assert pending.lag(5, 0.5) == 0.5 and pending.lag(3, 0.5) is None
