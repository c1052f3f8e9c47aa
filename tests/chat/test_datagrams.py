"""Datagrams: how lines are packed, and those that lie, between chat servers."""

import random
import socket

import pytest

from gossip.addresses import address_of
from gossip.chat.server import pack, signature
from tests.tools.chat import A, gossip_line, log
from tests.tools.files import count, events, received, wait_event
from tests.tools.waiting import wait_until

NO_KEY, NOT_SIGNED = "signed, and no key was given", "not signed, and a key was given"
WRONG = "signed with another key, or for somebody else"


def test_lines_are_packed_into_datagrams_whole():
    rng = random.Random(1)
    for _ in range(200):
        data = b"".join(b"x" * rng.randrange(40) + b"\n" for _ in range(rng.randrange(30)))
        pieces = pack(data, 40)
        assert b"".join(pieces) == data
        assert all(piece.endswith(b"\n") and len(piece) <= 40 for piece in pieces)
    assert pack(b"x" * 50 + b"\ny\n", 40) == [b"x" * 50 + b"\n", b"y\n"]  # too long for any


def test_only_the_neighbours_ports_count(line):
    server = line.start(0)
    stranger = socket.socket(type=socket.SOCK_DGRAM)
    line.socks.append(stranger)
    lie = b"rumor:" + gossip_line(A, 7, 1, "lie") + b"\n"
    stranger.sendto(lie, server.address.dial)
    wait_until(lambda: server.counters.get("datagrams from strangers"))
    line.neighbour(2).sendto(lie, server.address.dial)  # in the line, but no neighbour
    wait_until(lambda: server.counters["datagrams from strangers"] == 2)
    assert server.messages.count() == 0


def test_a_key_keeps_out_who_has_none(line):
    key, told = b"secret", b"rumor:" + gossip_line(A, 7, 1, "true") + b"\n"
    server, sock = line.start(0, key=key), line.neighbour(1)
    own, other = address_of("127.0.0.1", line.base + 1), server.address
    for signed in (b"", signature(b"wrong", own, other, told), signature(key, other, own, told),
                   signature(key, own, other, told + b"x\n")):
        sock.sendto(signed + told, other.dial)
    wait_until(lambda: server.counters.get(f"datagrams {WRONG}") == 3)
    assert server.counters[f"datagrams {NOT_SIGNED}"] == 1
    assert server.messages.count() == 0 and count(server, "connected:") == 0
    sock.sendto(signature(key, own, other, told) + told, other.dial)
    wait_until(lambda: server.messages.count() == 1)
    while b"status:took" not in (answer := sock.recv(65_536)):
        pass
    signed, content = answer.split(b"\n", 1)
    assert signed + b"\n" == signature(key, other, own, content)


@pytest.mark.parametrize("keys, reasons", [
    ((b"secret", None), (NOT_SIGNED, NO_KEY)), ((b"secret", b"other"), (WRONG, WRONG))])
def test_servers_that_share_no_key_take_nothing_from_one_another_and_say_so_once(
        line, keys, reasons):
    servers = [line.start(own_id, key=key, antientropy_interval=0.05)
               for own_id, key in enumerate(keys)]
    for server in servers:
        line.proxy(server).say("msg 1 text")
    for server, other, reason in zip(servers, servers[::-1], reasons):
        wait_until(lambda: server.counters.get(f"datagrams {reason}", 0) > 3)
        assert [event for event in events(server) if event.startswith("refused:")] == [
            f"refused:{other.address}:{reason}"]
        assert server.messages.count() == 1 and count(server, "connected:") == 0


def test_the_first_of_each_kind_from_each_neighbour_is_written_down(line):
    server = line.start(1)
    left, right = line.neighbour(0), line.neighbour(2)
    told = b"rumor:" + gossip_line(A, 7, 1, "true") + b"\n"
    for _ in range(3):
        left.sendto(b"torn", server.address.dial)
        for sock in (left, right):
            sock.sendto(b"0" * 64 + b"\n" + told, server.address.dial)
    wait_until(lambda: server.counters.get(f"datagrams {NO_KEY}") == 6)
    assert server.counters[f"datagrams not of whole lines"] == 3 and server.messages.count() == 0
    assert sorted(event for event in events(server) if event.startswith("refused:")) == [
        f"refused:127.0.0.1:{line.base}:not of whole lines",
        *(f"refused:127.0.0.1:{line.base + at}:signed, and no key was given" for at in (0, 2))]
    left.sendto(told, server.address.dial)
    wait_event(server, "received:")


def test_garbage_datagrams_change_nothing(line):
    rng = random.Random(3)
    server, sock = line.start(0), line.neighbour(1)
    good = [b"rumor:" + gossip_line(A, 7, 1, "x"), b"status:digest:" + b"0" * 32,
            b"status:seen:127.0.0.1:1:1=1-9223372036854775807", b"status:sent",
            b"status:want:127.0.0.1:1:1=1-9223372036854775807", b"register:127.0.0.1:1"]
    for _ in range(3000):
        data = bytearray(rng.choice(good) + b"\n")
        for _ in range(rng.randrange(4)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        sock.sendto(data[:rng.randrange(len(data) + 1)] if rng.random() < 0.3 else data,
                    server.address.dial)
    sock.sendto(b"", server.address.dial)
    last = b"rumor:" + gossip_line(A, 8, 1, "the last") + b"\n"
    wait_until(lambda: sock.sendto(last, server.address.dial) and any(
        text.endswith(":the last") for text in received(server)))  # some datagrams are lost
    proxy = line.proxy(server)
    proxy.say("msg 1 alive")
    assert "alive" in log(proxy).split(",")
