"""Neighbours that send more than a module of this host takes: they wait, and it is not cut off.

A module takes 1 MB a second or more; a neighbour sends as fast as it can. Without a wait its
messages fill the backlog of the module (8 MiB) within a moment, and the module loses its API.
"""

import contextlib
import socket
import threading
import time

import pytest

from gossip.settings import Settings
from gossip.voidphone import messages, relay
from gossip.voidphone.messages import Notification, PeerNotification
from tests.tools.files import count
from tests.tools.module_words import MIB, TYPE, link_of, start, view
from tests.tools.modules import QUIET
from tests.tools.waiting import wait_until

SIZE = 8_000  # bytes of data of a message
READ = 65_536  # bytes that a client takes at once


class Flooder:
    """A neighbour that sends so many messages as fast as it can, the rest when they are taken."""

    def __init__(self, modules, module, total, first=0):
        self.end = modules.neighbour(module)
        self._stream = b"".join(PeerNotification(
            1, 7, TYPE, number.to_bytes(4, "big") + bytes(SIZE - 4)).pack()
            for number in range(first, first + total))
        self.thread = threading.Thread(target=self._flood)
        self.thread.start()

    def _flood(self):
        with contextlib.suppress(OSError):
            self.end.sock.settimeout(120)
            self.end.sock.sendall(self._stream)

    def close(self):
        with contextlib.suppress(OSError):
            self.end.sock.shutdown(socket.SHUT_RDWR)
        self.thread.join(30)


@pytest.fixture
def flooders(modules):
    """Begins floods, and ends them."""
    begun = []

    def begin(module, total, first=0):
        begun.append(Flooder(modules, module, total, first))
        return begun[-1]
    yield begin
    for flooder in begun:
        flooder.close()


def slow_module(modules, module):
    """A client for which the kernel keeps little."""
    client = modules.api(module, TYPE)
    link = link_of(module, client)
    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, READ)
    link.connection._sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, READ)
    return client, link


def take(client, link, total, rate):
    """Take so many messages at so many bytes a second; return (their numbers, the most bytes that
    waited)."""
    frames, numbers, most, taken = messages.Frames(), [], 0, 0
    client.sock.settimeout(60)
    begun = time.monotonic()
    while len(numbers) < total:
        data = client.sock.recv(READ)
        assert data, f"cut off after {len(numbers)} messages: {link.reason}"
        numbers += [int.from_bytes(frame[8:12], "big") for frame in frames.feed(data)]
        most, taken = max(most, link.waiting()), taken + len(data)
        threading.Event().wait(max(0.0, begun + taken / rate - time.monotonic()))
    return numbers, most


def piled_up(link):
    """Wait until so much waits for a module that neighbours have to wait."""
    wait_until(lambda: link.waiting() > MIB)


@pytest.mark.parametrize("megabytes, rate", [
    (24, 6e6), pytest.param(72, 1.0e6, marks=pytest.mark.slow)])
def test_a_module_that_takes_less_than_a_neighbour_sends_is_not_cut_off(
        modules, flooders, megabytes, rate):
    module = start(modules)
    client, link = slow_module(modules, module)
    total = megabytes * 1_000_000 // SIZE
    flooders(module, total)
    piled_up(link)
    numbers, most = take(client, link, total, rate)
    assert numbers == list(range(total)) and MIB < most < 3 * MIB
    assert count(module, "refused:") == 0 and not link.ended


@pytest.mark.slow
def test_nor_is_it_by_many_neighbours(modules, flooders):
    module, each = modules.module(60.0, degree=20, max_connections=40), 200
    client, link = slow_module(modules, module)
    for number in range(20):
        flooders(module, each, number * each)
    piled_up(link)
    numbers, most = take(client, link, 20 * each, 6e6)
    assert sorted(numbers) == list(range(20 * each)) and most < 4 * MIB and not link.ended


def test_a_neighbour_that_is_not_read_for_that_is_no_silent_one(modules, flooders):
    """It says PING, but behind what waits; and a liveness interval is shorter than the wait."""
    module = modules.module(60.0, settings=Settings(liveness_interval=1.0), min_degree=1)
    client, link = slow_module(modules, module)
    link.send(Notification(1, TYPE, bytes(SIZE)).pack() * 500)
    flooder = flooders(module, 4000)
    _, most = take(client, link, 300, 5e5)
    assert most > link.waiting() > MIB  # its reader waits in vain all the time
    assert view(module) == {flooder.end.address}


def test_a_module_that_never_reads_keeps_no_neighbour_waiting_for_long(
        modules, flooders, monkeypatch):
    monkeypatch.setattr(relay, "MODULE_WAIT", 0.3)
    module = start(modules)
    client, link = slow_module(modules, module)
    reader = modules.api(module, TYPE)
    flooders(module, 2500)
    numbers, _ = take(reader, link, 2500, 1e9)
    assert numbers == list(range(2500)) and link.ended
    wait_until(lambda: module.status()["subscriptions"] == 1)
    assert count(module, f"refused:{link.remote}:backlog overflow") == 1


def test_the_wait_is_four_seconds_at_most_and_never_longer_than_half_a_liveness_interval(modules):
    assert relay.MODULE_WAIT == 4.0 and relay.PIECES * relay.PIECE == MIB // 2  # bytes a second
    assert modules.module(settings=QUIET).relay._module_wait == 4.0
    assert modules.module(settings=Settings(liveness_interval=0.5)).relay._module_wait == 0.25


def test_a_neighbour_that_never_reads_keeps_no_module_waiting_for_long(modules):
    """Who announces waits for it two seconds at most for each portion, as an origin does."""
    module = modules.module(60.0, settings=QUIET._replace(origin_wait=0.1))
    end, announcer = modules.neighbour(module), modules.api(module)
    link, over = link_of(module, end), threading.Event()
    for sock in (end.sock, link.connection._sock):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16_384)
    link.send(bytes(5 * MIB))

    def sip():
        while not over.wait(0.05) and end.sock.recv(16_384):
            pass
    thread = threading.Thread(target=sip)
    thread.start()
    try:
        listener = modules.api(module, TYPE)
        wait_until(lambda: link.pauses_origin(module.now()))
        announcer.say(*[messages.Announce(0, TYPE, b"%d" % number) for number in range(640)])
        assert [listener.hear().data for _ in range(640)] == [b"%d" % n for n in range(640)]
        assert link.waiting()
    finally:
        over.set()
        thread.join(30)
