"""The API of the gossip module, as other modules meet it: bytes in, bytes out, real sockets.

Most tests have their modules inside this process; modules and peers around them are hand-made.
That somebody was not told of something is seen by what they are told next.
"""

import contextlib
import hashlib
import itertools
import queue
import socket
import struct
import threading
import time
import types

import pytest

from gossip.voidphone import messages, news, gossip_module as node
from gossip.voidphone.client import Client
from gossip.voidphone.messages import Announce, Notification, Notify, PeerNotification, Validation
from tools.files import count, events, lines_of, wait_event
from tools.modules import EASY_BITS, ByteEnd, write_ini
from tools.ports import free_address, listens
from tools.programs import Program
from tools.waiting import wait_until

TYPE, FENCE, PROBE = 1337, 9999, 9998
LONGEST_ANNOUNCED, LONGEST_SPREAD = 65_527, 65_525  # bytes of data
IGNORED = "validations of what does not wait"
LATE = "messages without a validation in time"
OLD = "messages that were old"
UNWANTED = "messages of a type that no module wants"
MIB = 1 << 20


def start(modules, patience=60.0, **keys):
    return modules.module(patience, **keys)


def announce(end, data=b"news", ttl=0, data_type=TYPE):
    end.say(Announce(ttl, data_type, data))


def told(end) -> Notification:
    """The next thing that a module hears, which is a notification."""
    message = end.hear()
    assert isinstance(message, Notification), message
    return message


def validate(end, notification, valid=True):
    end.say(Validation(notification.id, valid))


def heard(end) -> PeerNotification:
    """The next news that a neighbour hears."""
    return end.hear_kind("peer_notification")


def hears_next(ends, announcer, data=b"fence"):
    """Whether neighbours hear next what is announced now, and nothing before."""
    announce(announcer, data, 0, FENCE)
    return all(heard(end).data == data for end in ends)


def counted(module, what, number=1):
    wait_until(lambda: module.status().get(what, 0) == number, what=what)


def nothing_waits(module):
    wait_until(lambda: module.pending.count() == 0, what="every message to be decided")


def link_of(module, end):
    port = end.sock.getsockname()[1]
    return next(link for link in module._links if link.remote == f"127.0.0.1:{port}")


def news_from(peer, data=b"news", ttl=5, number=7, data_type=TYPE):
    peer.say(PeerNotification(ttl, number, data_type, data))


# Who is told.


def test_every_other_subscriber_is_told_and_the_announcer_is_not(modules):
    module = start(modules)
    announcer, one, other = (modules.api(module, TYPE) for _ in range(3))
    stranger = modules.api(module, TYPE + 1)
    announce(announcer, b"first")
    notified = told(one)
    assert notified == told(other) == Notification(notified.id, TYPE, b"first")
    announce(announcer, b"other type", 0, TYPE + 1)
    assert told(stranger).data == b"other type"
    announce(one, b"second")
    assert told(announcer).data == b"second"


def test_an_announcer_need_not_subscribe_and_a_type_asked_for_twice_is_told_once(modules):
    module = start(modules)
    announcer, subscriber = modules.api(module), modules.api(module, TYPE, TYPE + 1)
    subscriber.say(Notify(TYPE), Notify(TYPE))
    announce(announcer, b"one")
    announce(announcer, b"two", 0, TYPE + 1)
    assert [told(subscriber)[1:] for _ in range(2)] == [(TYPE, b"one"), (TYPE + 1, b"two")]
    announce(subscriber, b"three")
    announce(announcer, b"four")
    assert told(subscriber).data == b"four"


def test_what_peers_sent_is_told_to_all_subscribers(modules):
    module = start(modules)
    subscribers = [modules.api(module, TYPE) for _ in range(3)]
    news_from(modules.neighbour(module), b"from afar")
    notified = [told(end) for end in subscribers]
    assert len(set(notified)) == 1 and notified[0][1:] == (TYPE, b"from afar")


def test_ids_are_random_unique_and_drawn_anew_on_each_module(modules):
    one, other = start(modules), start(modules)
    subscribers = [modules.api(module, TYPE) for module in (one, other)]
    for module in (one, other):
        peer = modules.neighbour(module)
        for number in range(300):
            news_from(peer, number=number)
    drawn = [[told(end).id for _ in range(300)] for end in subscribers]
    for ids in drawn:
        assert len(set(ids)) == 300 and ids != sorted(ids) and max(ids) > 10_000
    assert not any(first == second == number
                   for number, (first, second) in enumerate(zip(*drawn)))
    assert drawn[0] != drawn[1]


