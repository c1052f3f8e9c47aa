"""Chat: datagrams are packed, a log is made, the console's lines are understood, doors open."""

import hashlib
import hmac
import random
import socket
import threading

import pytest

from grapevine.addresses import parse_address
from grapevine.chat import doorstep
from grapevine.chat.console import parse_command
from grapevine.chat.neighbours import pack, sign
from grapevine.chat.server import chat_log
from tests.tools.chat import A, B
from tests.tools.programs import DEADLINE, free_ports
from tests.tools.virtual import gossip


def test_lines_are_packed_into_datagrams_whole():
    rng = random.Random(1)
    for _ in range(200):
        data = b"".join(b"x" * rng.randrange(40) + b"\n" for _ in range(rng.randrange(30)))
        pieces = pack(data, 40)
        assert b"".join(pieces) == data
        assert all(piece.endswith(b"\n") and len(piece) <= 40 for piece in pieces)
    assert pack(b"x" * 50 + b"\ny\n", 40) == [b"x" * 50 + b"\n", b"y\n"]  # too long for any


def test_a_signature_proves_sender_receiver_and_content():
    said = f"{A}>{B}\n".encode() + b"status:sent\n"
    signed = sign(b"secret", parse_address(A), parse_address(B), b"status:sent\n")
    assert signed == hmac.new(b"secret", said, hashlib.sha256).hexdigest().encode() + b"\n"


def test_the_log_has_the_order_of_arrival_and_each_runs_messages_in_number_order():
    lines = [gossip(A, 2, "a2"), gossip(B, 1, "b1"), gossip(A, 1, "c1", start=8),
             "signed:x:" + gossip(A, 1, "a1"), gossip(A, 10, "a10")]
    assert chat_log([line.encode() for line in lines]) == b"a1,b1,c1,a2,a10"
    assert chat_log([]) == b"<empty>"


@pytest.mark.parametrize("line, command", [
    ("0 start 4 10000", ("start", 0, 4, 10000)),
    (" 3\tstart  4 \t65535 ", ("start", 3, 4, 65535)),
    ("0 msg 0 Text with spaces", ("msg", 0, "msg 0 Text with spaces")),
    ("12 msg 007  two blanks, one trailing ",
     ("msg", 12, "msg 007  two blanks, one trailing ")),
    ("0 msg 1 a\x0bb\u2028c\udcff", ("msg", 0, "msg 1 a\x0bb\u2028c\udcff")),
    ("0 msg 1 " + "x" * 131_064, ("msg", 0, "msg 1 " + "x" * 131_064)),
    ("3 get chatLog", ("get", 3, "get chatLog")),
    ("3 get  chatLog ", ("get", 3, "get chatLog")),
    ("1 crash", ("crash", 1, "crash")),
])
def test_lines_are_understood(line, command):
    assert parse_command(line) == command


@pytest.mark.parametrize("line, hint", [
    ("start 0 4 10000", "ID start N PORT"), ("hello", "ID start N PORT"),
    ("0", "or exit"), ("0 quit", "or exit"), ("exit now", "or exit"), ("-1 crash", "or exit"),
    ("0 crashed", "or exit"), ("123456 crash", "or exit"), ("\u0661 crash", "or exit"),
    ("0 start", "start N PORT"), ("0 start 4", "start N PORT"),
    ("0 start 4 10000 x", "start N PORT"), ("0 start x 10000", "start N PORT"),
    ("4 start 4 10000", "5 or more"), ("0 start 0 10000", "1 or more"),
    ("0 start 4 0", "not a port"), ("0 start 4 65536", "not a port"), ("0 start 4 x", "not a port"),
    ("0 msg", "MESSAGEID"), ("0 msg Text", "MESSAGEID"), ("0 msg 1", "MESSAGEID"),
    ("0 msg 1 ", "MESSAGEID"), ("0 msg -1 a", "MESSAGEID"), ("0 msg \u0661 a", "MESSAGEID"),
    ("2 get", "get chatLog"), ("2 get chatlog", "get chatLog"), ("2 get chatLog now", "chatLog"),
    ("2 crash now", "ID crash"), ("0 msg 1 " + "x" * 131_065, "131,072"),
    ("0 msg 1 " + "\u00e4" * 70_000, "131,072"),
])
def test_a_wrong_line_gets_a_sentence_that_helps(line, hint):
    with pytest.raises(ValueError, match=".") as caught:
        parse_command(line)
    assert hint in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("arguments", [
    [], ["--chat"], ["--chat", "0", "1"], ["--chat", "x", "1", "2"], ["--chat", "0", "1", "70000"],
    ["--chat", "0", "1", "5000", "--udp-base", "x"], ["--chat", "0", "1", "9" * 5_000]])
def test_the_doorstep_opens_nothing_for_a_strange_command_line(arguments):
    doorstep.open_early(arguments)
    assert not doorstep.early


def test_the_doorstep_opens_both_doors_or_none():
    [udp, tcp] = free_ports(2)
    arguments = ["peer.py", "--chat", "0", "1", str(tcp), f"--udp-base={udp}"]
    doorstep.open_early(arguments)
    socket.create_connection(("127.0.0.1", tcp)).close()
    doors = doorstep.take_doors(udp, tcp)
    assert [door.getsockname()[1] for door in doors] == [udp, tcp]
    doors[0].close()
    with pytest.raises(OSError) as caught:  # TCP is taken: UDP is given back
        doorstep.open_doors(udp, tcp, 0.0)
    assert caught.value.filename == tcp
    doors[1].close()
    for door in doorstep.take_doors(udp, tcp):
        door.close()


def test_doors_that_are_held_for_a_moment_are_waited_for():
    [udp, tcp] = free_ports(2)
    held = doorstep.open_doors(udp, tcp)
    release = threading.Timer(0.1, lambda: [door.close() for door in held])
    release.start()
    doors = doorstep.open_doors(udp, tcp, DEADLINE)
    release.join()
    assert [door.getsockname()[1] for door in doors] == [udp, tcp]
    assert {door.fileno() for door in held} == {-1}, "only then"
    for door in doors:
        door.close()
