"""An origin waits for slow neighbours, but never for long, and never for what they asked for.

A hostile neighbour has MiBs waiting and takes them bit by bit, so that it always moves.
"""

import contextlib
import socket
import threading

import pytest

from gossip.node.link import ORIGIN_LIMIT
from gossip.settings import MIB, Settings
from gossip.spread import rumors
from tests.tools.fakes import run_late
from tests.tools.files import count, wait_event
from tests.tools.waiting import wait_until

BIT = 16_384  # bytes that a hostile neighbour takes at once
PAUSE = 0.2  # seconds between two of them: it would need a minute for all that waits


class Sipper:
    """A neighbour that has much waiting at a peer and takes it in small sips."""

    def __init__(self, net, peer):
        self.fake = net.fake()
        self.end = net.neighbour(peer, self.fake)
        self.link = peer.neighbours.link(self.fake.address)
        self.end.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BIT)
        self.link.connection._sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BIT)
        self._over = threading.Event()

    def _sip(self):
        with contextlib.suppress(OSError):
            while not self._over.wait(PAUSE) and self.end.sock.recv(BIT):
                pass

    @contextlib.contextmanager
    def sipping(self):
        """It sips meanwhile, and has more than what keeps an origin waiting, all the time."""
        thread = threading.Thread(target=self._sip)
        thread.start()
        try:
            yield
        finally:
            waiting = self.link.waiting()
            self._over.set()
            thread.join(30)
        assert waiting > 2 * ORIGIN_LIMIT, waiting


def goes_through(act):
    """Whether something ends soon, although it may have to wait now and then."""
    thread = threading.Thread(target=act, daemon=True)
    thread.start()
    thread.join(60)
    return not thread.is_alive()


def next_said(end):
    """The next message of these tests. Older ones may come before it, because a late peer gathers
    what it says, and sends it also to who has linked meanwhile."""
    while ":said " not in (line := end.hear_until("gmessage:")):
        pass
    return line


@pytest.fixture
def peer(net):
    peer = net.peer(liveness_interval=60, antientropy_interval=60)
    run_late(peer, 0.0)  # a late generator waits
    return peer


@pytest.fixture
def with_answers(net, peer):
    """A neighbour that keeps MiBs of answers to `want` waiting."""
    peer.gossip(["x" * 60_000] * 5)
    sipper = Sipper(net, peer)
    own = f"{peer.address}:{peer.spreading.origin.start}"
    wanted = threading.Thread(target=lambda: sipper.end.say(*[f"status:want:{own}=1-5"] * 22))
    wanted.start()
    wait_until(lambda: sipper.link.waiting() > 5 * MIB)
    wanted.join(30)
    return sipper


def test_say_and_quit_go_through_beside_a_neighbour_with_mibs_of_answers(net, peer, with_answers):
    honest = net.neighbour(peer, net.fake())
    with with_answers.sipping():
        assert goes_through(lambda: [peer.gossip([f"said {n} " + "x" * 50_000]) for n in range(3)])
        for number in range(3):
            assert f":said {number} " in next_said(honest)
        assert not with_answers.link.pauses_origin(peer.now())
        peer.quit()
        assert honest.hear_until("leave:")
    honest.close()
    wait_until(lambda: peer.stopping)


def test_the_generator_goes_on_beside_a_neighbour_with_mibs_of_answers(net, peer, with_answers):
    with with_answers.sipping():
        made = []
        while len(made) < 10:
            made.append(peer.generate(peer.now()))
        assert count(peer, "generated:") == 5 + 10


def pile_up(peer, sipper):
    """Have MiBs wait for it that it did not ask for, but its backlog not overflow."""
    number = 0
    while sipper.link.waiting() < 5 * MIB:
        number += 1
        sipper.link.send(b"x" * 60_000 + b"\n")


@pytest.mark.parametrize("spread", ["flood", "rumor"])
def test_a_portion_waits_for_a_slow_neighbour_only_for_a_while(net, spread):
    peer = net.peer(liveness_interval=60, antientropy_interval=60, origin_wait=0.2, spread=spread)
    sipper = Sipper(net, peer)
    pile_up(peer, sipper)
    with sipper.sipping():
        assert sipper.link.pauses_origin(peer.now())
        assert goes_through(lambda: peer.gossip(["x" * 50_000] * 10))  # five portions
        wait_until(lambda: sipper.link.pauses_origin(peer.now()))  # it still takes bit by bit
    assert count(peer, "generated:") == 10


def test_a_portion_waits_only_for_a_while_for_who_answers_one_rumor_after_the_other(net):
    peer = net.peer(liveness_interval=60, antientropy_interval=60, origin_wait=0.2, spread="rumor")
    fake, over = net.fake(), threading.Event()
    end, run = net.neighbour(peer, fake), f"{peer.address}:{peer.spreading.origin.start}"

    def answer():
        number = 1
        while not over.wait(0.05):
            end.say(f"status:took:{run}={number}")  # fewer and fewer rumors are being told
            number += 1
    thread = threading.Thread(target=answer)
    thread.start()
    try:
        assert goes_through(lambda: peer.gossip(["x" * 500] * 1000))
        assert peer.spreading.way.rumors.bytes > rumors.CROWDED
    finally:
        over.set()
        thread.join(30)


def test_the_generator_waits_for_a_slow_neighbour_only_for_a_while(net):
    peer = net.peer(liveness_interval=60, antientropy_interval=60, origin_wait=0.2,
                    gossip_count=4, gossip_interval=0.01)
    sipper = Sipper(net, peer)
    pile_up(peer, sipper)
    with sipper.sipping():
        wait_event(peer, "generated:")
        wait_until(lambda: count(peer, "generated:") == 4)


def test_the_limit_is_two_seconds_for_a_portion_and_one_mib_for_a_neighbour():
    assert (Settings().origin_wait, ORIGIN_LIMIT) == (2.0, MIB)
