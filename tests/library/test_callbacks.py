"""Callbacks: in a thread of their own, one at a time; what they do wrong stops nothing."""

import logging
import threading

import pytest

import gossip
from tests.tools.waiting import wait_until


@pytest.fixture
def net():
    with gossip.network(3) as running:
        yield running


def join(net, **arguments):
    return gossip.join(seeds=net.seeds.addresses, liveness_interval=0.5, probe_limit=1.0,
                       **arguments)


def test_messages_neighbours_and_deaths_come_in_one_thread(net):
    calls = []

    def note(what):
        return lambda about: calls.append((what, about, threading.current_thread().name))

    with join(net, on_message=note("message"), on_neighbour=note("neighbour"),
              on_death=note("death")) as peer:
        wait_until(lambda: any(what == "neighbour" for what, *_ in calls))
        net[0].say("hello")
        wait_until(lambda: any(what == "message" for what, *_ in calls))
        dead = peer.neighbours[0]
        net.kill([one.address for one in net].index(dead))
        wait_until(lambda: ("death", dead, f"callbacks {peer.address}") in calls)
        with pytest.raises(RuntimeError, match="on_message"):
            peer.next()
    assert {thread for *_, thread in calls} == {f"callbacks {peer.address}"}
    assert [about.text for what, about, _ in calls if what == "message"] == ["hello"]
    assert [about for what, about, _ in calls if what == "death"] == [dead]


def test_a_callback_that_raises_is_logged_and_the_next_is_made(net, caplog):
    taken = []

    def fail(message):
        taken.append(message.text)
        raise LookupError("this is a test")

    with caplog.at_level(logging.ERROR, "gossip"), join(net, on_message=fail):
        net[0].say("one")
        net[0].say("two")
        wait_until(lambda: sorted(taken) == ["one", "two"])
    assert [record.exc_info[0] for record in caplog.records] == [LookupError] * 2


def test_a_callback_that_says_something_is_heard(net):
    with join(net, on_message=lambda message: message.text == "ping" and peer.say("pong")) as peer:
        net[0].say("ping")
        wait_until(lambda: net[1].next(30).text == "pong")


def test_a_callback_that_blocks_holds_up_nobody_else(net):
    begun, go = threading.Event(), threading.Event()

    def block(message):
        begun.set()
        go.wait(30)

    with join(net, on_message=block) as peer:
        net[0].say("block")
        assert begun.wait(30)
        peer.say("meanwhile")
        wait_until(lambda: net[1].next(30).text == "meanwhile")
        assert peer.neighbours
        go.set()


def test_a_callback_may_leave_and_close_makes_no_call_any_more(net):
    left, taken, go = threading.Event(), [], threading.Event()

    def leave(message):
        peer.leave()
        left.set()

    peer = join(net, on_message=leave)
    net[0].say("leave")
    assert left.wait(30)
    with join(net, on_message=lambda message: taken.append(go.wait(30))) as other:
        net[0].say("one")
        net[0].say("two")
        wait_until(lambda: other.status()["messages held"] == 3)
        threading.Timer(0.05, go.set).start()
        other.close()
    assert len(taken) <= 1
