"""Covers: what a peer takes where gossip is signed, and what it calls corrupt."""

import hashlib

import pytest

from gossip import wire
from gossip.settings import Settings
from gossip.signing import grammar
from gossip.signing.grammar import Signer
from gossip.signing.covers import TEXTLESS_LIMIT
from gossip.signing.signed_messages import SignedMessages
from tests.tools.fakes import FakeLink, peer
from tests.tools.texts import sifted

ORIGIN = peer(5001)


@pytest.fixture(scope="module")
def signer():
    return Signer(ORIGIN, bytes(range(32)))


def message_list(**settings):
    return SignedMessages(Settings(**settings), b"", Signer.is_good)


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
    assert sifted(messages, [*covers, *lines]) == []


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
    fresh = messages.add([*covers, *others, *lines, *other_lines], link=Neighbour(ORIGIN.port))
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
        fresh = messages.add(sifted(messages, again))
        assert fresh.lines == [] and fresh.corrupt == []


def test_an_answer_has_the_lines_of_each_cover_behind_it(signer):
    messages = message_list()
    (first, early), (second, late) = said(signer, 1, 2), said(signer, 3, 2)
    messages.add([*first, *early, *second, *late])
    run = f"{ORIGIN}:{signer.start}".encode()
    lines, _ = messages.texts([(run, [(2, 4)])], 1 << 20)
    assert lines == [*first, early[1], *second, *late]


def test_covers_count_in_the_bytes_that_are_held_and_go_with_their_texts(signer):
    (covers, lines), room = said(signer, 1, 2), 300
    messages = message_list(cache_bytes=room)
    assert sum(map(len, covers + lines)) > room > sum(map(len, lines))
    messages.add([*covers, *lines])
    assert messages.count() == 1


class Neighbour(FakeLink):
    """A link to the peer with this port."""

    def __init__(self, port):
        self.peer = peer(port)


def test_only_so_many_covers_wait_for_their_messages(signer):
    messages = message_list()
    said_alone = [said(signer, number, 1) for number in range(1, TEXTLESS_LIMIT + 3)]
    covers, lines = [cover for [cover], _ in said_alone], [line for _, [line] in said_alone]
    assert messages.add([*covers, *lines]).corrupt == lines[:2]
    assert sifted(messages, covers[2:3]) == [] and sifted(messages, covers[:1]) == covers[:1]


def test_others_cannot_push_out_the_cover_that_came_last_on_a_link(signer):
    messages, honest, hostile = message_list(), Neighbour(5002), Neighbour(5003)
    covers, lines = said(signer, 1, 2)
    messages.add([*covers, lines[0]], link=honest)
    covers, lines = said(signer, 3, 2)
    messages.add(covers, link=honest)
    for number in range(10, TEXTLESS_LIMIT + 10):
        messages.add(said(signer, number, 1)[0], link=hostile)
    fresh = messages.add(lines, link=honest)
    assert fresh.lines == lines and fresh.corrupt == []


def test_a_cover_whose_texts_were_evicted_speaks_for_the_rest_of_its_lines(signer):
    messages, one, other = message_list(cache_size=2), Neighbour(5002), Neighbour(5003)
    (covers, lines), (others, other_lines) = said(signer, 1, 4), said(signer, 5, 2)
    messages.add([*covers, *lines[:2]], link=one)
    assert sifted(messages, covers, link=other) == []  # held, so it is not looked at
    messages.add([*others, *other_lines], link=Neighbour(5004))
    for link in one, other:
        fresh = messages.add(sifted(messages, lines[2:], link), link=link)
        assert fresh.corrupt == []
    assert messages.count() == 2


def test_a_cover_that_is_dropped_between_two_looks_still_speaks_for_its_lines(signer):
    messages, link = message_list(cache_size=1), Neighbour(5002)
    (covers, lines), (others, other_lines) = said(signer, 1, 2), said(signer, 3, 1)
    messages.add([*covers, lines[0]])
    unknown = sifted(messages, [*covers, *lines], link)
    messages.add([*others, *other_lines])
    fresh = messages.add(unknown, link=link)
    assert fresh.lines == lines[1:] and fresh.corrupt == []


