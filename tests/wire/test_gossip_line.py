"""The gossip line: its fields, its text, its prefixes."""

import pytest

from gossip import wire
from gossip.addresses import parse_address

A = parse_address("127.0.0.1:5001")


@pytest.mark.parametrize("line", [
    b"gmessage:1.0:127.0.0.1:5001:1:1:x", b"gmessage:1.000000:127.0.0.1:5001:0:1:x",
    b"gmessage:1.000000:127.0.0.1:5001:1:0:x", b"gmessage:1.000000:127.0.0.1:5001:1:-1:x",
    b"gmessage:1.000000:127.0.0.1:5001:1:9223372036854775808:x", b"gmessage:",
    b"gmessage:1.000000:127.0.0.1:5001:1:1", b"gmessage:1.000000:127.0.0.1:5001:1:1:\xff",
    b"xgmessage:1.000000:127.0.0.1:5001:1:1:x", b"\xff:gmessage:1.000000:127.0.0.1:5001:1:1:x",
    b"gmessage:1.000000:127.0.0.1:5001:1:1:" + b"x" * 65536])
def test_gossip_that_breaks_the_grammar_is_refused(line):
    with pytest.raises(wire.WireError):
        wire.parse_gossip(line)


def test_gossip_text_may_hold_colons_unicode_and_a_second_gmessage():
    line = wire.gossip("1.000000", A, 2**63 - 1, 2**63 - 1, "a:gmessage:\u00e4\x1b\u2028")
    gossip = wire.parse_gossip(line)
    assert gossip.run == b"127.0.0.1:5001:9223372036854775807"
    assert gossip.number == 2**63 - 1
    assert gossip.shown.encode() == line


def test_prefixes_are_not_part_of_the_message():
    line = wire.gossip("1.000000", A, 7, 1, "x")
    assert wire.is_gossip(b"signed:by:me:" + line)
    assert wire.gossip_part(b"signed:by:me:" + line) == line
    assert wire.parse_gossip(b"signed:by:me:" + line) == wire.parse_gossip(line)
    assert not wire.is_gossip(b"register:" + line)
