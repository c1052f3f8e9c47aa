"""The backlog of a link: what waits, in which order, and how much of it nobody has asked for."""

import random
import tracemalloc

from gossip.node.backlog import JOIN_SIZE, Backlog
from gossip.wire import Answer


def test_answers_are_told_apart_to_the_last_byte():
    """Chunks of both kinds leave in pieces of any size."""
    rng = random.Random(1)
    for _ in range(200):
        backlog, waiting = Backlog(), []
        for _ in range(rng.randrange(1, 40)):
            if rng.random() < 0.6:
                waiting.append(rng.choice((bytes, Answer))(rng.randbytes(rng.randrange(1, 50))))
                backlog.append(waiting[-1])
            else:
                data, asked = backlog.take() if backlog.size else (b"", False)
                if data:
                    count = rng.randrange(len(data) + 1)
                    backlog.sent(data, count, asked)
                    waiting = left(waiting, count)
            assert backlog.size == sum(map(len, waiting))
            assert backlog.unasked == sum(len(one) for one in waiting if type(one) is bytes)
        rest = b""
        while backlog.size:
            data, asked = backlog.take()
            backlog.sent(data, len(data), asked)
            rest += data
        assert rest == b"".join(waiting) and backlog.unasked == 0


def left(waiting, count):
    """What still waits once so many bytes have been sent."""
    while count:
        if len(waiting[0]) <= count:
            count -= len(waiting.pop(0))
        else:
            waiting[0], count = type(waiting[0])(waiting[0][count:]), 0
    return waiting


def test_chunks_of_one_kind_are_joined():
    backlog = Backlog()
    for kind in (bytes, Answer):
        for _ in range(3):
            backlog.append(kind(b"x" * (JOIN_SIZE // 4)))
    assert [len(backlog.take()[0]) for _ in range(2)] == [3 * (JOIN_SIZE // 4)] * 2


def test_many_small_chunks_take_little_more_memory_than_their_bytes():
    backlog = Backlog()
    tracemalloc.start()
    try:
        for _ in range(100_000):
            backlog.append(Answer(b"status:sent\n"))
        assert tracemalloc.get_traced_memory()[0] < 1.5 * backlog.size
    finally:
        tracemalloc.stop()
    assert backlog.size == 1_200_000 and backlog.unasked == 0


def test_larger_chunks_are_shared_by_the_backlogs_of_all_links():
    backlogs, chunks = [Backlog() for _ in range(40)], [b"x" * size for size in (50, 10_000)] * 50
    tracemalloc.start()
    try:
        for backlog in backlogs:
            for chunk in chunks:
                backlog.append(chunk)
        assert tracemalloc.get_traced_memory()[0] < backlogs[0].size
    finally:
        tracemalloc.stop()