def test_unwanted_types_are_dropped_unremembered(modules):
    module = start(modules)
    peer = modules.neighbour(module)
    news_from(peer)
    counted(module, UNWANTED)
    assert module.memory.count() == 0
    subscriber = modules.api(module, TYPE)
    news_from(peer)
    assert told(subscriber)[1:] == (TYPE, b"news")
    news_from(peer)
    counted(module, OLD)
    news_from(peer, b"next")
    assert told(subscriber).data == b"next"


def test_what_shares_an_id_and_differs_is_delivered_and_duplicates_are_not(modules):
    module = start(modules)
    subscriber = modules.api(module, TYPE, TYPE + 1)
    first, second = modules.neighbour(module), modules.neighbour(module)
    for peer in (first, second):
        news_from(peer, b"one")
        news_from(peer, b"other")
        news_from(peer, b"one", data_type=TYPE + 1)
        if peer is first:
            assert [told(subscriber)[1:] for _ in range(3)] == [
                (TYPE, b"one"), (TYPE, b"other"), (TYPE + 1, b"one")]
    counted(module, OLD, 3)
    news_from(first, b"one", number=8)
    assert told(subscriber)[1:] == (TYPE, b"one")


def test_a_message_is_remembered_for_a_while(modules):
    module = start(modules, memory=0.2)
    subscriber, peer = modules.api(module, TYPE), modules.neighbour(module)
    news_from(peer)
    validate(subscriber, told(subscriber), False)
    nothing_waits(module)

    def told_again():
        news_from(peer)
        return subscriber.hears_nothing(0.1) is False
    wait_until(told_again)


def test_ones_own_news_that_come_back_are_old(modules):
    module = start(modules)
    announcer, peer = modules.api(module, TYPE), modules.neighbour(module)
    announce(announcer, b"mine")
    echo = heard(peer)
    late = modules.api(module, TYPE)
    peer.say(echo)
    counted(module, OLD)
    news_from(peer, b"next")
    assert told(announcer).data == told(late).data == b"next"


def test_the_same_data_announced_again_is_a_new_message(modules):
    module = start(modules)
    announcer, subscriber = modules.api(module), modules.api(module, TYPE)
    peer = modules.neighbour(module)
    for _ in range(3):
        announce(announcer, b"again")
    notified = [told(subscriber) for _ in range(3)]
    assert {one.data for one in notified} == {b"again"} and len({one.id for one in notified}) == 3
    for one in notified:
        validate(subscriber, one)
    spread = [heard(peer) for _ in range(3)]
    assert {one.data for one in spread} == {b"again"} and len({one.id for one in spread}) == 3


def test_the_same_data_can_be_announced_more_often_than_there_are_ids(modules):
    module = start(modules)
    digest = hashlib.sha256(b"again").digest()
    for number in range(65_536):
        module.memory.add(node.Item(number, TYPE, digest), time.monotonic())
    announcer, subscriber = modules.api(module), modules.api(module, TYPE)
    for _ in range(400):  # two of them have the same id among peers, most likely
        announce(announcer, b"again")
    notified = [told(subscriber) for _ in range(400)]
    assert all(one.data == b"again" for one in notified)
    for one in notified:
        validate(subscriber, one)
    nothing_waits(module)


# Validation.


def test_spread_at_once_when_no_other_local_module_subscribes(modules):
    module = start(modules)
    announcer, peers = modules.api(module, TYPE), [modules.neighbour(module) for _ in range(2)]
    announce(announcer, b"alone", 4)
    spread = [heard(peer) for peer in peers]
    assert spread[0] == spread[1] == PeerNotification(3, spread[0].id, TYPE, b"alone")
    assert module.pending.count() == 0


def test_with_another_subscriber_only_after_its_validation(modules):
    module = start(modules)
    announcer, subscriber = modules.api(module, TYPE), modules.api(module, TYPE)
    peers = [modules.neighbour(module) for _ in range(2)]
    announce(announcer, b"waits", 4)
    notified = told(subscriber)
    assert hears_next(peers, announcer)
    subscriber.send(bytes.fromhex("0008 01f7") + notified.id.to_bytes(2, "big") + b"\xff\xff")
    assert [(heard(peer).ttl, module.pending.count()) for peer in peers] == [(3, 0)] * 2


