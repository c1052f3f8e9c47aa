"""Lines that wait until it is known whether their runs are genuine."""

import pytest

from gossip.signing import signed_spreading
from gossip.signing.signed_spreading import WaitingLines
from tests.tools.fakes import FakeLink

RUN, OTHER = b"127.0.0.1:5001:7", b"127.0.0.1:5001:8"


def test_lines_are_taken_out_once_behind_their_covers_in_the_order_in_which_they_came():
    waiting, one, other = WaitingLines(), FakeLink(), FakeLink()
    for line, cover, link in ((b"1", b"A", one), (b"2", b"A", other), (b"3", b"B", one),
                              (b"4", b"A", one), (b"1", b"A", other)):
        waiting.add(RUN, line, cover, link)
    waiting.add(OTHER, b"5", b"C", one)
    assert waiting.take(RUN) == [(one, [b"A", b"1", b"4", b"B", b"3"]), (other, [b"A", b"2"])]
    assert waiting.take(RUN) == []
    assert waiting.take(OTHER) == [(one, [b"C", b"5"])]


@pytest.mark.parametrize("what, limit", [("lines", 4), ("bytes", 80), ("runs", 4)])
def test_what_finds_no_room_is_counted_and_room_is_found_again(monkeypatch, what, limit):
    monkeypatch.setitem(signed_spreading.LIMITS, what, limit)
    waiting, link = WaitingLines(), FakeLink()
    for number in range(3):
        waiting.add(b"127.0.0.1:5001:%d" % number, b"%010d" % number, b"%010d" % number, link)
    assert waiting.dropped == 1
    assert waiting.take(b"127.0.0.1:5001:2") == []
    assert waiting.take(b"127.0.0.1:5001:0")
    waiting.add(OTHER, b"%010d" % 3, b"%010d" % 3, link)
    assert waiting.take(OTHER)


@pytest.mark.parametrize("what", ["lines", "bytes", "runs"])
def test_links_that_bring_ever_more_leave_room_for_others(monkeypatch, what):
    monkeypatch.setitem(signed_spreading.LIMITS, what, 320 if what == "bytes" else 16)
    waiting = WaitingLines()

    def kept(first):
        """How many of 16 lines find room that a new link brings."""
        before, link = waiting.dropped, FakeLink()
        for number in range(first, first + 16):
            waiting.add(b"127.0.0.1:5001:%d" % (number if what == "runs" else first),
                        b"%010d" % number, b"%010d" % number, link)
        return 16 - waiting.dropped + before

    assert [kept(first) for first in (100, 200, 300, 400)] == [8, 4, 2, 1]
    for number in range(100, 116):
        waiting.take(b"127.0.0.1:5001:%d" % number)
    assert kept(500) == 5


def test_a_cover_of_many_lines_takes_room_once():
    waiting, link = WaitingLines(), FakeLink()
    for number in range(400):
        waiting.add(RUN, b"%04d" % number, bytes(10_000), link)
    assert waiting.dropped == 0 and len(waiting.take(RUN)[0][1]) == 401
    assert not any(waiting._used.values())
