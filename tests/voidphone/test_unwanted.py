"""News of a type that nobody wants: kept for a moment, for a module that is about to want them."""

import random
import socket

from gossip.voidphone import news as module_news
from gossip.voidphone.messages import Notification, Notify, PeerNotification
from gossip.voidphone.news import KEPT_BYTES, KEPT_FOR, OVERHEAD, Pending
from tests.tools.files import count
from tests.tools.module_words import (
    MIB, OLD, TYPE, UNWANTED, counted, heard, link_of, news_from, start, still_there, told,
    validate)
from tests.tools.modules import QUIET
from tests.tools.waiting import wait_until


def news(data=b"news", data_type=TYPE, number=7):
    return PeerNotification(5, number, data_type, data)


# The rules.


def test_messages_are_kept_for_a_second_by_type():
    kept = Pending(random.Random(1), 5.0)
    assert KEPT_FOR == 1.0 and kept.add_unwanted(news(b"one"), "link", 10.0)
    assert not kept.add_unwanted(news(b"other", TYPE + 1), "link", 10.5)
    assert not kept.add_unwanted(news(b"two"), "another", 10.6)
    assert kept.expire(10.9) == 11.0 and kept.dropped == {}
    taken = kept.take_unwanted(TYPE, 10.9)
    assert [(one.message.data, one.senders) for one in taken] == [(b"one", {"link"}),
                                                                 (b"two", {"another"})]
    assert kept.take_unwanted(TYPE, 10.9) == [] and kept.expire(11.4) == 11.5
    assert kept.take_unwanted(TYPE + 1, 11.5) == []
    assert kept.expire(99.0) is None and kept.dropped == {UNWANTED: 1}
    assert kept.add_unwanted(news(), "link", 99.0)


def test_of_too_many_bytes_the_oldest_go():
    kept, size = Pending(random.Random(1), 5.0), 60_000
    room = KEPT_BYTES // (size + OVERHEAD)
    for number in range(room + 5):
        kept.add_unwanted(news(b"x" * size, number % 2, number), None, 1.0)
    assert KEPT_BYTES == 8 << 20 and kept.dropped == {UNWANTED: 5}
    assert [one.message.id for one in kept.take_unwanted(0, 1.0)] == list(range(6, room + 5, 2))
    assert [one.message.id for one in kept.take_unwanted(1, 1.0)] == list(range(5, room + 5, 2))
    for number in range(20_000):  # small ones count for more than their data
        kept.add_unwanted(news(b"x", number), None, 1.0)
    assert sum(len(kept.take_unwanted(number, 1.0)) for number in range(20_000)) \
        == KEPT_BYTES // (OVERHEAD + 1)
    assert not kept._unwanted._of_type


# Live modules.


def test_a_module_is_told_of_what_came_a_moment_before(modules, monkeypatch):
    monkeypatch.setattr(module_news, "KEPT_FOR", 60.0)
    module = start(modules)
    peer, other = modules.neighbour(module), modules.neighbour(module)
    for number, end in enumerate((peer, other, peer)):
        news_from(end, b"first" if number < 2 else b"second")
        still_there(end)
    client = modules.api(module)
    client.say(Notify(TYPE))
    notified = [told(client) for _ in range(2)]
    assert [one[1:] for one in notified] == [(TYPE, b"first"), (TYPE, b"second")]
    counted(module, OLD)
    assert count(module, f"received:{peer.address}:") == 2 and UNWANTED not in module.status()
    for one in notified:
        validate(client, one)
    assert heard(other).data == b"second"  # of the first it has a copy


def test_what_came_more_than_a_second_before_is_not_told(modules):
    module = start(modules)
    peer = modules.neighbour(module)
    news_from(peer, b"too early")
    counted(module, UNWANTED)
    client = modules.api(module, TYPE)
    news_from(peer, b"in time")
    assert told(client).data == b"in time"


def test_nothing_is_lost_for_a_module_that_subscribes_at_the_same_time(modules, monkeypatch):
    monkeypatch.setattr(module_news, "KEPT_FOR", 60.0)
    module = start(modules)
    client, peer = modules.api(module), modules.neighbour(module)
    add = Pending.add_unwanted

    def add_and_subscribe(kept, message, link, now):
        client.say(Notify(TYPE))  # that has its turn after this one
        return add(kept, message, link, now)
    monkeypatch.setattr(Pending, "add_unwanted", add_and_subscribe)
    news_from(peer, b"just now")
    assert isinstance(message := told(client), Notification) and message.data == b"just now"
    assert client.hears_nothing(0.1)


def test_what_came_before_is_told_as_fast_as_it_is_read(modules, monkeypatch):
    monkeypatch.setattr(module_news, "KEPT_FOR", 60.0)
    module, total = start(modules, settings=QUIET._replace(backlog_limit=2 * MIB)), 130
    peer, client = modules.neighbour(module), modules.api(module)
    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
    for number in range(total):
        news_from(peer, b"%d" % number + b"x" * 60_000, number=number)
    still_there(peer)
    link = link_of(module, client)
    client.say(Notify(TYPE))
    wait_until(lambda: link.waiting() > MIB)
    assert [int(told(client).data.rstrip(b"x")) for _ in range(total)] == list(range(total))
