"""The message list: new or old, what is held, what is known; rules without a socket."""

import random

import pytest

from gossip import wire
from gossip.settings import Settings
from gossip.spread.message_list import MessageList
from tests.tools.texts import A, B, line, told


def test_new_is_told_from_old():
    messages = MessageList(Settings())
    assert messages.add([line(1), line(2), line(1)]).lines == [line(1), line(2)]
    assert messages.add([line(2), line(3)]).lines == [line(3)]
    assert messages.add([line(3, text="another text")]).lines == []


def test_two_origins_and_two_runs_have_messages_of_their_own():
    messages = MessageList(Settings())
    lines = [line(1), line(1, origin=B), line(1, start=8)]
    assert messages.add(lines).lines == lines


def test_prefixes_change_on_the_way():
    messages = MessageList(Settings())
    assert messages.add([b"signed:1:" + line(1)]).lines == [b"signed:1:" + line(1)]
    assert messages.add([line(1), b"signed:2:" + line(1)]).lines == []


def test_what_stands_before_a_fault_is_taken():
    fresh = MessageList(Settings()).add([line(1), b"gmessage:nonsense", line(2)])
    assert fresh.lines == [line(1)]
    assert isinstance(fresh.fault, wire.WireError)


@pytest.mark.parametrize("limit", [{"cache_size": 10}, {"cache_bytes": 10 * len(line(10))}])
def test_eviction_drops_texts_never_numbers(limit):
    messages = MessageList(Settings(**limit))
    for number in range(1, 101):
        messages.add([line(number)])
    assert 8 <= messages.count() <= 11
    assert messages.add([line(number) for number in range(1, 101)]).lines == []
    assert messages.vector() == [b"127.0.0.1:5001:7=1-100"]
    assert messages.dropped()["texts evicted"] == 100 - messages.count()


def test_digests_are_equal_when_and_only_when_the_same_is_known():
    one, other = MessageList(Settings()), MessageList(Settings(cache_size=2))
    lines = [line(n, origin) for n in (1, 2, 3, 7) for origin in (A, B)]
    one.add(lines)
    for text in random.sample(lines, len(lines)):
        assert one.digest() != other.digest()
        other.add([text])
    assert one.digest() == other.digest() and one.slices() == other.slices()


def test_a_message_more_changes_one_slice_of_the_digest_and_the_vector_of_a_slice_has_its_run():
    one, other = MessageList(Settings()), MessageList(Settings())
    one.add([line(1)])
    other.add([line(1), line(2)])
    differ = [at for at, (mine, theirs) in enumerate(zip(one.slices(), other.slices()))
              if mine != theirs]
    assert len(differ) == 1
    assert other.vector(1 << differ[0]) == [b"127.0.0.1:5001:7=1-2"]
    assert other.vector(~(1 << differ[0])) == []


def test_who_has_never_seen_a_message_does_not_call_it_gone():
    run = b"127.0.0.1:5001:7"
    evicted = MessageList(Settings(cache_size=1))
    evicted.add([line(1), line(2)])
    assert evicted.texts([(run, [(1, 9)])], 10**6) == ([line(2)], [(run, [(1, 1)])])
    assert MessageList(Settings()).texts([(run, [(1, 9)])], 10**6) == ([], [])


def test_what_others_make_in_ones_own_name_is_dropped():
    messages = MessageList(Settings(), b"127.0.0.1:5001:7")
    assert messages.add([line(1, text="forged"), line(1, origin=B)]).lines == [line(1, origin=B)]
    assert messages.add([line(1)], made_here=True).lines == [line(1)]


def test_a_vector_is_always_one_that_others_accept():
    """Whatever was heard: many ranges, a run of which nothing is known."""
    messages = MessageList(Settings(), b"127.0.0.1:5001:7")
    for run in range(12):
        messages.add([line(number, start=100 + run) for number in range(1, 2000, 2)])
    assert messages.add([line(1)]).lines == []  # in our own name, before we said anything
    entries = told(messages)
    assert len(entries) == 12 and sum(len(ranges) for _, ranges in entries) == 12_000
    assert max(map(len, wire.status_lines("seen", messages.vector()))) < wire.LINE_LIMIT
