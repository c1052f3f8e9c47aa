"""Addresses, settings, config.txt and the grammar of the wire: pure values."""

import random

import pytest

from gossip import wire
from gossip.addresses import address_of, parse_address
from gossip.capacity import Capacity, fixed
from gossip.net.link import Lines
from gossip.settings import Settings, majority, parse_config
from gossip.terminal.command_line import (
    CommandError, Parser, add_peer_flags, peer_flags, peer_settings)

A, B = parse_address("127.0.0.1:5001"), parse_address("[::1]:5002")


def test_addresses_order_by_ip_as_a_number_then_by_port():
    texts = ["9.0.0.1:9", "127.0.0.1:80", "127.0.0.1:5001", "127.0.0.2:1", "[::ffff:0:0:1]:1"]
    addresses = [parse_address(text) for text in texts]
    assert sorted(random.sample(addresses, len(addresses))) == addresses
    assert [str(a) for a in addresses] == texts


@pytest.mark.parametrize("text", [
    "", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:05",
    "127.0.0:1", "127.0.0.01:1", "localhost:1", "::1:5001", "[127.0.0.1]:5001", "[::1%lo]:1",
    "127.0.0.1:5 ", "-1:5"])
def test_what_is_no_address_is_refused(text):
    with pytest.raises(ValueError):
        parse_address(text)


@pytest.mark.parametrize("seeds, needed",
                         [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3), (6, 4), (7, 4), (8, 5), (9, 5)])
def test_any_two_majorities_share_a_seed(seeds, needed):
    assert majority(seeds) == needed
    assert 2 * needed > seeds


def test_config_takes_commas_comments_blank_lines_crlf_and_repetitions():
    text = "# seeds\r\n127.0.0.1:8080\r\n\r\n127.0.0.1,8081 # second\n127.0.0.1:8080\n[::1]:1\n"
    assert [str(seed) for seed in parse_config(text.encode())] == [
        "127.0.0.1:8080", "127.0.0.1:8081", "[::1]:1"]


@pytest.mark.parametrize("text, number", [
    ("127.0.0.1:8080\nnonsense\n", 2), ("0.0.0.0:1", 1), ("1 27.0.0.1:80", 1),
    ("[::ffff:127.0.0.1]:1", 1)])
def test_a_bad_config_line_is_named_with_its_number(text, number):
    with pytest.raises(ValueError, match=f"line {number}:"):
        parse_config(text.encode())
    with pytest.raises(ValueError, match="no seed"):
        parse_config(b"# nothing\n")


@pytest.mark.parametrize("capacity", [Capacity(), fixed(6), Capacity("powerlaw", 2.25)])
def test_flags_survive_being_passed_on(capacity):
    settings = Settings(gossip_count=3, gossip_interval=0.5, capacity=capacity, cache_size=7)
    parser = Parser()
    add_peer_flags(parser)
    assert peer_settings(parser.parse_args(peer_flags(settings))) == settings
    with pytest.raises(CommandError):
        parser.parse_args(["--capacity", "fixed:1"])
    with pytest.raises(CommandError):
        parser.parse_args(["--capacity", "powerlaw:0"])


@pytest.mark.parametrize("line, value", [
    (wire.register(A), wire.Register(A)),
    (wire.REGISTERED, wire.Registered()),
    (wire.registration_refused("no: why"), wire.RegistrationRefused("no: why")),
    (wire.ASK_PEER_LIST, wire.AskPeerList()),
    (wire.peer_list([A, B]), wire.PeerList(frozenset([A, B]))),
    (wire.peer_list([]), wire.PeerList(frozenset())),
    (wire.leave(B), wire.Leave(B)),
    (wire.connect(B), wire.Connect(B)),
    (wire.accepted(A), wire.Accepted(A)),
    (wire.refused(A, "full"), wire.Refused(A, "full")),
    (wire.liveness_request("12.000001", B), wire.LivenessRequest("12.000001", B)),
    (wire.liveness_reply(wire.LivenessRequest("12.000001", B), A),
     wire.LivenessReply("12.000001", B, A)),
    (wire.dead_node(wire.DeadNode(A, "1.000000", B)), wire.DeadNode(A, "1.000000", B)),
    (wire.status_show("show", 5), wire.Status("show", slices=(5,))),
    (wire.status("meet digest", "0" * 32), wire.Status("digest", True, "0" * 32)),
    (wire.status_slices("parts", list(range(64))), wire.Status("parts", slices=tuple(range(64)))),
    (wire.status("sent"), wire.Status("sent")),
    (wire.status_entries("want", [(b"[::1]:1:7", [(1, 3), (5, 5)])])[0],
     wire.Status("want", entries=[(b"[::1]:1:7", [(1, 3), (5, 5)])])),
])
def test_every_line_is_read_as_it_was_written(line, value):
    assert line.endswith(b"\n")
    assert wire.parse(line[:-1]) == value


def test_the_words_of_the_wire_are_as_designed():
    assert wire.register(A) == b"register:127.0.0.1:5001\n"
    assert wire.peer_list([A, B]) == b"peer list:127.0.0.1#5001:[::1]#5002\n"
    assert wire.connect(A) == b"Connection with Peer:127.0.0.1:5001\n"
    assert wire.gossip("1.000000", B, 9, 1, "a:b") == b"gmessage:1.000000:[::1]:5002:9:1:a:b"


@pytest.mark.parametrize("line", [
    b"", b"hello", b"register", b"register:", b"register:127.0.0.1:0", b"register:[0::1]:5",
    b"register:127.0.0.1:5001 ", b"peer list:127.0.0.1:5001", b"peer list:127.0.0.1#1x",
    b"peer list2", b"Liveness Request:1.0:127.0.0.1:5001", b"Liveness Request:127.0.0.1:5001",
    b"Dead Node:127.0.0.1:1:1.000000:127.0.0.1", b"connection refused:127.0.0.1:1",
    b"registration refused:\xff", b"status:", b"status:want:x=1", b"status:digest:zz",
    b"status:show", b"status:meet want:127.0.0.1:1:7=3", b"status:meet show:" + b"0" * 16,
    b"status:sent:x",
    b"status:parts:" + b"0" * 511, b"status:meet meet digest:" + b"0" * 32,
    b"status:want:127.0.0.1:1:7=3-1", b"status:want:127.0.0.1:1:7=1-99999999999999999999",
    b"registered successfully ", b"REGISTER:127.0.0.1:5001"])
def test_what_breaks_the_grammar_is_refused(line):
    with pytest.raises(wire.WireError):
        wire.parse(line)


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


def test_lines_are_cut_wherever_the_stream_is_cut():
    data = b"one\ntwo\n\nthree is longer\nrest"
    for _ in range(200):
        lines, framing, at = [], Lines(), 0
        while at < len(data):
            step = random.randint(1, 6)
            lines += framing.feed(data[at:at + step])
            at += step
        assert lines == [b"one", b"two", b"", b"three is longer"]


def test_a_line_that_is_too_long_faults_after_those_before_it():
    framing = Lines(limit=10)
    assert framing.feed(b"short\n" + b"x" * 11) == [b"short"]
    assert isinstance(framing.fault, wire.WireError)
    framing = Lines(limit=10)
    assert framing.feed(b"x" * 10 + b"\n") == [b"x" * 10] and framing.fault is None


def test_a_peer_list_is_cut_where_a_line_is_full():
    many = [address_of(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}", 5000) for n in range(12_000)]
    line = wire.peer_list(many)
    assert len(line) <= wire.LINE_LIMIT
    assert len(wire.parse(line[:-1]).addresses) > 5000
