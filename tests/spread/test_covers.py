"""Covers: what a peer takes where gossip is signed, and what it calls corrupt."""

import hashlib

import pytest

from gossip import wire
from gossip.settings import Settings
from gossip.signing.signed_lines import Signer
from gossip.spread.covers import WAITING_LIMIT, Covers
from gossip.spread.message_list import MessageList
from tests.tools.fakes import peer

ORIGIN = peer(5001)


@pytest.fixture(scope="module")
def signer():
    return Signer(ORIGIN, bytes(range(32)))


def message_list(**settings):
    return MessageList(Settings(**settings), b"", Covers(Signer.is_genuine))


def gossip(signer, number, text="hello"):
    return wire.gossip("1700000000.000000", ORIGIN, signer.start, number, f"{text} {number}")


def said(signer, first, count, text="hello"):
    """The signed lines and the gossip lines of messages said at once."""
    lines = [gossip(signer, number, text) for number in range(first, first + count)]
    return signer.cover(first, [hashlib.sha256(line).digest() for line in lines]), lines


def test_what_a_cover_speaks_of_is_taken_with_it(signer):
    messages = message_list()
    covers, lines = said(signer, 1, 3)
    fresh = messages.add([*covers, *lines])
    assert (fresh.lines, fresh.covers, fresh.corrupt) == (lines, covers * 3, [])
    assert messages.unknown([*covers, *lines]) == []


def test_a_line_that_no_cover_speaks_of_is_corrupt_and_the_true_one_still_comes(signer):
    messages = message_list()
    covers, lines = said(signer, 1, 2)
    forged = gossip(signer, 2, "forged")
    fresh = messages.add([lines[0], *covers, lines[0], forged])
    assert fresh.lines == [lines[0]] and fresh.corrupt == [lines[0], forged]
    assert messages.add([lines[1]]).lines == [lines[1]]
    assert messages.runs() == 1


def test_nothing_of_a_corrupt_run_is_remembered(signer):
    messages = message_list()
    messages.add([wire.gossip("1700000000.000000", ORIGIN, start, 1, "x") for start in (7, 8, 9)])
    assert messages.runs() == messages.count() == 0


@pytest.mark.parametrize("change", [
    lambda line: line[:-1], lambda line: line.replace(b":1:", b":2:", 1),
    lambda line: line.replace(b"5001", b"5002")])
def test_a_signed_line_that_was_changed_is_corrupt(change, signer):
    messages = message_list()
    covers, lines = said(signer, 1, 1)
    changed = change(covers[0])
    fresh = messages.add([changed, *lines])
    assert fresh.corrupt == [changed, *lines] and fresh.lines == []


def test_of_two_signed_lines_that_contradict_each_other_the_first_counts(signer):
    messages = message_list()
    covers, lines = said(signer, 1, 3)
    others, other_lines = said(signer, 3, 2, text="other")
    fresh = messages.add([*covers, *others, *lines, *other_lines])
    assert fresh.lines == lines and fresh.corrupt == [*others, *other_lines]


def test_two_signed_lines_that_agree_may_overlap(signer):
    messages = message_list()
    wide, lines = said(signer, 1, 3)
    narrow, _ = said(signer, 2, 1)
    fresh = messages.add([*narrow, *wide, *lines])
    assert fresh.lines == lines and fresh.corrupt == []


def test_a_message_whose_text_and_cover_are_gone_is_old_and_not_corrupt(signer):
    messages = message_list(cache_size=1)
    (first, line), (second, other) = said(signer, 1, 1), said(signer, 2, 1)
    messages.add([*first, *line, *second, *other])  # the first is evicted, and its cover with it
    for again in ([*first, *line], line):
        fresh = messages.add(messages.unknown(again))
        assert fresh.lines == [] and fresh.corrupt == []


def test_an_answer_has_the_covers_of_its_lines_before_them(signer):
    messages = message_list()
    (first, early), (second, late) = said(signer, 1, 2), said(signer, 3, 2)
    messages.add([*first, *early, *second, *late])
    run = f"{ORIGIN}:{signer.start}".encode()
    lines, _ = messages.texts([(run, [(2, 4)])], 1 << 20)
    assert lines == [*first, *second, early[1], *late]


def test_covers_count_in_the_bytes_that_are_held_and_go_with_their_texts(signer):
    (covers, lines), room = said(signer, 1, 2), 300
    messages = message_list(cache_bytes=room)
    assert sum(map(len, covers + lines)) > room > sum(map(len, lines))
    messages.add([*covers, *lines])
    assert messages.count() == 1


def test_only_so_many_covers_wait_for_their_messages(signer):
    covers = Covers(lambda signed: True)
    run = f"{ORIGIN}:{signer.start}".encode()

    def line(number):
        head = wire.signed_head(run, number, bytes(32), bytes(16))
        return wire.signed(head, bytes(64))
    nothing = MessageList(Settings())._seen_of
    for number in range(1, WAITING_LIMIT + 11):
        covers.take(line(number), nothing)
    assert covers.cover_of(run, 10) is None and covers.cover_of(run, 11) is not None
    assert covers.unknown([line(10), line(11)]) == [line(10)]
