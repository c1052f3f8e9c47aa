"""The world of virtual time: bytes between two nodes, and what happens to them on the way."""

import contextlib
import random

import pytest

from grapevine.addresses import address_of
from grapevine.worlds.virtual import RETRY, START, Cables, Network, NodeFailed, VirtualWorld
from tests.worlds.stages import Recorder

A, B, C = (address_of("127.0.0.1", 5000 + n) for n in range(3))
LATENCY = 0.1


class Timed(Recorder):
    """A node that notes when its world tells it something: bytes, the reason of an end, or what."""

    def __init__(self, world):
        super().__init__(world, contextlib.nullcontext())
        self.timed: list[tuple] = []  # (moment, what), for all links
        self._reason = ""

    def ended(self, link, reason, error=None):
        self._reason = reason
        super().ended(link, reason, error)

    def note(self, what, link=None, detail=None):
        shown = {"took": detail, "ended": self._reason}.get(what, what)
        self.timed.append((round(self.world.now(), 3), shown))
        super().note(what, link, detail)

    def bytes(self):
        return b"".join(what for _, what in self.timed if isinstance(what, bytes))

    def words(self):
        return [what for _, what in self.timed if isinstance(what, str)]


class Pair:
    """Two nodes, and a link between them that A has dialled."""

    def __init__(self, **cables):
        self.net = Network(random.Random(1), Cables(**{"latency": (LATENCY, LATENCY), **cables}))
        self.a, self.b = self.node(A), self.node(B)
        self.here = self.a.dial(B)
        self.run(1.0)
        self.there, = self.b.links
        assert self.a.timed == [(2 * LATENCY, "up")]
        assert self.b.timed == [(LATENCY, "accepted")]
        self.a.timed.clear()
        self.b.timed.clear()

    def node(self, address, **arguments):
        return VirtualWorld(self.net, address, Timed, random.Random(2), **arguments).node

    def run(self, seconds=60.0):
        self.net.run(self.net.now + seconds)


@pytest.fixture
def pair():
    return Pair()


# Bytes.

def test_bytes_take_time_by_their_number_and_wait_for_those_before_them():
    pair = Pair(bandwidth=1000.0)
    pair.here.send(bytes(500))
    pair.run(0.1)
    pair.here.send(bytes(1000))
    pair.run()
    assert [(when, len(what)) for when, what in pair.b.timed] == [(1.6, 500), (2.6, 1000)]


def test_a_slow_machine_makes_its_connections_slow_and_no_other(pair):
    other = pair.node(C).dial(A)
    pair.run(1.0)
    pair.a.timed.clear()
    pair.net.slow[B] = 2.0
    pair.here.send(bytes(20_000))
    other.send(b"quick")
    pair.run()
    assert pair.a.timed == [(2.0 + LATENCY, b"quick")]
    assert [when for when, _ in pair.b.timed] == [2.0 + LATENCY + 2.0 + 1.0]
    pair.a.dial(B, 4.0)
    pair.run()
    assert pair.a.words() == ["Connection timed out"], "the answer would come later"


# Cuts.

def test_an_end_that_a_cut_holds_up_comes_behind_the_bytes_before_it(pair):
    pair.net.cut(frozenset([B]))
    pair.here.send(b"last words")
    pair.here.close("over")
    pair.run(5.0)
    assert pair.a.words() == ["closed"] and pair.b.timed == []
    pair.net.mend(frozenset([B]))
    pair.run(RETRY)
    assert [what for _, what in pair.b.timed] == [b"last words",
                                                 "closed by the other end"]


def test_two_cuts_are_both_mended_before_anything_passes(pair):
    for side in (frozenset([A]), frozenset([B])):
        pair.net.cut(side)
    pair.here.send(b"hello")
    pair.run(5.0)
    pair.net.mend(frozenset([A]))
    pair.run()
    assert pair.b.bytes() == b""
    pair.net.mend(frozenset([B]))
    pair.run()
    assert pair.b.bytes() == b"hello"


# Freezes.

def test_after_a_freeze_each_connection_and_thread_keeps_its_order(pair):
    others = [pair.node(address_of("127.0.0.1", 6000 + n)).dial(B) for n in range(3)]
    pair.run(1.0)
    links = [pair.here, *others]
    pair.b.timed.clear()
    pair.b.world.freeze()
    for name in "abc":
        pair.b.later(0.0, f"thread {name}")
    for link, name in zip(links, "pqrs"):
        link.send(f"{name}1".encode())
    pair.run(1.0)
    for link, name in zip(links, "pqrs"):
        link.send(f"{name}2".encode())
    pair.here.close("over")
    pair.run(1.0)
    assert pair.b.timed == []
    pair.b.world.thaw()
    pair.run()
    words = pair.b.words()
    assert [word for word in words if word.startswith("thread")] == [
        "thread a", "thread b", "thread c"]
    heard = pair.b.bytes().decode()
    assert all(heard.index(f"{name}1") < heard.index(f"{name}2") for name in "pqrs")
    last = [what for _, what in pair.b.timed if what in (b"p1p2", b"p2")][-1]
    told = [what for _, what in pair.b.timed]
    assert told.index(last) < told.index("closed by the other end")