def test_a_cover_that_was_old_unchecked_lets_nothing_in_when_its_run_is_forgotten(signer):
    messages, link = message_list(runs_kept=2, cache_size=1), Neighbour(5002)
    forged = gossip(signer, 1, "forged")
    bad = grammar.signed(f"{ORIGIN}:{signer.start}".encode(), 1, bytes(32),
                         hashlib.sha256(forged).digest()[:16], lambda head: bytes(64))
    covers, lines = said(signer, 1, 1)
    messages.add([*covers, *lines])
    for port in 5008, 5009:  # the first has the text evicted, the second the run forgotten
        other = Signer(peer(port), bytes(32))
        line = wire.gossip("1700000000.000000", peer(port), other.start, 1, "x")
        cover = other.cover(1, [hashlib.sha256(line).digest()])
        assert messages.add([*cover, line]).lines == [line]
        messages.add([bad] if port == 5008 else [forged], link=link)
        assert messages.latest(9) == [line]


def test_who_relays_what_contradicts_is_not_blamed_but_its_origin_is(signer):
    first, lines = said(signer, 1, 2)
    other, other_lines = said(signer, 2, 2, text="other")
    for port, blamed in (5002, []), (ORIGIN.port, [*other, *other_lines]):
        messages, link = message_list(), Neighbour(port)
        messages.add([*first, *lines], link=link)
        fresh = messages.add([*other, *other_lines], link=link)
        assert fresh.lines == [] and fresh.corrupt == blamed


def test_who_listens_where_a_liar_has_listened_may_relay_what_contradicts(signer):
    messages = message_list()
    (first, lines), (other, other_lines) = said(signer, 1, 1), said(signer, 1, 1, text="other")
    messages.add([*first, *lines], link=Neighbour(5002))
    fresh = messages.add([*other, *other_lines], link=Neighbour(ORIGIN.port))
    assert fresh.lines == fresh.corrupt == []


def test_a_relayed_contradiction_needs_a_good_signature(signer):
    messages = message_list()
    first, lines = said(signer, 1, 1)
    other, other_lines = said(signer, 1, 1, text="other")
    forged = other[0][:-4] + b"AAAA"
    messages.add([*first, *lines])
    fresh = messages.add([forged, *other_lines], link=Neighbour(5002))
    assert fresh.corrupt == [forged, *other_lines]


def test_after_as_many_corrupt_lines_as_end_the_link_nothing_more_is_looked_at(signer):
    checks = []
    messages = SignedMessages(Settings(corrupt_limit=3), b"",
                           lambda signed: checks.append(signed) or Signer.is_good(signed))
    covers, lines = said(signer, 1, 1)
    bad = [said(signer, number, 1)[0][0][:-4] + b"AAAA" for number in range(2, 9)]
    fresh = messages.add([*covers, *bad, *lines])
    assert set(fresh.corrupt) < set(bad) and len(fresh.corrupt) == 3
    assert fresh.lines == [] and len(checks) == 4


@pytest.mark.parametrize("other_cover", [False, True])
def test_of_a_message_that_comes_twice_one_signature_is_checked(signer, other_cover):
    covers, lines = said(signer, 1, 1)
    others = said(signer, 1, 2)[0] if other_cover else covers
    checks = []
    messages = SignedMessages(Settings(), b"", lambda signed: checks.append(signed) or True,
                           checks_early=lambda neighbour: False)
    messages.add([*covers, *lines])
    messages.add([*others, *lines])
    assert len(checks) == 1 and messages.count() == 1


@pytest.mark.parametrize("size,times", [
    pytest.param(1, 1_500, marks=pytest.mark.slow), (512, 60)])
def test_a_portion_is_read_without_blame_however_it_was_said_and_stays_small(size, times, signer):
    full, lacking, link = message_list(), message_list(), Neighbour(5002)
    run, last = f"{ORIGIN}:{signer.start}".encode(), size * times
    for first in range(1, last, size):
        covers, lines = said(signer, first, size)
        full.add([*covers, lines[0]], made_here=True)
    while lacking.count() < full.count():
        want = lacking.lacking([(run, [(1, last)])])
        portion, _ = full.texts(want, 256 << 10)
        assert sum(map(len, portion)) < (256 << 10) + 12_000
        for at in range(0, len(portion), 100):
            part = sifted(lacking, portion[at:at + 100], link)
            assert lacking.add(part, link=link).corrupt == []


def test_a_contradiction_that_comes_without_a_link_is_no_fault_of_one_that_has_ended(signer):
    """Lines that had to wait come so; the link over which the origin sent the other may be gone."""
    messages, link = message_list(), Neighbour(5001)
    (one, line), (other, changed) = said(signer, 1, 1), said(signer, 1, 1, "y")
    messages.add([*one, *line], link=link)
    del link
    assert messages.add([*other, *changed]).corrupt == []
