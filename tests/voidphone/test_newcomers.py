"""Modules that subscribe a moment late: they are told of what waits, and of what came just now."""

import contextlib

import pytest

from gossip.voidphone import news
from gossip.voidphone.messages import Notify
from tests.tools.module_examples import push
from tests.tools.module_words import (
    TYPE, announce, heard, hears_next, news_from, nothing_waits, start, told, validate)
from tests.tools.waiting import wait_until


@pytest.fixture
def patient(monkeypatch):
    """What came a moment ago stays so for longer than a test takes."""
    monkeypatch.setattr(news, "KEPT_FOR", 600.0)


@pytest.mark.parametrize("from_afar", [False, True])
def test_who_comes_while_news_wait_is_told_once_and_may_validate(modules, from_afar):
    module = start(modules, patience=600.0)
    announcer, subscriber = modules.api(module, TYPE), modules.api(module, TYPE)
    peer, other = modules.neighbour(module), modules.neighbour(module)
    if from_afar:
        news_from(other)
    else:
        announce(announcer)
    notified = told(subscriber)
    newcomers = [modules.api(module, TYPE, TYPE) for _ in range(40)]
    assert {told(end) for end in newcomers} == {notified}
    validate(newcomers[7], notified)
    assert heard(peer).data == b"news"
    announce(subscriber, b"next")
    assert {told(end).data for end in newcomers} == {b"next"}


def test_who_comes_just_after_an_announcement_that_nobody_wanted_is_told(modules, patient):
    module = start(modules)
    announcer, peer = modules.api(module), modules.neighbour(module)
    for number in range(250):
        announce(announcer, b"%d" % number)
    assert [heard(peer).data for _ in range(250)] == [b"%d" % number for number in range(250)]
    newcomers = [modules.api(module, TYPE) for _ in range(2)]
    for end in newcomers:
        notified = [told(end) for _ in range(250)]
        assert [int(one.data) for one in notified] == list(range(250))
        assert len({one.id for one in notified}) == 250
        validate(end, notified[0])
    announcer.say(Notify(TYPE))
    announce(newcomers[0], b"next")
    assert told(announcer).data == told(newcomers[1]).data == b"next"
    assert hears_next([peer], announcer)  # it has gone on already


@pytest.mark.parametrize("valid", [True, False])
def test_who_comes_just_after_the_validation_is_told_of_what_is_valid(modules, patient, valid):
    module = start(modules)
    subscriber, announcer = modules.api(module, TYPE), modules.api(module)
    peer, other = modules.neighbour(module), modules.neighbour(module)
    news_from(other)
    notified = told(subscriber)
    validate(subscriber, notified, valid)
    nothing_waits(module)
    newcomer = modules.api(module, TYPE)
    if valid:
        assert told(newcomer) == notified
        validate(newcomer, notified)
        assert heard(peer).data == b"news"
    announce(announcer, b"next")
    assert told(newcomer).data == b"next"


def test_who_comes_later_is_not_told(modules, monkeypatch):
    monkeypatch.setattr(news, "KEPT_FOR", 0.0)
    module = start(modules)
    announcer, peer = modules.api(module), modules.neighbour(module)
    announce(announcer, b"too early")
    assert heard(peer).data == b"too early"
    newcomer = modules.api(module, TYPE)
    announce(announcer, b"in time")
    assert told(newcomer).data == b"in time"


@pytest.mark.parametrize("from_afar", [False, True])
@pytest.mark.parametrize("moment", ["before it waits", "while it waits"])
def test_who_subscribes_at_the_same_moment_is_told_once(modules, monkeypatch, from_afar, moment):
    module = start(modules)
    announcer, newcomer = modules.api(module), modules.api(module)
    subscriber, peer = modules.api(module, TYPE), modules.neighbour(module)
    add = module.relay.pending.add

    def add_and_subscribe(message, *rest):
        added = add(message, *rest) if moment == "while it waits" else None
        if message.data == b"just now":
            newcomer.say(Notify(TYPE))
            with contextlib.suppress(AssertionError):  # as long as it takes if it is not held back
                wait_until(lambda: module.status()["subscriptions"] == 2, 0.5)
        return added or add(message, *rest)
    monkeypatch.setattr(module.relay.pending, "add", add_and_subscribe)
    if from_afar:
        news_from(peer, b"just now")
    else:
        announce(announcer, b"just now")
    assert told(newcomer) == told(subscriber)
    announce(announcer, b"next")
    assert told(newcomer).data == b"next"


def let_wait(module, count):
    """So many news of 60 kB wait for a validation."""
    for number in range(count):
        module.relay.pending.add(push(number, bytes(60_000))._replace(data_type=TYPE),
                                 news.Item(number, TYPE, b"digest"), (), "nobody", float("inf"))


def test_a_newcomer_is_told_as_fast_as_it_reads(modules):
    module = start(modules)
    let_wait(module, 400)  # 24 MB
    newcomer = modules.api(module, TYPE)
    assert len({told(newcomer).id for _ in range(400)}) == 400


def test_a_newcomer_that_does_not_read_for_a_while_stays_connected(modules):
    """It is told of less; the rest would overflow its backlog."""
    module = start(modules)
    let_wait(module, 400)
    newcomer, announcer = modules.api(module), modules.api(module)
    newcomer.say(Notify(TYPE), Notify(TYPE + 1))  # the second one is handled after the telling
    wait_until(lambda: module.status()["subscriptions"] == 2)
    announce(announcer, b"in time")
    while told(newcomer).data != b"in time":
        pass