def test_a_frozen_node_accepts_afterwards_whoever_has_dialled_and_hung_up(pair):
    pair.b.world.freeze()
    link = pair.a.dial(B)
    pair.run(1.0)
    assert pair.a.words() == ["up"]
    link.close("over")
    pair.run(1.0)
    pair.b.world.thaw()
    pair.run()
    assert pair.b.words() == ["accepted", "closed by the other end"]


# Ends.

@pytest.mark.parametrize("end", [
    lambda pair: [pair.here.close("one"), pair.here.close("two")],
    lambda pair: [pair.here.close("over"), pair.there.close("over")],
    lambda pair: [pair.here.close("over"), pair.here.connection.reset()],
    lambda pair: [pair.here.connection.reset(), pair.there.connection.reset()],
    lambda pair: [pair.here.connection.reset(), pair.run(1.0), pair.there.send(b"hello")]])
def test_each_link_has_one_end_however_it_ends(pair, end):
    end(pair)
    pair.run()
    assert len(pair.a.timed) == len(pair.b.timed) == 1  # Recorder fails at a second one
    assert pair.a.links == pair.b.links == []
    assert not pair.a.world.connections() and not pair.b.world.connections()


def test_a_connection_that_breaks_at_one_end_is_reset_when_the_other_end_says_something(pair):
    pair.here.connection.reset()
    pair.run()
    assert pair.a.words() == ["Connection reset by peer"] and pair.b.timed == []
    pair.there.send(b"hello")
    pair.run()
    assert pair.b.words() == ["Connection reset by peer"]


@pytest.mark.parametrize("unread, reason", [
    (b"", "closed by the other end"), (b"unread", "Connection reset by peer")])
def test_a_killed_process_hears_no_more_and_its_kernel_ends_its_connections(pair, unread, reason):
    pair.there.is_held = True
    pair.here.send(unread)
    pair.run()
    pair.b.timed.clear()
    pair.b.later(0.0, "too late")
    pair.b.world.kill()
    pair.run()
    assert pair.a.words()[-1] == reason and pair.b.timed == []
    pair.a.dial(B)
    pair.run()
    assert pair.a.words()[-1] == "Connection refused"


# Power.

def test_a_machine_without_power_tells_nobody_and_answers_nothing(pair):
    pair.b.world.lose_power()
    pair.here.send(b"hello")
    pair.a.dial(B)
    pair.run()
    assert pair.a.timed == [(3.0, "Connection timed out")]


@pytest.mark.parametrize("is_sent_before", [True, False])
def test_a_machine_that_is_up_again_resets_what_it_knows_no_more(pair, is_sent_before):
    pair.b.world.lose_power()
    if is_sent_before:
        pair.here.send(b"hello")  # and again, because nobody has confirmed it
    pair.run(5.0)
    pair.node(B)
    pair.run(5.0)
    if not is_sent_before:
        assert pair.a.timed == []
        pair.here.send(b"hello")
        pair.run(5.0)
    assert pair.a.words() == ["Connection reset by peer"]


def test_what_a_cut_holds_up_is_lost_when_its_sender_loses_power(pair):
    pair.net.cut(frozenset([B]))
    pair.here.send(b"hello")
    pair.run(1.0)
    pair.a.world.lose_power()
    pair.net.mend(frozenset([B]))
    pair.run()
    pair.node(A)  # it is up again
    pair.run()
    assert pair.b.timed == []


# Time.

def test_calls_come_late_by_the_lag_at_most_and_in_the_order_of_their_times(pair):
    late = pair.node(C, lag=0.5, clock=100.0)
    assert late.world.time() == START + 101.0
    for _ in range(20):
        late.later(0.0, "call")
    pair.run()
    moments = [when - 1.0 for when, _ in late.timed]
    assert moments == sorted(moments) and 0.2 < max(moments) <= 0.5 and len(set(moments)) > 5


def test_an_error_of_a_node_and_a_node_that_spins_are_found():
    pair = Pair()
    pair.b.acts["took"] = lambda link, data: 1 / 0
    pair.here.send(b"hello")
    with pytest.raises(NodeFailed, match="127.0.0.1:5001: ZeroDivisionError"):
        pair.run()
    pair = Pair()

    def spin():
        pair.a.world.later(0.0, spin)
    spin()
    with pytest.raises(NodeFailed, match="spins at 1.0"):
        pair.run()
