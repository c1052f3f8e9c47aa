"""A link over a pair of sockets: order, backlog, the first word, the end."""

import socket
import time

import pytest

from gossip.net.connection import Connection
from gossip.net.flusher import Flusher
from gossip.net.threads import Turn
from gossip.node.link import Link
from gossip.settings import Settings


@pytest.fixture
def pair():
    """A link and the socket at its other end; nobody flushes."""
    flusher = Flusher(Turn(pytest.fail), pytest.fail)
    here, there = socket.socketpair()
    here.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    link = Link("waiting", Settings(backlog_limit=1 << 20), flusher, time.monotonic,
                Connection(here))
    link.trust()
    yield link, there
    link.finish()
    there.close()
    flusher.close()


def received(link, there):
    """All that the other end gets until nothing waits for it."""
    there.setblocking(False)
    data = b""
    while True:
        try:
            data += there.recv(65_536)
        except BlockingIOError:
            if not link.waiting():
                return data
            link.flush()


def test_a_backlog_keeps_lines_whole_and_in_order(pair):
    link, there = pair
    lines = [b"%05d " % number + b"x" * 200 + b"\n" for number in range(2000)]
    for line in lines:
        link.send(line)
    assert link.waiting()
    link.send(b"urgent\n", urgent=True)
    got = received(link, there).splitlines(keepends=True)
    assert got.index(b"urgent\n") < 1999
    got.remove(b"urgent\n")
    assert got == lines


def test_a_backlog_that_overflows_ends_the_link(pair):
    link, there = pair
    for _ in range(40):
        link.send(b"x" * 65_535 + b"\n")
    assert link.ended and link.reason == "backlog overflow" and link.waiting() == 0


def test_what_was_said_before_the_end_is_read(pair):
    link, there = pair
    there.sendall(b"one\ntwo\nrest")
    assert link.next_lines(pytest.fail) == [b"one", b"two"]
    there.close()
    assert link.next_lines(pytest.fail) is None and link.reason == "closed by the other end"


def test_the_first_reason_counts_and_nothing_is_sent_after_the_end(pair):
    link, there = pair
    link.close("first")
    link.close("second")
    link.send(b"late\n")
    assert link.reason == "first" and there.recv(10) == b""
