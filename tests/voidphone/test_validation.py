"""Validation: what modules say of news decides whether it goes on to peers."""

import itertools
import struct
import threading
import time

import pytest

from gossip.voidphone import news
from gossip.voidphone.messages import Notify, PeerNotification, PeerRequest, Validation
from tests.tools.module_examples import push
from tests.tools.module_words import (
    IGNORED, LATE, OLD, TYPE, announce, counted, heard, hears_next, news_from, nothing_waits,
    start, told, validate)
from tests.tools.waiting import wait_until


def test_spread_at_once_when_no_other_local_module_subscribes(modules):
    module = start(modules)
    announcer, peers = modules.api(module, TYPE), [modules.neighbour(module) for _ in range(2)]
    announce(announcer, b"alone", 4)
    spread = [heard(peer) for peer in peers]
    assert spread[0] == spread[1] == PeerNotification(3, spread[0].id, TYPE, b"alone")
    assert module.relay.pending.count() == 0


def test_with_another_subscriber_only_after_its_validation(modules):
    module = start(modules)
    announcer, subscriber = modules.api(module, TYPE), modules.api(module, TYPE)
    peers = [modules.neighbour(module) for _ in range(2)]
    announce(announcer, b"waits", 4)
    notified = told(subscriber)
    assert hears_next(peers, announcer)
    subscriber.send(bytes.fromhex("0008 01f7") + notified.id.to_bytes(2, "big") + b"\xff\xff")
    assert [(heard(peer).ttl, module.relay.pending.count()) for peer in peers] == [(3, 0)] * 2


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
    assert module.relay.pending.count() == 0 and hears_next([peer, other], announcer)


def test_only_who_was_notified_may_validate(modules):
    module = start(modules)
    announcer, subscriber = modules.api(module, TYPE), modules.api(module, TYPE)
    stranger, peer = modules.api(module, TYPE + 1), modules.neighbour(module)
    announce(announcer)
    notified = told(subscriber)
    late = modules.api(module)
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
    wait_until(lambda: module.status()["subscriptions"] == 0)
    again = modules.api(module)
    validate(again, notified)
    counted(module, IGNORED)
    assert hears_next([peer], announcer)
    again.say(Notify(TYPE))
    assert told(again) == notified
    validate(again, notified)
    assert heard(peer).data == b"news"


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
    unlike = map(lambda number: news.Item(number, 0, b""), itertools.count())
    wait_until(lambda: module.relay.memory.add(next(unlike), time.monotonic())
               and len(module.relay.memory) == 1)
    news_from(other, ttl=9)
    counted(module, OLD)
    validate(subscriber, notified)
    assert heard(third).ttl == 8 and hears_next([one, other, third], announcer)
    nothing_waits(module)


def test_a_copy_that_comes_at_the_same_moment_is_noticed(modules, monkeypatch):
    module = start(modules)
    announcer, subscriber = modules.api(module), modules.api(module, TYPE)
    one, other, third = (modules.neighbour(module) for _ in range(3))
    add, copied = module.relay.memory.add, threading.Event()

    def slow_add(item, now):
        new = add(item, now)
        if not new:
            copied.set()
        elif item.data_type == TYPE:
            news_from(other, ttl=9)
            copied.wait(0.5)  # as long as the copy would take to be looked at
        return new
    monkeypatch.setattr(module.relay.memory, "add", slow_add)
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
    assert module.relay.pending.count() == 3
    counted(module, "messages dropped: too many wait for validation", 2)
    for one in notified:
        validate(subscriber, one)
    assert [heard(peer).data[0] for _ in range(3)] == [2, 3, 4]


def test_a_copy_that_comes_at_the_same_moment_counts(modules):
    """The second sender's copy comes between the first one's entries in two tables."""
    module = modules.module()
    first, second, third = (modules.neighbour(module) for _ in range(3))
    client = modules.api(module, 1)
    remember, count, counted = module.relay.memory.add, module.counters.add, threading.Event()

    def remember_slowly(item, now):
        new = remember(item, now)
        if new:
            second.say(push(ttl=9))
            counted.wait(0.3)
        return new

    def count_and_tell(what):
        count(what)
        if what == "messages that were old":
            counted.set()

    module.relay.memory.add, module.counters.add = remember_slowly, count_and_tell
    first.say(push(ttl=3))
    notification = client.hear()
    assert counted.wait(60)
    client.say(Validation(notification.id, True))
    assert third.hear_kind("peer_notification") == push(ttl=8)
    second.say(PeerRequest())
    while (heard := second.hear()).kind != "peer_response":
        assert heard.kind == "push"