@pytest.mark.parametrize("flags", [0, 0xfffe])
def test_what_is_not_valid_goes_no_further(modules, flags):
    module = start(modules)
    announcer, subscriber = modules.api(module), modules.api(module, TYPE)
    peer, other = modules.neighbour(module), modules.neighbour(module)
    announce(announcer)
    news_from(other, b"from afar")
    for notified in (told(subscriber), told(subscriber)):
        subscriber.send(struct.pack(">HHHH", 8, 503, notified.id, flags))
        validate(subscriber, notified)  # too late
    counted(module, IGNORED, 2)
    assert hears_next([peer, other], announcer)


@pytest.mark.parametrize("first", [True, False])
def test_of_two_answers_the_first_counts(modules, first):
    module = start(modules)
    announcer, peer = modules.api(module), modules.neighbour(module)
    subscribers = [modules.api(module, TYPE) for _ in range(2)]
    announce(announcer)
    notified = [told(end) for end in subscribers]
    validate(subscribers[0], notified[0], first)
    nothing_waits(module)
    validate(subscribers[1], notified[1], not first)
    counted(module, IGNORED)
    if first:
        assert heard(peer).data == b"news"
    assert hears_next([peer], announcer)


def test_without_an_answer_in_time_it_is_dropped(modules):
    module = start(modules, patience=0.2)
    announcer, subscriber = modules.api(module), modules.api(module, TYPE)
    peer, other = modules.neighbour(module), modules.neighbour(module)
    announce(announcer)
    news_from(other, b"from afar")
    notified = [told(subscriber), told(subscriber)]
    counted(module, LATE, 2)
    for one in notified:
        validate(subscriber, one)
    counted(module, IGNORED, 2)
    assert module.pending.count() == 0 and hears_next([peer, other], announcer)


def test_only_who_was_notified_may_validate(modules):
    module = start(modules)
    announcer, subscriber = modules.api(module, TYPE), modules.api(module, TYPE)
    stranger, peer = modules.api(module, TYPE + 1), modules.neighbour(module)
    announce(announcer)
    notified = told(subscriber)
    late = modules.api(module, TYPE)
    for end in (announcer, stranger, late):
        validate(end, notified)
        validate(end, notified, False)
    subscriber.say(Validation(notified.id ^ 1, True))
    counted(module, IGNORED, 7)
    assert hears_next([peer], announcer)
    validate(subscriber, notified)
    assert heard(peer).data == b"news"


def test_who_has_gone_has_no_say_in_its_next_life(modules):
    module = start(modules)
    announcer, subscriber = modules.api(module), modules.api(module, TYPE)
    peer = modules.neighbour(module)
    announce(announcer)
    notified = told(subscriber)
    subscriber.close()
    wait_until(lambda: module.subscriptions.count() == 0)
    again = modules.api(module, TYPE)
    validate(again, notified)
    counted(module, IGNORED)
    assert hears_next([peer], announcer)


def test_relayed_to_none_of_those_that_sent_a_copy(modules):
    module = start(modules, degree=8)
    announcer, subscriber = modules.api(module), modules.api(module, TYPE)
    senders, others = ([modules.neighbour(module) for _ in range(2)] for _ in range(2))
    news_from(senders[0])
    notified = told(subscriber)
    news_from(senders[1])
    counted(module, OLD)
    validate(subscriber, notified)
    assert [heard(end) for end in others] == [PeerNotification(4, 7, TYPE, b"news")] * 2
    assert hears_next(senders + others, announcer)


@pytest.mark.parametrize("ttls, relayed", [
    ((3, 7), 6), ((7, 3), 6), ((0, 1), 0), ((0, 0), None), ((1, 255), 255), ((255, 3), 255),
    ((254,), 253), ((255,), 255), ((1,), 0), ((0,), None)])
def test_a_copy_with_a_higher_ttl_raises_it_while_it_waits(modules, ttls, relayed):
    module = start(modules)
    announcer, subscriber = modules.api(module), modules.api(module, TYPE)
    peer, notified = modules.neighbour(module), None
    for number, ttl in enumerate(ttls):
        news_from(modules.neighbour(module), ttl=ttl)
        if number == 0:
            notified = told(subscriber)
        else:
            counted(module, OLD, number)
    validate(subscriber, notified)
    nothing_waits(module)
    if relayed is not None:
        assert heard(peer) == PeerNotification(relayed, 7, TYPE, b"news")
    assert hears_next([peer], announcer)


