"""Lines that wait until it is known whether their runs are genuine."""

import pytest

from gossip.spread import waiting_lines
from gossip.spread.waiting_lines import WaitingLines
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


@pytest.mark.parametrize("limit, value", [("LINES_LIMIT", 2), ("BYTES_LIMIT", 41),
                                          ("RUNS_LIMIT", 2)])
def test_what_finds_no_room_is_counted_and_room_is_found_again(monkeypatch, limit, value):
    monkeypatch.setattr(waiting_lines, limit, value)
    waiting, link = WaitingLines(), FakeLink()
    for number in range(3):
        waiting.add(b"127.0.0.1:5001:%d" % number, b"%010d" % number, b"%010d" % number, link)
    assert waiting.dropped() == {"lines of unknown runs": 1}
    assert waiting.take(b"127.0.0.1:5001:2") == []
    assert waiting.take(b"127.0.0.1:5001:0")
    waiting.add(OTHER, b"%010d" % 3, b"%010d" % 3, link)
    assert waiting.take(OTHER)
