"""The wire: every line is read as it was written, and everything else is a ProtocolError."""

import random

import pytest

from grapevine import wire
from grapevine.tools import ProtocolError
from tests.tables.samples import A, line, peer, run_of

B = peer(5002, "::1")
TIME, RUN = "1795212104.916459", b"127.0.0.1:1:7"
VALUES = {  # kind of line -> its fields, and how it is spelled
    "register": (("127.0.0.1:5001",), b"register:127.0.0.1:5001"),
    "registered": ((), b"registered successfully"),
    "registration_refused": (("no: why",), b"registration refused:no: why"),
    "ask_peer_list": ((), b"peer list"),
    "peer_list": (((A, B),), b"peer list:127.0.0.1#5001:[::1]#5002"),
    "dead_node": ((A, TIME, B), b"Dead Node:127.0.0.1:5001:1795212104.916459:[::1]:5002"),
    "leave": ((B,), b"leave:[::1]:5002"),
    "connect": ((A,), b"Connection with Peer:127.0.0.1:5001"),
    "accepted": ((A,), b"connection accepted:127.0.0.1:5001"),
    "refused": ((A, "full"), b"connection refused:127.0.0.1:5001:full"),
    "liveness_request": ((TIME, B), b"Liveness Request:1795212104.916459:[::1]:5002"),
    "liveness_reply": ((TIME, B, A),
                       b"Liveness Reply:1795212104.916459:[::1]:5002:127.0.0.1:5001"),
    "ask_known_peers": ((), b"known peers"),
    "known_peers": (((B,),), b"known peers:[::1]#5002"),
}
STATUS = [  # lines of anti-entropy, and what they mean
    (b"status:digest:" + b"0f" * 16,
     wire.Status("digest", "0f" * 16, (int("0f" * 16, 16),))),
    (b"status:parts:" + b"%08x" * 64 % tuple(range(64)),
     wire.Status("parts", "%08x" * 64 % tuple(range(64)), tuple(range(64)))),
    (b"status:show:8000000000000001",
     wire.Status("show", "8000000000000001", (2**63 + 1,))),
    (b"status:sent", wire.Status("sent")),
    *[(b"status:%b:[::1]:1:7=1-3,5 1.2.3.4:65535:9223372036854775807=9223372036854775807" % verb,
       wire.Status(verb.decode(), entries=[
           (b"[::1]:1:7", [(1, 3), (5, 5)]),
           (b"1.2.3.4:65535:9223372036854775807", [(2**63 - 1, 2**63 - 1)])]))
      for verb in (b"seen", b"want", b"gone", b"took", b"knew", b"prune", b"graft")],
    *[(b"status:%b:" % verb, wire.Status(verb.decode())) for verb in (b"seen", b"want")],
]


def say_status(status: wire.Status) -> bytes:
    """Write a status line."""
    if status.verb == "digest":
        return wire.say_digest(status.digest)
    if status.verb in ("parts", "show"):
        return wire.say_slices(status.verb, list(status.slices))
    if status.verb == "sent":
        return b"status:sent\n"
    return wire.say_entries(status.verb, [wire.entry(*one) for one in status.entries])


@pytest.mark.parametrize("kind", wire.LINES)
def test_every_kind_of_line_is_read_as_it_was_written(kind):
    values, spelled = VALUES[kind]
    assert wire.say(kind, *values) == spelled + b"\n"
    assert wire.parse(spelled) == (kind, values)


@pytest.mark.parametrize("spelled, status", STATUS)
def test_every_status_line_is_read_as_it_was_written(spelled, status):
    assert wire.parse(spelled) == ("status", (status,)) and say_status(status) == spelled + b"\n"


def test_a_list_may_be_empty_and_names_each_peer_once():
    assert wire.parse(b"peer list:") == ("peer_list", ((),))
    assert wire.parse(b"peer list:127.0.0.1#5001:[::1]#5002:127.0.0.1#5001") == (
        "peer_list", ((A, B),))
    assert wire.parse(b"register:") == ("register", ("",)), "the seed answers what is wrong with it"