def test_a_copy_is_a_copy_also_when_waiting_is_longer_than_memory(modules):
    module = start(modules, memory=0.01)
    announcer, subscriber = modules.api(module), modules.api(module, TYPE)
    one, other, third = (modules.neighbour(module) for _ in range(3))
    news_from(one)
    notified = told(subscriber)
    unlike = map(lambda number: node.Item(number, 0, b""), itertools.count())
    wait_until(lambda: module.memory.add(next(unlike), time.monotonic())
               and module.memory.count() == 1)
    news_from(other, ttl=9)
    counted(module, OLD)
    validate(subscriber, notified)
    assert heard(third).ttl == 8 and hears_next([one, other, third], announcer)
    nothing_waits(module)


def test_a_copy_that_comes_at_the_same_moment_is_noticed(modules, monkeypatch):
    module = start(modules)
    announcer, subscriber = modules.api(module), modules.api(module, TYPE)
    one, other, third = (modules.neighbour(module) for _ in range(3))
    add, copied = module.memory.add, threading.Event()

    def slow_add(item, now):
        new = add(item, now)
        if not new:
            copied.set()
        elif item.data_type == TYPE:
            news_from(other, ttl=9)
            copied.wait(0.5)  # as long as the copy would take to be looked at
        return new
    monkeypatch.setattr(module.memory, "add", slow_add)
    news_from(one)
    notified = told(subscriber)
    counted(module, OLD)
    validate(subscriber, notified)
    assert heard(third).ttl == 8 and hears_next([one, other, third], announcer)


def test_of_what_waits_the_oldest_goes_when_it_is_too_much(modules, monkeypatch):
    monkeypatch.setattr(news, "WAITING_BYTES", 200_000)
    module = start(modules)
    announcer, subscriber = modules.api(module), modules.api(module, TYPE)
    peer = modules.neighbour(module)
    for number in range(5):
        announce(announcer, bytes([number]) * 60_000)
    notified = [told(subscriber) for _ in range(5)]
    assert module.pending.count() == 3
    counted(module, "messages dropped: too many wait for validation", 2)
    for one in notified:
        validate(subscriber, one)
    assert [heard(peer).data[0] for _ in range(3)] == [2, 3, 4]


# Hops: lines and a ring of modules, linked by peers that carry news from one to the next.


class Carrier:
    """A verified peer of two modules that carries 511s from each to the other, as they are."""

    def __init__(self, modules, one, other):
        self.carried: list[tuple[int, bytes]] = []  # (TTL, data)
        self._ends = modules.neighbour(one), modules.neighbour(other)
        self._threads = [threading.Thread(target=self._carry, args=ends)
                         for ends in (self._ends, self._ends[::-1])]
        for thread in self._threads:
            thread.start()
        modules.ends.insert(0, self)

    def _carry(self, source, sink):
        try:
            while (message := source.hear_bytes(3600)) is not None:
                if message[2:4] == (511).to_bytes(2, "big"):
                    self.carried.append((message[4], message[10:]))
                    sink.sock.sendall(message)
        except OSError:
            pass  # the other module has ended

    def close(self):
        for end in self._ends:
            try:
                end.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # its module has ended
        for thread in self._threads:
            thread.join(10)


def passed_on(subscribers):
    """Let modules validate what they are told, one after the other, and return it."""
    data = []
    for end in subscribers:
        notified = told(end)
        validate(end, notified)
        data.append(notified.data)
    return data


@pytest.mark.parametrize("length", [3, 5])
@pytest.mark.parametrize("ttl", [1, 2, 0, 255])
def test_a_line_of_modules_is_reached_as_far_as_the_ttl_says(modules, length, ttl):
    line = [start(modules) for _ in range(length)]
    carriers = [Carrier(modules, *pair) for pair in zip(line, line[1:])]
    announcer = modules.api(line[0])
    subscribers = [modules.api(module, TYPE) for module in line[1:]]
    reach = length - 1 if ttl in (0, 255) else ttl
    announce(announcer, b"counted", ttl)
    assert passed_on(subscribers[:reach]) == [b"counted"] * reach
    announce(announcer, b"to all", 0)
    assert passed_on(subscribers) == [b"to all"] * (length - 1)
    for number, carrier in enumerate(carriers):
        left = 255 if ttl == 0 else ttl - 1 - number
        expected = [(left, b"counted")] if number < reach else []
        assert carrier.carried == [*expected, (255, b"to all")]


