"""Who is told: subscriptions, ids, what is new and what is old."""

import hashlib
import time

from gossip.voidphone import news
from gossip.voidphone.messages import Announce, Notification, Notify
from tests.tools.module_words import (
    OLD, TYPE, UNWANTED, announce, counted, heard, news_from, nothing_waits, start, told,
    validate)
from tests.tools.waiting import wait_until

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
    assert len(module.relay.memory) == 0
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
    peer.say(heard(peer))
    counted(module, OLD)
    news_from(peer, b"next")
    assert told(announcer).data == b"next"


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
        module.relay.memory.add(news.Item(number, TYPE, digest), time.monotonic())
    announcer, subscriber = modules.api(module), modules.api(module, TYPE)
    for _ in range(400):  # two of them have the same id among peers, most likely
        announce(announcer, b"again")
    notified = [told(subscriber) for _ in range(400)]
    assert all(one.data == b"again" for one in notified)
    for one in notified:
        validate(subscriber, one)
    nothing_waits(module)


# Subscriptions that end.


def told_at_last(end, data):
    """What a client is told of this data, after what waited when it came."""
    while (notification := told(end)).data != data:
        pass
    return notification


def test_closed_subscriptions_leave_nothing_behind(modules):
    module = start(modules)
    announcer, witness = modules.api(module), modules.api(module, TYPE)
    for data in (b"one", b"two", b"three"):
        ends = [modules.api(module, *range(TYPE, TYPE + 20)) for _ in range(20)]
        announce(announcer, data)
        assert {told_at_last(end, data) for end in ends} == {told(witness)}
        for end in ends:
            end.close()
        wait_until(lambda: module.status()["subscriptions"] == 1)
    witness.close()
    wait_until(lambda: module.status()["subscriptions"] == 0 and len(module.links()) == 1)
    assert not module.relay._types
    assert not any(waiting.notified for waiting in module.relay.pending._waiting.values())
    again = modules.api(module, TYPE)
    announce(announcer, b"again")
    announce(announcer, b"and again")
    assert told_at_last(again, b"again") and told(again).data == b"and again"


def test_data_whose_ids_are_all_in_use_stops_nobody(modules):
    module, data = modules.module(), b"said very often"
    digest = hashlib.sha256(data).digest()
    for number in range(65_536):
        module.relay.memory.add(news.Item(number, 1, digest), time.monotonic())
    client, announcer = modules.api(module, 1), modules.api(module)
    announcer.say(Announce(0, 1, data), Announce(0, 1, b"other"))
    assert [client.hear().data, client.hear().data] == [data, b"other"]
