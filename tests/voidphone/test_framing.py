"""Framing and sizes on the API: bytes in, messages out, wherever a segment ends."""

import struct

import pytest

from gossip.voidphone import messages
from gossip.voidphone.messages import Announce, Notify, Validation
from tests.tools.carriers import Carrier
from tests.tools.files import count
from tests.tools.module_words import (
    LONGEST_ANNOUNCED, LONGEST_SPREAD, TYPE, announce, heard, hears_next, link_of,
    nothing_waits, start, told, validate)
from tests.tools.waiting import wait_until


def test_messages_may_come_byte_by_byte(modules):
    module = start(modules)
    announcer, subscriber = modules.api(module), modules.api(module)
    peer = modules.neighbour(module)

    def dribble(end, message):
        for byte in message.pack():
            end.send(bytes([byte]))
    dribble(subscriber, Notify(TYPE))
    wait_until(lambda: module.status()["subscriptions"] == 1)
    dribble(announcer, Announce(9, TYPE, b"drop by drop"))
    dribble(subscriber, Validation(told(subscriber).id, True))
    assert heard(peer).ttl == 8


def test_many_messages_may_come_in_one_segment(modules):
    module = start(modules)
    mixed, other = modules.api(module), modules.api(module, TYPE)
    mixed.say(Notify(TYPE), *(Announce(1, TYPE, b"%d" % number) for number in range(2000)),
              Notify(TYPE + 1), Announce(1, TYPE, b"end"))
    assert [told(other).data for _ in range(2001)] == [b"%d" % n for n in range(2000)] + [b"end"]
    announce(other, b"one")
    announce(other, b"two", 0, TYPE + 1)
    assert [told(mixed).data for _ in range(2)] == [b"one", b"two"]


def test_a_segment_may_end_anywhere(modules):
    module = start(modules)
    announcer, subscriber = modules.api(module), modules.api(module, TYPE)
    stream = b"".join(Announce(1, TYPE, bytes([number]) * 20).pack() for number in range(5))
    framing = link_of(module, announcer).framing
    for cut in range(1, len(stream)):
        announcer.send(stream[:cut])
        numbers = [told(subscriber).data[0] for _ in range(cut // 28)]
        wait_until(lambda: framing.unfinished() == (cut % 28 > 0))
        announcer.send(stream[cut:])
        assert numbers + [told(subscriber).data[0] for _ in range(5 - cut // 28)] == [*range(5)]


class Recording:
    """A connection that notes what is sent in one go."""

    def __init__(self, connection):
        self._connection = connection
        self.sent = []

    def send(self, data, flags):
        self.sent.append(data)
        return self._connection.send(data, flags)

    def __getattr__(self, name):
        return getattr(self._connection, name)


def test_a_message_is_written_in_one_send(modules):
    """Clients read the header, then the rest with a single recv."""
    module = start(modules)
    announcer, subscriber = modules.api(module), modules.api(module, TYPE)
    link = link_of(module, subscriber)
    link.connection = recording = Recording(link.connection)
    for number in range(300):
        announce(announcer, b"x" * (1 + number * 40))
        size, kind = struct.unpack(">HH", subscriber.sock.recv(4))
        assert (size, kind) == (8 + 1 + number * 40, 502)
        assert len(subscriber.sock.recv(size - 4)) == size - 4
    assert [len(data) for data in recording.sent] == [9 + number * 40 for number in range(300)]
    announcer.say(*(Announce(0, TYPE, b"together") for _ in range(3)))
    assert [told(subscriber).data for _ in range(3)] == [b"together"] * 3
    frames = messages.Frames()
    assert all(frames.feed(data) and not frames.unfinished() for data in recording.sent)


def test_an_announce_without_data_is_fine(modules):
    module = start(modules)
    announcer, subscriber = modules.api(module), modules.api(module, TYPE)
    peer = modules.neighbour(module)
    announcer.send(bytes.fromhex("0008 01f4 0500 0539"))
    notified = told(subscriber)
    assert notified.data == b""
    validate(subscriber, notified)
    assert heard(peer)[2:] == (TYPE, b"")


@pytest.mark.parametrize("subscribed", [True, False])
@pytest.mark.parametrize("size", [LONGEST_SPREAD, LONGEST_SPREAD + 1, LONGEST_ANNOUNCED])
def test_what_does_not_fit_into_511_is_told_here_and_not_spread(modules, size, subscribed):
    module = start(modules)
    announcer, peer = modules.api(module), modules.neighbour(module)
    subscriber = modules.api(module, *[TYPE] * subscribed)
    announce(announcer, b"x" * size)
    if subscribed:
        notified = told(subscriber)
        assert notified.data == b"x" * size
        validate(subscriber, notified)
        nothing_waits(module)
    if size == LONGEST_SPREAD:
        assert heard(peer).data == b"x" * size
    assert hears_next([peer], announcer)
    assert count(module, "too long:") == (size > LONGEST_SPREAD)


def test_the_largest_that_is_spread_is_told_elsewhere_and_relayed(modules):
    one, other = start(modules), start(modules)
    Carrier(modules, one, other)
    announcer, subscriber = modules.api(one), modules.api(other, TYPE)
    peer = modules.neighbour(other)
    announce(announcer, b"x" * LONGEST_SPREAD)
    notified = told(subscriber)
    validate(subscriber, notified)
    assert notified.data == heard(peer).data == b"x" * LONGEST_SPREAD
