"""What a client of a gossip module is told that comes just after the news."""

import pytest

from grapevine.voidphone.messages import Notify
from grapevine.voidphone.relay import OLD
from tests.tools.voidphone import TYPE, hear_next, stage


@pytest.mark.parametrize("is_from_afar", [False, True])
def test_who_comes_while_news_wait_is_told_once_and_may_validate(is_from_afar):
    scene, announcer, subscriber, peer, other = stage(1, 2)
    if is_from_afar:
        other.bring()
    else:
        announcer.announce()
    told = subscriber.told()
    newcomers = [scene.client(TYPE, TYPE) for _ in range(20)]
    assert {end.told() for end in newcomers} == {told}
    newcomers[7].validate(told)
    assert peer.news().data == b"news"
    subscriber.announce(b"next")
    assert {end.told().data for end in newcomers} == {b"next"}


def test_who_comes_just_after_an_announcement_that_nobody_wanted_is_told():
    scene, announcer, peer = stage(0)
    for number in range(250):
        announcer.announce(b"%d" % number)
    assert [peer.news().data for _ in range(250)] == [b"%d" % n for n in range(250)]
    newcomers = [scene.client(TYPE) for _ in range(2)]
    for end in newcomers:
        told = [end.told() for _ in range(250)]
        assert [int(one.data) for one in told] == list(range(250))
        end.validate(told[0])
    announcer.say(Notify(TYPE))
    newcomers[0].announce(b"next")
    assert announcer.told().data == newcomers[1].told().data == b"next"
    assert hear_next([peer], announcer), "it has been forwarded already"


@pytest.mark.parametrize("is_valid", [True, False])
def test_who_comes_just_after_the_validation_is_told_of_what_is_valid(is_valid):
    scene, announcer, subscriber, peer, other = stage(1, 2)
    other.bring()
    told = subscriber.told()
    subscriber.validate(told, is_valid)
    scene.run(0.1)
    newcomer = scene.client(TYPE)
    if is_valid:
        assert newcomer.told() == told and peer.news().data == b"news"
    announcer.announce(b"next")
    assert newcomer.told().data == b"next"


def test_a_client_is_told_of_what_came_for_nobody_a_moment_before():
    scene, _, peer, other = stage(0, 2)
    for data, end in ((b"first", peer), (b"first", other), (b"second", peer)):
        end.bring(data)
        assert end.is_there()
    assert scene.events("received:") == [] and scene.count("messages forgotten too early") == 0
    client = scene.client(TYPE)
    told = [client.told() for _ in range(2)]
    assert [one.data for one in told] == [b"first", b"second"] and scene.count(OLD) == 1
    assert len(scene.events(f"received:{peer.machine.address}:")) == 2
    for one in told:
        client.validate(one)
    assert other.news().data == b"second", "of the first it has a copy"


def test_a_newcomer_is_told_as_fast_as_it_reads():
    scene, _, peer = stage(0, degree=2)
    for number in range(120):  # 7.2 MB that nobody wants
        peer.bring(b"%d" % number + bytes(60_000), number=number)
    scene.run(0.5)
    newcomer = scene.client()
    newcomer.stop_reading()
    newcomer.say(Notify(TYPE))
    scene.run(0.2)
    waiting = max(len(link.waiting) for link in scene.node.links)
    assert 1 << 20 < waiting < 2 << 20
    newcomer.read_on()
    told = newcomer.hear_all(1.0)
    assert [int(one.data.rstrip(b"\0")) for one in told] == list(range(120))


def test_a_newcomer_that_does_not_read_for_a_while_misses_what_is_gone_and_stays():
    scene, announcer = stage(0, 0)
    for number in range(120):
        announcer.announce(bytes(60_000))
    scene.run(0.3)
    newcomer = scene.client()
    newcomer.stop_reading()
    newcomer.say(Notify(TYPE))
    scene.run(9.0)
    calls, later = [], scene.node.later
    scene.node.later = lambda *call, **thread: (calls.append(call), later(*call, **thread))
    scene.run(1.0)
    assert len(calls) < 10, "it costs nothing when all is gone"
    announcer.announce(b"in time")
    newcomer.read_on()
    told = newcomer.hear_all(1.0)
    assert 17 < len(told) < 60 and told[-1].data == b"in time" and not newcomer.closed