def test_in_a_ring_everyone_is_told_once(modules):
    ring = [start(modules) for _ in range(4)]
    for pair in zip(ring, ring[1:] + ring[:1]):
        Carrier(modules, *pair)
    announcer, local = modules.api(ring[0], TYPE), modules.api(ring[0], TYPE)
    left, opposite, right = (modules.api(module, TYPE) for module in ring[1:])
    for ttl, reach in ((0, 4), (2, 4), (1, 3), (0, 4)):
        data = f"{ttl} {time.monotonic()}".encode()
        announce(announcer, data, ttl)
        assert passed_on([local, left, right, opposite][:reach]) == [data] * reach
    counted(ring[2], OLD, 3)  # the copies that came the other way round
    announce(left, b"back")
    assert passed_on([announcer]) == [b"back"] and told(local).data == b"back"


def test_on_the_wire_ttls_are_those_left_after_this_hop(modules):
    module = start(modules)
    announcer, peer = modules.api(module), modules.neighbour(module)
    for ttl, left in ((1, 0), (2, 1), (254, 253), (255, 254), (0, 255)):
        announce(announcer, b"", ttl)
        message = peer.hear_bytes()
        while message[2:4] != b"\x01\xff":
            message = peer.hear_bytes()
        assert message[:6] == bytes([0, 10, 0x01, 0xff, left, 0])


# Subscriptions that end.


def test_closed_subscriptions_leave_nothing_behind(modules):
    module = start(modules)
    announcer, witness = modules.api(module), modules.api(module, TYPE)
    for _ in range(3):
        ends = [modules.api(module, *range(TYPE, TYPE + 20)) for _ in range(20)]
        announce(announcer, b"to many")
        assert {told(end) for end in ends} == {told(witness)}
        for end in ends:
            end.close()
        wait_until(lambda: module.subscriptions.count() == 1)
    witness.close()
    wait_until(lambda: module.subscriptions.count() == 0 and module.link_count() == 1)
    assert not module.subscriptions._links and not module.subscriptions._types
    assert not any(waiting.notified for waiting in module.pending._waiting.values())
    again = modules.api(module, TYPE)
    announce(announcer, b"again")
    announce(announcer, b"and again")
    assert [told(again).data for _ in range(2)] == [b"again", b"and again"]


# Framing and sizes.


