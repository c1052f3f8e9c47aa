"""The line that shows two signed lines of one run that contradict each other."""

import hashlib

import pytest

from gossip import wire
from gossip.signing import grammar
from gossip.signing.grammar import Signer
from tests.tools.fakes import peer

SIGNER, OTHER = Signer(peer(1), bytes(32)), Signer(peer(1), bytes([1] * 32))


def cover(signer, first, *texts):
    line, = signer.cover(first, [hashlib.sha256(text.encode()).digest() for text in texts])
    return line


def test_two_signed_lines_travel_in_one_line():
    one, other = cover(SIGNER, 1, "a", "b"), cover(SIGNER, 2, "c")
    line = grammar.contradiction(one, other)
    message = wire.parse(line[:-1])
    assert message.kind == "contradiction" and message.line + b"\n" == line
    assert message.run == f"{peer(1)}:{SIGNER.start}".encode()
    assert (message.one, message.other) == (grammar.parse_signed(one), grammar.parse_signed(other))


@pytest.mark.parametrize("one, other", [
    (cover(SIGNER, 1, "a"), cover(SIGNER, 1, "a")),
    (cover(SIGNER, 1, "a"), cover(SIGNER, 2, "b")),
    (cover(SIGNER, 1, "a", "b"), cover(SIGNER, 2, "b", "c")),
    (cover(SIGNER, 1, "a"), cover(OTHER, 1, "b")),
    (cover(SIGNER, 1, "a"), b"signed:"),
    (cover(SIGNER, 1, "a"), b""),
])
def test_what_is_no_contradiction_is_refused(one, other):
    with pytest.raises(wire.WireError):
        wire.parse(grammar.contradiction(one, other)[:-1])


def test_a_line_without_two_halves_is_refused():
    with pytest.raises(wire.WireError):
        wire.parse(b"contradiction:" + cover(SIGNER, 1, "a"))
