"""Virtual links: bytes between two ends, and what happens to them on the way."""

import random

import pytest

from gossip.addresses import address_of
from gossip.lab.simulation.virtual_links import RETRY, Cables, Cabling, End, VirtualTime

A, B, C = (address_of("127.0.0.1", 5000 + n) for n in range(3))
LATENCY = 0.1
OFF_A, OFF_B = frozenset([A]), frozenset([B])  # sides of cuts


class Machine:
    """A world that writes down what its ends tell; while it is `deaf` it does not read."""

    def __init__(self, time):
        self._time = time
        self.told = []  # (moment, what)
        self.deaf = self.off = False

    def readable(self, end):
        self.told.append((round(self._time.now, 3), "bytes" if self.deaf else end.read()))

    def writable(self, end):
        self.told.append((round(self._time.now, 3), "room"))

    def over(self, end, reason):
        self.told.append((round(self._time.now, 3), reason))

    def what(self):
        return [what for _, what in self.told]

    def bytes(self):
        return b"".join(what for what in self.what() if isinstance(what, bytes))


class Wire:
    """Machines A and B, and a connection between them that A has dialled."""

    def __init__(self, **cables):
        self.time = VirtualTime()
        self.cabling = Cabling(self.time, Cables(**{"latency": (LATENCY, LATENCY), **cables}),
                               random.Random(1))
        self.one, self.other = Machine(self.time), Machine(self.time)
        self.cabling.listen(A, self.one)
        self.cabling.listen(B, self.other)
        self.here, self.there = self.connect()

    def connect(self):
        here = End(self.cabling, A, self.one, LATENCY)
        there = End(self.cabling, B, self.other, here.latency)
        there.join(here, 0.0)
        return here, there

    def run(self, seconds=60.0):
        self.time.run(self.time.now + seconds)

    def power_off(self):
        """B loses power."""
        self.other.off = True
        self.cabling.lose_power(B, [self.there])

    def power_on(self):
        """B has another life."""
        self.cabling.listen(B, Machine(self.time))


# Bytes.

def test_bytes_take_the_latency_and_are_read_once():
    wire = Wire()
    assert wire.here.send(b"hello") == 5
    wire.run()
    assert wire.other.told == [(LATENCY, b"hello")] and wire.one.told == []


def test_bytes_take_time_by_their_number_and_wait_for_those_before_them():
    wire = Wire(bandwidth=1000.0)
    wire.here.send(bytes(500))
    wire.time.at(0.2, wire.here.send, bytes(1000))
    wire.run()
    assert [(when, len(what)) for when, what in wire.other.told] == [(0.6, 500), (1.6, 1000)]


def test_bytes_sent_at_one_moment_take_as_long_as_if_they_were_sent_together():
    wire = Wire(bandwidth=1000.0)
    for _ in range(100):
        wire.here.send(bytes(10))
    wire.run()
    assert wire.other.told[-1][0] == 1.1 and len(wire.other.bytes()) == 1000


def test_small_pieces_sent_at_one_moment_arrive_together():
    wire = Wire()
    for word in (b"one ", b"after ", b"the other"):
        wire.here.send(word)
    wire.run()
    assert wire.other.what() == [b"one after the other"]


def test_bytes_keep_their_order_however_different_their_delays():
    wire = Wire(jitter=5.0)
    sent = [b"%d " % number for number in range(50)]
    for number, word in enumerate(sent):
        wire.time.at(number / 100, wire.here.send, word)
    wire.run()
    assert wire.other.bytes() == b"".join(sent) and len(wire.other.told) > 10
    assert wire.other.told[-1][0] > 1.0


def test_a_slow_machine_makes_its_connections_slow_and_no_other():
    wire = Wire()
    third = Machine(wire.time)
    end = End(wire.cabling, C, third, LATENCY)
    end.join(End(wire.cabling, A, wire.one, LATENCY), 0.0)
    wire.cabling.slow[B] = 2.0
    wire.here.send(bytes(10_000))
    end.other.send(bytes(50))
    wire.run()
    assert [when for when, _ in wire.other.told] == [2.6]
    assert [when for when, _ in third.told] == [LATENCY]