@pytest.mark.parametrize("bad", [
    b"", b":", b"hello", b"REGISTER:127.0.0.1:5001", b"register", b"register:\xff",
    b"registered successfully ", b"registered successfully:", b"peer list2", b"peer list ",
    b"peer list:127.0.0.1:5001", b"peer list:127.0.0.1#1x", b"peer list:127.0.0.1#1:",
    b"peer list::127.0.0.1#1", b"peer list:127.0.0.1#70000", b"peer list:1.1.1.1#1 1.1.1.1#2",
    b"known peers:127.0.0.1:5001", b"leave", b"leave:", b"leave:localhost:1", b"leave:127.0.0.1",
    b"leave:127.0.0.1:0", b"leave:127.0.0.1:01", b"leave:[::1]", b"leave:::1:5", b"leave:[0::1]:5",
    b"leave:127.0.0.1:5001:", b"leave:127.0.0.1:5001\n", b" leave:127.0.0.1:5001",
    b"Dead Node:127.0.0.1:1:1.000000:127.0.0.1", b"Dead Node:127.0.0.1:1:1.000000",
    b"connection refused:127.0.0.1:1", b"registration refused:\xff", b"registration refused",
    b"Liveness Request:127.0.0.1:5001", b"Liveness Request:1.0:127.0.0.1:5001",
    b"Liveness Request:1x000000:127.0.0.1:5001",
    b"Liveness Request:1:127.0.0.1:5001", b"Liveness Request:-1.000000:127.0.0.1:5001",
    b"Liveness Request:1234567890123.000000:127.0.0.1:5001",
    b"Liveness Request:1.000000\xd9\xa1:127.0.0.1:5001",
    b"Liveness Reply:1.000000:127.0.0.1:5001", b"gmessage", *(b"status:" + bad for bad in [
        b"", b"what", b"\xff:", b"sent:", b"sent:x", b"digest", b"digest:zz",
        b"digest:" + b"0" * 31, b"digest:" + b"0" * 33, b"digest:" + b"F" * 32,
        b"parts:" + b"0" * 511, b"show:", b"show", b"show:" + b"0" * 15, b"show:0x00000000000000",
        b"want", b"seen", b"took", b"want:x=1",
        b"want:%b" % RUN, b"want:%b=" % RUN, b"want:%b=0" % RUN, b"want:%b=01" % RUN,
        b"want:%b=3-1" % RUN, b"want:%b=1-" % RUN, b"want:%b=1,,2" % RUN, b"want:%b=1-2-3" % RUN,
        b"want:%b=1 " % RUN, b"want: %b=1" % RUN, b"want:%b=1  %b8=1" % (RUN, RUN),
        b"want:%b=1 %b=2" % (RUN, RUN), b"want:127.0.0.1:1=1", b"want:127.0.0.1:1:0=1",
        b"want:127.0.0.1:1:07=1", b"want:127.0.0.01:1:7=1",
        b"want:127.0.0.1:1:9223372036854775808=1",
        b"want:%b=9223372036854775808" % RUN, b"want:%b=1-9223372036854775808" % RUN])])
def test_a_malformed_line_is_refused(bad):
    with pytest.raises(ProtocolError):
        wire.parse(bad)


def test_a_status_line_has_8000_ranges_at_most_of_one_run_or_of_many():
    for at_most in (RUN + b"=" + b",".join(b"%d" % number for number in range(1, 16_001, 2)),
                    b" ".join(b"127.0.0.1:1:%d=1" % start for start in range(1, 8_001))):
        wire.parse(b"status:seen:" + at_most)
        with pytest.raises(ProtocolError):
            wire.parse(b"status:seen:%b 127.0.0.1:2:1=1" % at_most)


def test_ranges_that_touch_overlap_or_are_in_no_order_are_understood():
    status, = wire.parse(b"status:seen:%b=9,3-4,1,5-6,4-7" % RUN)[1]
    assert status.entries == [(RUN, [(1, 1), (3, 7), (9, 9)])]
    assert wire.parse(b"status:seen:%b=1,2" % RUN)[1][0].entries == [(RUN, [(1, 2)])]


# Gossip.

@pytest.mark.parametrize("text", ["", ":", "a:gmessage:\u00e4\x1b\u2028\x85", "x\ry", "\x00"])
def test_a_text_may_be_anything_in_one_line(text):
    made = wire.make_gossip("1.000000", "127.0.0.1:5001:9223372036854775807", 2**63 - 1, text)
    assert wire.parse_gossip(made) == (b"127.0.0.1:5001:9223372036854775807", 2**63 - 1)
    assert wire.gossip_text(made) == text and wire.gossip_form(made)


