"""News in a gossip module: who is told, what is forwarded, what is old, how it is sent."""

import hashlib

import pytest

from grapevine.voidphone.messages import Announce, Notification, PeerNotification, Validation
from grapevine.voidphone.news import NOT_WAITING, Item
from grapevine.voidphone.relay import OLD, TOO_OFTEN
from tests.tools.voidphone import TYPE, WAITING, hear_next, stage

LONGEST_SPREAD, LONGEST_ANNOUNCED = 65_525, 65_527  # bytes of data


# Who is told.

def test_every_other_subscriber_is_told_and_the_announcer_is_not():
    scene, _, announcer, one, other = stage(3, 0)
    stranger = scene.client(TYPE + 1)
    announcer.announce(b"first")
    told = one.told()
    assert told == other.told() == Notification(told.id, TYPE, b"first")
    announcer.announce(b"other type", 0, TYPE + 1)
    assert stranger.told().data == b"other type"
    one.announce(b"second")
    assert announcer.told().data == b"second"


# What is forwarded.

@pytest.mark.parametrize("ttl, left", [(1, 0), (2, 1), (254, 253), (255, 254), (0, 255)])
def test_what_nobody_else_here_wants_is_forwarded_at_once(ttl, left):
    scene, announcer, one, other = stage(0, 2)
    announcer.announce(b"ab", ttl)
    heard = one.news()
    assert heard == other.news() == PeerNotification(left, heard.id, TYPE, b"ab")
    assert heard.pack()[:6] == bytes([0, 12, 1, 255, left, 0]) and scene.count(WAITING) == 0
    assert scene.event("generated:").startswith(f"generated:message:{heard.id}:{TYPE}:")


def test_what_another_client_wants_is_forwarded_after_its_validation():
    scene, announcer, subscriber, one, other = stage(1, 2)
    announcer.announce(b"waits", 4)
    told = subscriber.told()
    assert hear_next([one, other], announcer) and scene.count(WAITING) == 1
    subscriber.send(bytes.fromhex("000801f7") + told.id.to_bytes(2, "big") + b"\xff\xff")
    assert one.news().ttl == other.news().ttl == 3 and scene.count(WAITING) == 0


def test_what_is_not_valid_goes_no_further():
    scene, announcer, subscriber, one, other = stage(1, 2)
    announcer.announce()
    other.bring(b"from afar")
    for told in (subscriber.told(), subscriber.told()):
        subscriber.say(Validation(told.id, 0xFFFE))  # of whose bits the lowest counts
        subscriber.validate(told)  # too late
    scene.run(0.1)
    assert scene.count(NOT_WAITING) == 2 and hear_next([one, other], announcer)


def test_news_go_to_none_of_those_that_brought_a_copy():
    scene, announcer, subscriber, one, two, three, four = stage(1, 4)
    one.bring()
    told = subscriber.told()
    two.bring()
    scene.run(0.1)
    assert scene.count(OLD) == 1
    subscriber.validate(told)
    assert [end.news() for end in (three, four)] == [PeerNotification(4, 7, TYPE, b"news")] * 2
    assert hear_next([one, two, three, four], announcer)


@pytest.mark.parametrize("ttls, relayed", [
    ((3, 7), 6), ((7, 3), 6), ((1, 255), 255), ((255,), 255), ((1,), 0), ((0,), None)])
def test_a_copy_with_a_higher_ttl_raises_it_while_it_waits(ttls, relayed):
    scene, announcer, subscriber, peer = stage()
    for ttl in ttls:
        scene.neighbour().bring(ttl=ttl)
        scene.run(0.01)
    subscriber.validate(subscriber.told())
    if relayed is not None:
        assert peer.news() == PeerNotification(relayed, 7, TYPE, b"news")
    assert hear_next([peer], announcer)


@pytest.mark.parametrize("is_wanted", [True, False])
@pytest.mark.parametrize("size", [LONGEST_SPREAD, LONGEST_SPREAD + 1, LONGEST_ANNOUNCED])
def test_what_does_not_fit_into_511_is_told_here_and_not_forwarded(size, is_wanted):
    scene, announcer, subscriber, peer = stage(int(is_wanted) or 1)
    if not is_wanted:
        subscriber.hang_up()
        scene.run(0.1)
    announcer.announce(b"x" * size)
    if is_wanted:
        told = subscriber.told()
        assert told.data == b"x" * size
        subscriber.validate(told)
    if size == LONGEST_SPREAD:
        assert len(peer.news().data) == size
        assert scene.events("too long:") == []
    else:
        assert hear_next([peer], announcer)
        assert scene.events("too long:") == [
            f"too long:{size} bytes of type {TYPE}, which peers cannot be sent"]


# What is old.

def test_a_message_is_remembered_for_a_while():
    scene, _, subscriber, peer = stage(memory=10.0)
    peer.bring()
    subscriber.validate(subscriber.told(), False)
    scene.run(9.5)
    peer.bring()
    assert subscriber.hear(0.4) is None
    scene.run(0.2)
    peer.bring()
    assert subscriber.told().data == b"news"


def test_the_same_data_announced_again_is_a_new_message():
    _, announcer, subscriber, peer = stage()
    for _ in range(3):
        announcer.announce(b"again")
    told = [subscriber.told() for _ in range(3)]
    assert {one.data for one in told} == {b"again"} and len({one.id for one in told}) == 3
    for one in told:
        subscriber.validate(one)
    heard = [peer.news() for _ in range(3)]
    assert {one.data for one in heard} == {b"again"} and len({one.id for one in heard}) == 3


def test_the_same_data_can_be_announced_more_often_than_there_are_ids():
    scene, announcer, subscriber = stage(1, 0)
    digest = hashlib.sha256(b"again").digest()
    for number in range(65_536):
        scene.node.memory.add(Item(number, TYPE, digest), scene.now)
    announcer.say(*[Announce(0, TYPE, b"again")] * 400)
    told = subscriber.hear_all(0.1)
    assert len(told) == 400 and {one.data for one in told} == {b"again"}
    assert scene.count(TOO_OFTEN) == 400


# Sending.

def test_each_notification_goes_out_by_itself_up_to_100_a_second(monkeypatch):
    scene, announcer, subscriber = stage(1, 0)
    [link] = scene.node.subscribers(TYPE)
    sent, send = [], link.connection.send
    monkeypatch.setattr(link.connection, "send",
                        lambda data: sent.append(bytes(data)) or send(data))
    announcer.say(*[Announce(0, TYPE, b"%d" % number) for number in range(1_000)])
    scene.run(0.1)
    told = subscriber.hear_all(0.1)
    assert [int(one.data) for one in told] == list(range(1_000))
    assert sent[:100] == [one.pack() for one in told[:100]] and len(sent) < 120
    assert b"".join(sent) == b"".join(one.pack() for one in told)
