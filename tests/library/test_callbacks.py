"""Callbacks: in a thread of their own, one at a time; what they do wrong stops nothing."""

import logging
import threading

import pytest

import gossip
from gossip.library import peer as library_peer
from gossip.library.messages import Inbox, Subscriber
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


OWN, A, B, C = (f"127.0.0.1:{port}" for port in (5000, 5001, 5002, 5003))


def subscriber(*, on_message=None, on_death=None, wanted=2):
    """A subscriber of which no thread makes calls."""
    return Subscriber(OWN, Inbox(100, False), wanted, on_message, None, on_death)


def test_calls_that_wait_do_not_grow_while_a_message_comes_during_each_call():
    def hear(message):
        if len(taken) < 100:
            told.show("", f"received:{A}:", f"gmessage:1.000000:{A}:1:{len(taken) + 2}:text")
        taken.append(message.number)
        waiting.append(told._calls.qsize())

    taken, waiting, told = [], [], subscriber(on_message=hear)
    told.show("", f"received:{A}:", f"gmessage:1.000000:{A}:1:1:text")
    while not told._calls.empty():
        told._calls.get()()
    assert taken == [*range(1, 102)] and max(waiting) <= 2


def test_a_majority_lists_a_peer_only_if_all_of_it_does_so_at_once():
    told = subscriber()
    for events, joined in ((f"registered:{A}", False), (f"unregistered:{A}:silent", False),
                           (f"registered:{B}", False), (f"registered:{C}", True)):
        told.show("", "", events)
        assert told.joined.is_set() is joined


def test_who_was_started_again_elsewhere_may_die_again(monkeypatch):
    deaths, clock = [], [100.0]
    monkeypatch.setattr("gossip.library.messages.time.monotonic", lambda: clock[0])
    told = subscriber(on_death=deaths.append)
    for at in (100.0, 101.0, 300.0):
        clock[0] = at
        told.show("", "", f"told:{A}:Dead Node:{B}:1.000000:{C}")
    while not told._calls.empty():
        told._calls.get()()
    assert deaths == [B, B]


def test_who_leaves_before_its_callback_had_all_is_told(net, caplog, monkeypatch):
    monkeypatch.setattr(library_peer, "CALLS_LIMIT", 0.2)
    blocked = threading.Event()
    peer = join(net, on_message=lambda message: blocked.wait(60))
    for text in ("one", "two", "three"):
        net[0].say(text)
    wait_until(lambda: peer.status()["messages held"] == 3)
    peer.leave()
    blocked.set()
    assert f"{peer.address} left before on_message had 2 messages" in caplog.text
