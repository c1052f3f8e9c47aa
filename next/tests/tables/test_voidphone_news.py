"""News without sockets: memory, what waits, how far it goes."""

import random

import pytest

from gossip.voidphone import news
from gossip.voidphone.news import (
    KEPT_BYTES, OVERHEAD, REMEMBERED, UNLIMITED, WAITING, WAITING_BYTES, Memory, Pending)
from tests.tools.module_examples import push


def item(number: int, data_type: int = 1) -> news.Item:
    return news.Item(number, data_type, b"digest")


def test_a_message_is_new_once_in_its_time():
    memory = Memory(60.0, 10)
    assert memory.add(item(1), 0.0) and not memory.add(item(1), 59.9)
    assert memory.add(item(1), 60.0) and not memory.add(item(1), 119.9)
    assert memory.add(item(1, data_type=2), 60.0) and memory.add(item(2), 60.0)
    assert memory.add(item(1)._replace(digest=b"other"), 60.0)
    assert len(memory) == 4 and memory.dropped == 0
    assert memory.add(item(3), 1000.0) and len(memory) == 1


@pytest.mark.parametrize("most, bound", [(50, 65_536), (70_000, 70_000)])
def test_the_memory_is_bounded_and_counts_what_goes_early(most, bound):
    memory = Memory(60.0, most)
    for number in range(bound + 10):
        assert memory.add(item(number), 0.0)
    assert len(memory) == bound and memory.dropped == 10
    assert not memory.add(item(10), 1.0) and memory.add(item(0), 1.0)
    assert REMEMBERED == 65_536


def test_ids_of_what_waits_are_random_and_unique():
    pending = Pending(random.Random(1), 5.0)
    numbers = [pending.add(push(), item(n), (), "a", 0.0)[0] for n in range(WAITING)]
    assert len(set(numbers)) == WAITING and set(numbers) <= set(range(65_536))
    assert numbers[:100] != sorted(numbers[:100])
    assert pending.dropped == {}
    pending.add(push(), item(-1), (), "a", 0.0)
    assert pending.count() == WAITING and pending.validated(numbers[0], "a") is None
    assert pending.validated(numbers[1], "a") is not None
    other = Pending(random.Random(2), 5.0)
    assert [other.add(push(), item(n), (), "a", 0.0)[0] for n in range(3)] != numbers[:3]


def test_the_first_validation_by_one_who_was_notified_counts():
    pending = Pending(random.Random(1), 5.0)
    number, alone = pending.add(push(), item(1), {"sender"}, ["a", "b"], 0.0)
    second, not_alone = pending.add(push(2), item(2), (), ["b"], 0.0)
    assert alone and not not_alone
    assert pending.validated(number, "c") is None and pending.validated(second, "a") is None
    assert pending.count() == 2
    waiting = pending.validated(number, "b")
    assert waiting.message == push() and waiting.senders == {"sender"}
    assert pending.validated(number, "a") is None and pending.validated(number, "b") is None
    unknown = next(n for n in range(65_536) if n not in (number, second))
    assert pending.validated(unknown, "b") is None
    assert pending.count() == 1
    assert pending.dropped == {"validations of what does not wait": 5}
    assert pending.validated(second, "b").message == push(2) and pending.count() == 0


def test_one_who_has_gone_has_no_say():
    pending = Pending(random.Random(1), 5.0)
    number, _ = pending.add(push(), item(1), ["sender"], ["a", "b"], 0.0)
    pending.on_end("a")
    pending.on_end("sender")
    assert pending.validated(number, "a") is None
    assert pending.validated(number, "b").senders == set()


def test_what_nobody_validates_in_time_is_dropped():
    pending = Pending(random.Random(1), 5.0)
    assert pending.expire(0.0) is None
    early, _ = pending.add(push(1), item(1), (), "a", 10.0)
    late, _ = pending.add(push(2), item(2), (), "a", 12.0)
    assert pending.expire(14.9) == 15.0 and pending.count() == 2
    assert pending.expire(15.0) == 17.0 and pending.count() == 1
    assert pending.validated(early, "a") is None and pending.validated(late, "a")
    assert pending.expire(17.0) is None
    assert pending.dropped["messages without a validation in time"] == 1


def test_what_waits_is_at_most_64_mib_and_the_oldest_goes():
    pending, data = Pending(random.Random(1), 5.0), bytes(1 << 20)
    numbers = [pending.add(push(n, data), item(n), (), "a", n)[0] for n in range(64)]
    assert WAITING_BYTES == 64 << 20 and pending.count() == 64 and pending.dropped == {}
    pending.add(push(64, b"x"), item(64), (), "a", 64)
    assert pending.count() == 64 and pending.validated(numbers[0], "a") is None
    assert pending.dropped["messages dropped: too many wait for validation"] == 1
    for number in numbers[1:5]:  # what was validated makes room
        assert pending.validated(number, "a")
    for n in range(65, 69):
        pending.add(push(n, data), item(n), (), "a", n)
    assert pending.count() == 64 and pending.validated(numbers[5], "a")
    assert pending.dropped["messages dropped: too many wait for validation"] == 1


