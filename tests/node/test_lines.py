"""Framing: bytes into lines, wherever the stream is cut."""

import random

from gossip import wire
from gossip.node.link import Lines


def test_lines_are_cut_wherever_the_stream_is_cut():
    data = b"one\ntwo\r\n\n\r\n\r\r\nthree\ris \rlonger\r\r\nrest"
    for _ in range(200):
        lines, framing, at = [], Lines(), 0
        while at < len(data):
            step = random.randint(1, 6)
            lines += framing.feed(data[at:at + step])
            at += step
        assert lines == [b"one", b"two", b"", b"", b"", b"three\ris \rlonger"]


def test_a_line_that_is_too_long_faults_after_those_before_it():
    framing = Lines(limit=10)
    assert framing.feed(b"short\r\n" + b"x" * 11 + b"\nlate\n") == [b"short"]
    assert isinstance(framing.fault, wire.WireError)
    framing = Lines(limit=10)
    assert framing.feed(b"x" * 10 + b"\n") == [b"x" * 10] and framing.fault is None