def test_a_full_buffer_takes_no_more_until_the_other_end_has_read():
    wire = Wire(buffer=10)
    wire.other.deaf = True
    assert wire.here.send(b"123456") == 6
    assert wire.here.send(b"7890ab") == 4
    with pytest.raises(BlockingIOError):
        wire.here.send(b"ab")
    wire.run()
    assert wire.one.told == []
    assert wire.there.read() == b"1234567890"
    wire.run()
    assert wire.one.what() == ["room"]
    wire.other.deaf = False
    assert wire.here.send(b"ab") == 2
    wire.run()
    assert wire.one.what() == ["room"]  # told once for each time that it did not take everything


def test_a_world_is_told_once_of_bytes_that_it_does_not_read():
    wire = Wire()
    wire.other.deaf = True
    for number in range(3):
        wire.here.send(b"%d" % number)
        wire.run()
    assert wire.other.what() == ["bytes"] and wire.there.read() == b"012"
    wire.here.send(b"3")
    wire.run()
    assert wire.other.what() == ["bytes", "bytes"]


def test_whoever_was_not_held_up_is_not_told_of_room():
    wire = Wire(buffer=10)
    wire.here.send(b"1234567890")
    wire.run()
    assert wire.other.what() == [b"1234567890"] and wire.one.told == []


# The end of a connection.

def test_the_end_of_the_stream_comes_behind_the_bytes_and_each_end_hears_it_once():
    wire = Wire(bandwidth=10.0)
    wire.here.send(b"12345")
    wire.here.shutdown()
    wire.here.shutdown()
    wire.here.close()
    wire.run()
    assert wire.one.told == [(0.0, "closed")]
    assert wire.other.told == [(0.6, b"12345"), (0.6, "closed by the other end")]
    wire.there.close()
    wire.run()
    assert len(wire.one.told) == 1 and len(wire.other.told) == 2


def test_nothing_can_be_sent_over_an_end_that_is_closed_or_reset():
    wire = Wire()
    wire.here.close()
    wire.there.reset()
    wire.here.reset()
    assert wire.one.told == []
    for end in (wire.here, wire.there):
        assert end.is_over()
        with pytest.raises(BrokenPipeError):
            end.send(b"x")


def test_what_is_sent_to_an_end_that_was_closed_is_answered_by_a_reset():
    wire = Wire()
    wire.here.close()
    wire.there.send(b"too late")
    wire.time.run(0.15)
    assert wire.other.what() == ["closed by the other end"]
    wire.run()
    assert wire.other.told[1:] == [(2 * LATENCY, "Connection reset by peer")]
    assert wire.one.told == []


def test_a_connection_reset_at_one_end_stands_at_the_other_until_that_sends():
    wire = Wire()
    wire.here.reset()
    assert wire.one.what() == ["Connection reset by peer"]
    wire.here.close()
    wire.run()
    assert wire.other.told == [] and not wire.there.is_over()
    assert not wire.here.leads_to(wire.there) and not wire.there.leads_to(wire.here)
    wire.there.send(b"are you there?")
    wire.run()
    assert wire.other.what() == ["Connection reset by peer"] and wire.there.is_over()
    assert wire.one.what() == ["Connection reset by peer"]


def test_both_ends_can_be_reset():
    wire = Wire()
    assert wire.here.leads_to(wire.there) and wire.there.leads_to(wire.here)
    wire.here.send(b"lost")
    wire.here.reset()
    wire.there.reset()
    wire.run()
    assert wire.one.what() == wire.other.what() == ["Connection reset by peer"]


def test_an_end_that_the_dialler_has_not_heard_of_waits_with_its_bytes():
    wire = Wire()
    here = End(wire.cabling, A, wire.one, LATENCY)
    there = End(wire.cabling, B, wire.other, LATENCY)
    there.join(here, answered=3.0)
    there.send(b"welcome")
    wire.run()
    assert wire.one.told == [(3.0, b"welcome")]


# Cuts.