def test_messages_may_come_byte_by_byte(modules):
    module = start(modules)
    announcer, subscriber = modules.api(module), modules.api(module)
    peer = modules.neighbour(module)

    def dribble(end, message):
        for byte in message.pack():
            end.send(bytes([byte]))
    dribble(subscriber, Notify(TYPE))
    wait_until(lambda: module.subscriptions.count() == 1)
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
    framing = link_of(module, announcer)._framing
    for cut in range(1, len(stream)):
        announcer.send(stream[:cut])
        numbers = [told(subscriber).data[0] for _ in range(cut // 28)]
        wait_until(lambda: framing.unfinished() == (cut % 28 > 0))
        announcer.send(stream[cut:])
        assert numbers + [told(subscriber).data[0] for _ in range(5 - cut // 28)] == [*range(5)]


class Recording:
    """A socket that notes what is sent in one go."""

    def __init__(self, sock):
        self._sock = sock
        self.sent = []

    def send(self, data, *flags):
        self.sent.append(data)
        return self._sock.send(data, *flags)

    def __getattr__(self, name):
        return getattr(self._sock, name)


def test_a_message_is_written_in_one_send(modules):
    """Clients read the header, then the rest with a single recv."""
    module = start(modules)
    announcer, subscriber = modules.api(module), modules.api(module, TYPE)
    link = link_of(module, subscriber)
    link._sock = recording = Recording(link._sock)
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


# What ends a connection.


@pytest.mark.parametrize("data", [
    "0000 01f4", "0001 01f4", "0002 01f4", "0003 01f4 0000 0539",  # size under 4
    "0004 01f4", "0007 01f4 0000 05", "0007 01f5 0000 05", "0009 01f5 0000 0539 00",
    "0004 01f5", "0007 01f7 0000 00", "000a 01f7 0000 0001 0000",  # wrong size for the type
    "0004 0000", "0008 01f3 0000 0000", "0004 0200", "0004 ffff",  # unknown type
    "0008 01f6 0000 0539", "000a 01f6 0000 0539 6869",  # ours to say
    "0004 01f8", "0004 01f9", "000a 01fc 7f00 0001 1770", "0004 01fe",  # for peers
    "000a 01ff 0500 0007 0539"])
def test_who_breaks_the_rules_is_disconnected_with_a_line(modules, data):
    module = start(modules)
    subscriber, witness = modules.api(module, TYPE), modules.api(module, TYPE)
    announce(witness, b"before")
    assert told(subscriber).data == b"before"
    bad, port = bytes.fromhex(data), subscriber.sock.getsockname()[1]
    subscriber.send(Announce(0, TYPE, b"still counts").pack() + bad + Notify(TYPE).pack())
    assert subscriber.hear_end() and told(witness).data == b"still counts"
    wait_event(module, f"refused:127.0.0.1:{port}:")
    wait_until(lambda: module.subscriptions.count() == 1)


@pytest.mark.parametrize("header", ["0003", "0009 01f5", "0009 01f7", "ffff 270f"])
def test_a_header_that_is_wrong_is_enough(modules, header):
    module = start(modules)
    end = modules.api(module)
    end.send(bytes.fromhex(header))
    assert end.hear_end()
    wait_event(module, "refused:127.0.0.1:")


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("data", [b"\0", b"\0\x08\x01", Announce(0, TYPE, b"almost").pack()[:-1]])
def test_the_end_of_the_stream_inside_a_message_is_written_down(modules, data, reset):
    module = start(modules)
    subscriber = modules.api(module, TYPE)
    ends = [modules.api(module), modules.api(module, TYPE)]
    ends[0].say(Announce(0, TYPE, b"whole"))
    assert told(subscriber).data == told(ends[1]).data == b"whole"
    ends[0].send(data)
    wait_until(lambda: link_of(module, ends[0])._framing.unfinished())
    port = ends[0].sock.getsockname()[1]
    for end in ends:
        if reset:
            end.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        end.close()
    wait_until(lambda: module.link_count() == 1)
    line = wait_event(module, "refused:")
    assert line.startswith(f"refused:127.0.0.1:{port}:") and "inside a message" in line
    assert count(module, "refused:") == 1


def test_a_module_that_we_disconnect_has_not_ended_inside_a_message(modules):
    module = start(modules)
    end = modules.api(module, TYPE)
    end.send(b"\0")
    link = link_of(module, end)
    wait_until(link._framing.unfinished)
    module.disconnect(link, "for a test")
    assert end.hear_end()
    wait_until(lambda: module.link_count() == 0)
    assert count(module, "refused:") == 1


def test_a_message_that_has_begun_has_to_end(modules, monkeypatch):
    monkeypatch.setattr(node, "MESSAGE_LIMIT", 0.3)
    module = start(modules)
    idle, stuck, drip = modules.api(module, TYPE), modules.api(module), modules.api(module)
    stuck.say(Announce(0, TYPE, b"whole"))
    assert told(idle).data == b"whole"
    stuck.send(b"\0\x08\x01")
    assert stuck.hear_end()
    drip.send(b"\xff\xff\x01\xf4")

    def ended():
        try:
            drip.send(b"x")
        except OSError:
            return True
        return False
    wait_until(ended)
    wait_until(lambda: sum("not finished in time" in event for event in events(module)) == 2)
    announce(modules.api(module), b"who waits may")
    assert told(idle).data == b"who waits may"


# Fast announcers and slow readers.


def in_background(target):
    thread = threading.Thread(target=target)
    thread.start()
    return thread


def narrow(end):
    """Have the kernel keep little for this end."""
    end.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)


def numbered(frames, kind):
    """The numbers that the messages of a type begin with."""
    at = {502: 8, 511: 10}[kind]
    return [int.from_bytes(frame[at:at + 4], "big") for frame in frames
            if frame[2:4] == kind.to_bytes(2, "big")]


def test_a_subscriber_that_never_reads_delays_nobody_and_is_dropped(modules):
    module = start(modules)
    announcer, never, reader = (modules.api(module, *kinds) for kinds in ((), [TYPE], [TYPE]))
    link = link_of(module, never)
    said = []

    def speak():
        while not link.ended and len(said) < 40_000:
            said.append(len(said))
            announce(announcer, said[-1].to_bytes(4, "big") + b"x" * 1016)
    thread = in_background(speak)
    seen, frames = [], messages.Frames()
    reader.sock.settimeout(0.1)

    def all_seen():
        try:
            seen.extend(numbered(frames.feed(reader.sock.recv(65_536)), 502))
        except TimeoutError:
            pass  # all may have been said meanwhile
        return not thread.is_alive() and len(seen) == len(said)
    wait_until(all_seen, 60, pause=0)
    thread.join()
    assert seen == said and link.ended and len(said) * 1024 > 8 * MIB
    wait_until(lambda: module.subscriptions.count() == 1)
    assert wait_event(module, f"refused:{link.remote}:backlog overflow")


@pytest.mark.parametrize("who", ["subscriber", "neighbour"])
def test_nothing_is_lost_at_full_speed(modules, who):
    module = start(modules)
    announcer, total = modules.api(module), 30_000
    slow = modules.api(module, TYPE) if who == "subscriber" else modules.neighbour(module)
    narrow(slow)
    link, most = link_of(module, slow), 0
    stream = b"".join(Announce(0, TYPE, number.to_bytes(4, "big") + b"x" * 1012).pack()
                      for number in range(total))
    announcer.sock.settimeout(100)
    thread = in_background(lambda: announcer.sock.sendall(stream))
    seen, frames = [], messages.Frames()
    slow.sock.settimeout(60)
    while len(seen) < total and (data := slow.sock.recv(131_072)):
        seen += numbered(frames.feed(data), 502 if who == "subscriber" else 511)
        most = max(most, link.waiting())
        time.sleep(0.005)  # it is slow
    thread.join()
    assert seen == list(range(total))
    assert MIB < most < 1.5 * MIB


def test_a_paused_announcer_is_not_blamed_for_its_unfinished_message(modules, monkeypatch):
    monkeypatch.setattr(node, "MESSAGE_LIMIT", 1.5)
    module = start(modules)
    announcer, slow = modules.api(module), modules.api(module, TYPE)
    narrow(slow)
    link, total = link_of(module, slow), 200
    stream = b"".join(Announce(0, TYPE, number.to_bytes(4, "big") + b"x" * 60_000).pack()
                      for number in range(total))
    announcer.sock.settimeout(100)
    thread = in_background(lambda: announcer.sock.sendall(stream))
    seen, frames = [], messages.Frames()
    slow.sock.settimeout(60)
    wait_until(lambda: link.waiting() > MIB)
    time.sleep(2.0)  # it does not read for longer than a message may take
    while len(seen) < total and (data := slow.sock.recv(131_072)):
        seen += numbered(frames.feed(data), 502)
    thread.join()
    assert seen == list(range(total)) and count(module, "refused:") == 0


def test_much_that_is_validated_at_once_reaches_a_neighbour_that_reads(modules):
    module, total = start(modules), 250
    announcer, subscriber, peer = (
        modules.api(module), modules.api(module, TYPE), modules.neighbour(module))
    thread = in_background(lambda: [announcer.say(Announce(0, TYPE, b"x" * 60_000))
                                    for _ in range(total)])
    notified = [told(subscriber) for _ in range(total)]
    thread.join()
    subscriber.say(*(Validation(notification.id, True) for notification in notified))
    assert all(len(heard(peer).data) == 60_000 for _ in range(total))
    assert view_is(module, peer)


def view_is(module, *peers):
    return set(module.view.addresses()) == {peer.address for peer in peers}


def test_an_announcer_waits_for_modules_that_validate_but_are_far_behind(modules, monkeypatch):
    monkeypatch.setattr(news, "WAITING", 200)
    module, total = start(modules), 2000
    announcer, subscriber, peer = (
        modules.api(module), modules.api(module, TYPE), modules.neighbour(module))
    thread = in_background(lambda: [announcer.say(Announce(0, TYPE, b"%d" % number))
                                    for number in range(total)])
    for _ in range(total):  # one by one: slower than they are announced
        validate(subscriber, told(subscriber))
    thread.join()
    assert [int(heard(peer).data) for _ in range(total)] == list(range(total))


# The client that comes with it.


def test_the_client_tells_what_it_is_told_of_and_validates(modules):
    module, heard_of = start(modules), queue.SimpleQueue()

    def on_data(data):
        heard_of.put(data)
        return data != b"bad"
    client = Client(module.config.api_address[0].dial, TYPE, on_data)
    try:
        wait_until(lambda: module.subscriptions.count() == 1)
        announcer, peer = modules.api(module, TYPE), modules.neighbour(module)
        for data in (b"good", b"bad", b"better"):
            announce(announcer, data)
        assert [heard_of.get(timeout=20) for _ in range(3)] == [b"good", b"bad", b"better"]
        assert [heard(peer).data for _ in range(2)] == [b"good", b"better"]
        client.announce(b"its own", 1)
        assert told(announcer).data == b"its own"
    finally:
        client.close()
    wait_until(lambda: module.subscriptions.count() == 1)
    assert heard_of.empty() and count(module, "refused:") == 0


# Processes.


class Running:
    """`peer.py -c` as a process, and where it is found."""

    def __init__(self, folder, *arguments, **keys):
        self.address, self.api = free_address(), free_address()
        ini = write_ini(folder, p2p_address=self.address, api_address=self.api, **keys)
        self.program = Program("peer.py", "-c", ini, "--outputs", folder, "--quiet",
                               "--end-with-input", *arguments)
        self.file = folder / f"module_{self.address.file_part}.txt"
        self.config = types.SimpleNamespace(pow_bits=keys.get("pow_bits", EASY_BITS))

    def __enter__(self):
        self.program.__enter__()
        wait_until(lambda: listens(self.api.port), what="the API to listen")
        return self

    def __exit__(self, *error):
        self.program.__exit__(*error)

    def ends_well(self):
        return self.program.finish() == (0, "", "")


@pytest.fixture
def subscribe():
    """Connections to modules that are other processes."""
    ends = []

    def connect(running, *kinds):
        """A module that is subscribed for sure: what it says next is told to another."""
        witness, end = ByteEnd(running.api.dial), ByteEnd(running.api.dial)
        ends.extend((witness, end))
        witness.say(Notify(PROBE))
        end.say(*map(Notify, kinds))

        def heard_of():
            announce(end, b"", 1, PROBE)
            return not witness.hears_nothing(0.2)
        wait_until(heard_of)
        witness.close()
        return end
    yield connect
    for end in ends:
        end.close()


def test_two_processes_tell_each_other_exactly_once(tmp_path, subscribe):
    with Running(tmp_path) as one, Running(tmp_path, bootstrapper=one.address) as other:
        wait_until(lambda: f"connected:{other.address}" in lines_of(one.file) and
                   f"connected:{one.address}" in lines_of(other.file))
        here, there = subscribe(one, TYPE), subscribe(other, TYPE)
        for speaker, listener in ((here, there), (there, here)):
            for number in range(100):
                announce(speaker, b"%d" % number)
            notified = [told(listener) for _ in range(100)]
            assert [message.data for message in notified] == [b"%d" % n for n in range(100)]
            for message in notified:
                validate(listener, message)
        announce(here, b"last")
        assert told(there).data == b"last"
        announce(there, b"last")
        assert told(here).data == b"last"
        assert one.ends_well() and other.ends_well()
        for file in (one.file, other.file):
            lines = lines_of(file)
            assert sum(line.startswith("received:") for line in lines) == 101
            assert not any(line.startswith(("refused:", "failed:")) for line in lines)


def test_processes_in_a_line_and_in_a_ring(tmp_path, subscribe, modules):
    with contextlib.ExitStack() as stack:
        line = [stack.enter_context(Running(tmp_path)) for _ in range(5)]
        carriers = [Carrier(modules, *pair) for pair in zip(line, line[1:])]
        announcer, *subscribers = [subscribe(one, TYPE) for one in line]
        for ttl, reach in ((1, 1), (2, 2), (0, 4), (255, 4)):
            data = b"%d hops" % ttl
            announce(announcer, data, ttl)
            assert passed_on(subscribers[:reach]) == [data] * reach
        assert [[ttl for ttl, data in carrier.carried if data.endswith(b"hops")]
                for carrier in carriers] == [
            [0, 1, 255, 254], [0, 255, 253], [255, 252], [255, 251]]
        Carrier(modules, line[-1], line[0])
        for number in range(10):
            announce(announcer, b"round %d" % number)
            first, second, third, last = subscribers
            assert passed_on([first, last, second, third]) == [b"round %d" % number] * 4
        announce(first, b"back")
        assert passed_on([announcer]) == [b"back"]
        modules.stop()
        assert all(one.ends_well() for one in line)


def test_the_command_line_says_how_long_to_wait_and_to_remember(tmp_path, subscribe, modules):
    with Running(tmp_path, "-v", "0.2", "-s", "0.2") as one:
        subscriber, announcer = subscribe(one, TYPE), subscribe(one)
        peer = modules.neighbour(one)

        def told_again():
            news_from(peer)
            return not subscriber.hears_nothing(0.1)
        wait_until(told_again)
        wait_until(told_again)
        validate_later_and_later(announcer, subscriber, peer)
        assert one.ends_well()


def validate_later_and_later(announcer, subscriber, peer):
    """Until it is too late."""
    for delay in (0.3, 1, 2, 4):
        announce(announcer, b"%f" % delay)
        while (notified := told(subscriber)).data != b"%f" % delay:
            pass  # what the peer had sent again
        time.sleep(delay)
        validate(subscriber, notified)
        announce(subscriber, b"fence", 0, FENCE)
        if heard(peer).data == b"fence":
            return
        assert heard(peer).data == b"fence"
    raise AssertionError("it waits longer than it should")