def test_a_text_that_is_not_one_line_or_too_long_is_not_made():
    head = len(line(1, text=""))
    assert len(line(1, text="x" * (65_536 - head))) == 65_536
    for text in ("x" * (65_537 - head), "a\nb", "a\n"):
        with pytest.raises(ValueError):
            line(1, text=text)
    assert line(1, text="a\r\r") == line(1, text="a"), "readers drop it"
    assert wire.gossip_text(line(1, text="\udc80")) == "?", "half a character"


def test_prefixes_are_no_part_of_a_message():
    for prefix in (b"rumor:", b"any:thing:", b"x:" + b"y" * 60_000 + b":"):
        prefixed = prefix + line(1)
        assert wire.gossip_form(prefixed) == (wire.RUMOR if prefix == b"rumor:" else wire.GOSSIP)
        assert wire.gossip_part(prefixed) == line(1)
        assert wire.parse_gossip(prefixed) == (run_of(), 1)
        assert wire.gossip_text(prefixed) == "x"


@pytest.mark.parametrize("start", [form.partition(":")[0] for form in wire.LINES.values()
                                   if ":" in form] + ["status", "x"])
def test_a_line_of_another_kind_is_no_gossip_whatever_its_text_is(start):
    assert (wire.gossip_form(f"{start}:".encode() + line(1)) is not None) == (start == "x")
    assert (wire.gossip_form(f"rumor:{start}:".encode() + line(1)) is not None) == (start == "x")
    assert not wire.gossip_form(b"gmessage") and not wire.gossip_form(b"xgmessage:1")


@pytest.mark.parametrize("bad", [
    b"gmessage:", b"gmessage:1.0:127.0.0.1:5001:1:1:x", b"gmessage:1.000000:127.0.0.1:5001:0:1:x",
    b"gmessage:1.000000:127.0.0.1:5001:1:0:x", b"gmessage:1.000000:127.0.0.1:5001:1:-1:x",
    b"gmessage:1.000000:127.0.0.1:5001:1:01:x", b"gmessage:1.000000:127.0.0.1:5001:1:1",
    b"gmessage:1.000000:127.0.0.1:5001:1:9223372036854775808:x",
    b"gmessage:1.000000:127.0.0.1:5001:9223372036854775808:1:x",
    b"gmessage:1.000000:127.0.0.1:70000:1:1:x", b"gmessage:1.000000:[0::1]:5001:1:1:x",
    b"gmessage:1.000000:127.0.0.1:5001:1:1:\xff", b"gmessage:1.000000:127.0.0.1:5001:1:1:\xc3",
    b"\xff:gmessage:1.000000:127.0.0.1:5001:1:1:x", b"xgmessage:a:gmessage:1.000000:",
    b"gmessage:1.000000:127.0.0.1:5001:1:1:" + b"x" * 65_536])
def test_malformed_gossip_is_refused_alone_and_in_a_block(bad):
    with pytest.raises(ProtocolError):
        wire.parse_gossip(bad)
    good = b"gmessage:1.000000:127.0.0.1:5001:1:2:x"
    assert wire.parse_block([bad, good]) is None and wire.parse_block([good, bad]) is None


def test_a_block_is_what_continues_one_run():
    assert wire.parse_block([line(5), line(6), line(7)]) == (run_of(), 5, 7)
    for lines in ([line(5), line(7)], [line(6), line(5)], [line(5), line(5)],
                  [line(5), line(6, start=8)], [line(5), b"any:" + line(6)], [line(5), b""],
                  [b"x", b"y"], [line(2**63 - 1), line(2**63)]):
        assert wire.parse_block(lines) is None


# What is said is understood, and what is understood is said in the same way.

def test_entries_go_into_lines_that_others_accept():
    """Many ranges of few digits, and long runs; a line of 8,001 ranges would end the link."""
    rng = random.Random(1)
    for count in (0, 1, 24, 99, 101, 1_000):
        entries = [(b"127.0.0.1:1:%d" % start, [(n, n) for n in range(1, 2 * size, 2)])
                   for start, size in enumerate([1_000] * 8 + [count] * 100, 1) if size]
        for _ in range(2):
            data = wire.say_entries("seen", [wire.entry(*one) for one in entries])
            told = [wire.parse(said)[1][0].entries for said in data.splitlines()]
            assert max(map(len, data.splitlines())) < wire.LINE_LIMIT
            assert [one for entries in told for one in entries] == entries
            rng.shuffle(entries)
    assert wire.say_entries("want", []) == b"status:want:\n"