def test_who_joins_is_notified_of_what_waits_and_of_what_came_within_a_second():
    pending = Pending(random.Random(1), 5.0)
    numbers = [pending.add(push(n), item(n), ["sender"], notified, n / 10)[0]
               for n, notified in enumerate(("a", "a", "", "a"))]
    assert pending.count() == 3 and pending.validated(numbers[1], "a")
    assert pending.validated(numbers[2], "a") is None  # it does not wait
    assert pending.join(2, "b", 0.0) == [] == pending.join(1, "sender", 0.0)

    def joined(link, now):
        return [(numbers.index(here().number), here().message.id)
                for here in pending.join(1, link, now)]
    assert joined("b", 1.0) == [(0, 0), (1, 1), (2, 2), (3, 3)]
    assert joined("c", 1.15) == [(0, 0), (2, 2), (3, 3)]
    assert joined("d", 1.25) == joined("d", 4.9) == [(0, 0), (3, 3)]
    assert joined("e", 5.1) == [(3, 3)]
    assert pending.validated(numbers[3], "b").message == push(3) and joined("f", 5.1) == []
    assert pending.expire(9.0) is None and not pending._kept


def test_what_is_kept_for_newcomers_is_at_most_8_mib_and_leaves_room_for_what_waits():
    pending, data = Pending(random.Random(1), 5.0), bytes(60_000)
    room = KEPT_BYTES // (len(data) + OVERHEAD)
    for number in range(room + 5):
        pending.add(push(number, data), item(number), (), "", 0.0)
    assert [here().message.id for here in pending.join(1, "a", 0.0)] == list(range(5, room + 5))
    for number in range(WAITING):
        pending.add(push(number), item(number), (), "a", 0.0)
    assert pending.count() == WAITING and pending.dropped == {} and not pending._kept
    for number in range(WAITING):
        pending.add(push(number), item(number), (), "", 0.0)
    assert pending.count() == WAITING and len(pending._kept) <= 1


def test_what_is_kept_is_dropped_in_time_and_its_id_is_free_no_sooner():
    pending = Pending(random.Random(1), 5.0)
    number, alone = pending.add(push(), item(1), (), "", 10.0)
    assert alone and not pending.add(push(), item(1), (), "", 10.0)[1]
    assert pending.expire(10.9) == 12.0 and pending.add(push(), item(1), (), "a", 10.9)[1]
    taken = {pending.add(push(), item(n), (), "a", 10.9)[0] for n in range(2, 59_000)}
    assert number not in taken and pending.expire(11.0) == 15.9
    assert number not in {here().number for here in pending.join(1, "b", 10.9)}


def test_a_copy_raises_the_ttl_of_what_waits_and_marks_its_sender():
    pending = Pending(random.Random(1), 5.0)
    number, _ = pending.add(push(ttl=3), item(1), ["a"], ["m"], 0.0)
    for sender, ttl in (("b", 2), ("c", 7), ("d", 5)):
        pending.copy(item(1), sender, ttl)
    pending.copy(item(2), "e", 200)  # does not wait
    waiting = pending.validated(number, "m")
    assert waiting.message == push(ttl=7) and waiting.senders == set("abcd")
    pending.copy(item(1), "f", UNLIMITED)
    number, _ = pending.add(push(ttl=254), item(1), ["a"], ["m"], 0.0)
    pending.copy(item(1), "b", UNLIMITED)
    assert pending.validated(number, "m").message.ttl == UNLIMITED


def test_a_message_that_was_forgotten_while_it_waits_may_come_again():
    """With a memory shorter than the patience, the same message waits twice."""
    for order in ((0, 1), (1, 0)):
        pending = Pending(random.Random(1), 5.0)
        numbers = [pending.add(push(), item(1), (), "m", now)[0] for now in (0.0, 1.0)]
        assert all(pending.validated(numbers[at], "m") for at in order)
        assert pending.count() == 0 and pending.expire(99.0) is None


def test_a_newcomer_that_reads_slowly_keeps_nothing_in_memory():
    pending = Pending(random.Random(1), 5.0)
    number, _ = pending.add(push(1), ("key",), ("sender",), ("a",), 0.0)
    here, = pending.join(1, "b", 0.0)
    assert here().number == number and here().message == push(1)
    pending.validated(number, "a", valid=False)
    assert here() is None