def test_what_is_under_way_in_a_cut_comes_late_and_in_order():
    wire = Wire()
    wire.time.at(0.0, wire.here.send, b"before ")
    wire.time.run(0.05)
    wire.cabling.cut(OFF_A)
    wire.time.at(1.0, wire.here.send, b"within ")
    wire.time.at(9.95, wire.here.send, b"until after ")
    wire.time.run(10.0)
    assert wire.other.told == []
    wire.cabling.mend(OFF_A)
    wire.here.send(b"then")
    wire.here.close()
    wire.run()
    assert wire.other.bytes() == b"before within until after then"
    assert wire.other.what()[-1] == "closed by the other end"
    assert 10.0 < wire.other.told[0][0] and wire.other.told[-1][0] < 10.0 + RETRY + 1.0


def test_who_is_on_the_same_side_of_a_cut_notices_nothing():
    wire = Wire()
    wire.cabling.cut(frozenset([A, B]))
    wire.here.send(b"hello")
    assert wire.cabling.parted(A, C) and not wire.cabling.parted(A, B)
    wire.run()
    assert wire.other.told == [(LATENCY, b"hello")]


def test_where_two_cuts_overlap_bytes_come_when_both_have_ended():
    wire = Wire()
    wire.cabling.cut(OFF_A)
    wire.cabling.cut(OFF_B)
    wire.here.send(b"hello")
    wire.run()
    wire.cabling.mend(OFF_A)
    wire.run()
    assert wire.cabling.parted(A, B) and wire.other.told == []
    wire.cabling.mend(OFF_B)
    wire.run()
    assert not wire.cabling.parted(A, B) and wire.other.bytes() == b"hello"


def test_bytes_caught_by_one_cut_after_the_other_come_once_and_in_order():
    wire = Wire()
    for number in range(5):
        wire.cabling.cut(OFF_A)
        wire.here.send(b"%d" % number)
        wire.run(1.0)
        wire.cabling.mend(OFF_A)
        wire.run(0.01)
    wire.run()
    assert wire.other.bytes() == b"01234"


def test_a_reset_does_not_pass_a_cut():
    wire = Wire()
    wire.here.close()
    wire.there.send(b"too late")
    wire.time.run(0.15)  # the answer is on its way
    wire.cabling.cut(OFF_A)
    wire.run()
    assert "Connection reset by peer" not in wire.other.what()
    wire.cabling.mend(OFF_A)
    wire.run()
    assert wire.other.what()[-1] == "Connection reset by peer"


# Power.

def test_a_machine_without_power_says_nothing_and_a_new_life_resets_what_was_sent_since():
    wire = Wire()
    wire.power_off()
    wire.here.send(b"are you there?")
    wire.run()
    assert wire.one.told == wire.other.told == [] and B in wire.cabling.unpowered
    wire.power_on()
    wire.run()
    assert wire.one.what() == ["Connection reset by peer"] and wire.other.told == []


def test_without_a_word_since_the_new_life_resets_only_what_is_sent_later():
    wire = Wire()
    wire.other.deaf = True
    wire.here.send(b"arrived, never read")
    wire.run()
    wire.power_off()
    wire.power_on()
    wire.run()
    assert wire.one.told == []
    wire.here.send(b"hello")
    wire.run()
    assert wire.one.what() == ["Connection reset by peer"]


def test_what_a_cut_held_up_is_lost_with_the_power_of_its_sender():
    wire = Wire()
    wire.cabling.cut(OFF_A)
    wire.there.send(b"first")
    wire.run()
    wire.there.send(b"second")
    wire.power_off()
    wire.cabling.mend(OFF_A)
    wire.run()
    assert wire.one.told == []


def test_only_one_world_listens_at_an_address():
    wire = Wire()
    with pytest.raises(OSError, match="in use"):
        wire.cabling.listen(B, Machine(wire.time))
    wire.cabling.hush(B, wire.one)  # not its own
    assert wire.cabling.listening[B] is wire.other
    wire.cabling.hush(B, wire.other)
    assert B not in wire.cabling.listening and B not in wire.cabling.unpowered
