"""Callbacks: in a thread of their own, one at a time; what they do wrong stops nothing."""

import logging
import threading
import time

import pytest

import grapevine
from grapevine.library import peer as library_peer
from tests.library.tools import running
from tests.tools.programs import wait_until


@pytest.fixture
def net():
    with grapevine.network(3) as running:
        yield running


def join(net, **arguments):
    return grapevine.join(seeds=net.seeds.addresses, liveness_interval=0.3, **arguments)


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


@pytest.mark.parametrize("error", [LookupError, SystemExit, KeyboardInterrupt])
def test_a_callback_that_raises_is_logged_and_the_next_is_made(net, caplog, error):
    taken = []

    def fail(message):
        taken.append(message.text)
        raise error("this is a test")

    with caplog.at_level(logging.ERROR, "grapevine"), join(net, on_message=fail):
        net[0].say("one")
        net[0].say("two")
        wait_until(lambda: sorted(taken) == ["one", "two"])
    assert [record.exc_info[0] for record in caplog.records] == [error] * 2


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
        with running(lambda: wait_until(lambda: not other.neighbours) and go.set()):
            other.close()
    assert len(taken) <= 1


def test_who_leaves_before_its_callback_had_all_is_told(net, caplog, monkeypatch):
    monkeypatch.setattr(library_peer, "CALLS_LIMIT", 0.2)
    blocked = threading.Event()
    peer = join(net, on_message=lambda message: blocked.wait(60))
    for text in ("one", "two", "three"):
        net[0].say(text)
    wait_until(lambda: (status := peer.status())["messages held"] == 3
               and status["messages not taken yet"] == 2)
    peer.leave()
    blocked.set()
    assert f"{peer.address} left before on_message had 2 messages" in caplog.text


def test_deaths_are_told_while_messages_keep_coming(net, monkeypatch):
    monkeypatch.setattr(library_peer, "CALLS_LIMIT", 0.1)
    deaths, stop = [], threading.Event()

    def talk():
        while not stop.wait(0.001):
            net[0].say("x")

    with join(net, on_message=lambda message: time.sleep(0.005), on_death=deaths.append) as peer:
        wait_until(lambda: net[1].address in peer.neighbours)
        with running(talk):
            net.kill(1)
            wait_until(lambda: deaths == [net[1].address])
            stop.set()
