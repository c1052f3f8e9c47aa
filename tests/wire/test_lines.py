"""The lines of the wire: read as written, refused when they break the grammar."""

import pytest

from gossip import wire
from gossip.addresses import parse_address

A, B = parse_address("127.0.0.1:5001"), parse_address("[::1]:5002")


@pytest.mark.parametrize("line, value", [
    (wire.register(A), wire.Register(A)),
    (wire.REGISTERED, wire.Bare("registered")),
    (wire.registration_refused("no: why"), wire.RegistrationRefused("no: why")),
    (wire.ASK_PEER_LIST, wire.Bare("ask_peer_list")),
    (wire.peer_list([A, B]), wire.PeerList(frozenset([A, B]))),
    (wire.peer_list([]), wire.PeerList(frozenset())),
    (wire.leave(B), wire.Leave(B)),
    (wire.connect(B), wire.Connect(B)),
    (wire.accepted(A), wire.Accepted(A)),
    (wire.refused(A, "full"), wire.Refused(A, "full")),
    (wire.liveness_request("12.000001", B), wire.LivenessRequest("12.000001", B)),
    (wire.liveness_reply("12.000001", B, A),
     wire.LivenessReply("12.000001", B, A)),
    (wire.dead_node(A, "1.000000", B), wire.DeadNode(A, "1.000000", B)),
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
    b"", b"hello", b"register", b"register:" + b"x" * 301, b"peer list:127.0.0.1:5001",
    b"peer list:127.0.0.1#1x",
    b"peer list2", b"Liveness Request:1.0:127.0.0.1:5001", b"Liveness Request:127.0.0.1:5001",
    b"Dead Node:127.0.0.1:1:1.000000:127.0.0.1", b"connection refused:127.0.0.1:1",
    b"registration refused:\xff",
    b"registered successfully ", b"REGISTER:127.0.0.1:5001"])
def test_what_breaks_the_grammar_is_refused(line):
    with pytest.raises(wire.WireError):
        wire.parse(line)


@pytest.mark.parametrize("named, fault", [
    (b"", "''"), (b"localhost:5051", "'localhost' does not appear to be an IPv4 or IPv6 address"),
    (b"127.0.0.1:0", "'127.0.0.1:0' is not IP:PORT"), (b"[0::1]:5", "strange spelling of [::1]:5"),
    (b"127.0.0.1:5001 ", "is not IP:PORT"), (b"\xff:5001", "not UTF-8"), (b"x" * 300, "IP:PORT")])
def test_what_is_wrong_with_the_address_that_registers_can_be_answered(named, fault):
    message = wire.parse(b"register:" + named)
    assert message.kind == "register" and fault in message.address
    assert wire.registration_refused(message.address).count(b"\n") == 1
