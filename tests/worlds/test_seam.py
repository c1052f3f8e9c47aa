"""The seam between a node and its world (grapevine/worlds/__init__.py), the same in all worlds:
bytes, ends and calls; test_dials.py has the dials."""

import contextlib
import errno
import math
import socket
import struct
import threading
import time

import pytest

from grapevine.addresses import address_of
from grapevine.worlds import sockets, threads
from tests.worlds.stages import LoopStage, ThreadStage


# Bytes.

def test_what_is_sent_in_the_call_that_tells_that_a_dial_is_up_arrives_also_if_it_is_much(stage):
    node, other = stage.node(), stage.node()
    much = b"x" * 3_000_000

    def send(link, detail):
        link.limit = len(much)
        link.send(much)

    node.acts["up"] = send
    node.dial(stage.address(other))
    assert stage.passes(lambda: other.links and other.size(other.links[0]) == len(much))


def test_bytes_of_a_connection_that_is_closed_before_they_are_read_are_told_to_nobody(stage, pair):
    others = [pair.a.dial(stage.address(pair.b)) for _ in range(20)]
    assert stage.passes(lambda: len(pair.b.links) == pair.a.words().count("up") == 21)

    def close_all(link, data):
        for each in list(pair.b.links):
            each.close("enough")

    pair.b.acts["took"] = close_all
    for link in others:
        pair.a.send(link, b"hello")
    assert stage.passes(lambda: not pair.b.links and not pair.a.links)
    assert pair.b.words().count("took") == 1


@pytest.mark.parametrize("is_small, count", [(True, 500_000), (False, 2_000_000)])
def test_much_data_passes_buffers_in_order_and_in_both_directions(stage, pair, is_small, count):
    if is_small:
        stage.shrink(pair.here, pair.there)
    sent = b"".join([b"%8d" % number for number in range(count)])
    pair.a.send(pair.here, sent)
    pair.b.send(pair.there, sent)
    assert stage.passes(lambda: not pair.here.waiting and not pair.there.waiting)
    assert pair.here.taken_at and pair.there.taken_at, "some of it had to wait"
    assert stage.passes(lambda: pair.b.size(pair.there) == pair.a.size(pair.here) == len(sent))
    assert pair.b.heard(pair.there) == pair.a.heard(pair.here) == sent


@pytest.mark.parametrize("stage", [ThreadStage], indirect=True)
@pytest.mark.parametrize("wait, seems_to_have_room", [(5.0, False), (0.1, True)])
def test_a_send_waits_for_no_room_on_a_system_on_which_it_cannot_be_told_so(
        stage, monkeypatch, wait, seems_to_have_room):
    monkeypatch.setattr(sockets, "DONT_WAIT", 0)
    monkeypatch.setattr(threads.ThreadWorld, "READ_WAIT", wait)
    node = stage.node()
    with socket.create_server(("127.0.0.1", 0)) as server:
        link = node.dial(address_of(*server.getsockname()))
        assert stage.passes(lambda: node.of(link) == ["up"])
        with link.connection.sock.dup() as other, contextlib.suppress(BlockingIOError):
            other.setblocking(False)
            while True:
                other.send(bytes(1 << 20))
        if seems_to_have_room:  # which goes before it is taken
            monkeypatch.setattr(sockets, "has_room", lambda sock: True)
        begun = time.monotonic()
        with node.lock:
            assert link.connection.send(b"more") == 0 and link.takes()
        assert time.monotonic() - begun < 4.0


@pytest.mark.parametrize("stage", [ThreadStage, LoopStage], indirect=True)
def test_small_messages_are_sent_without_waiting_for_more(pair):
    assert all(link.connection.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
               for link in (pair.here, pair.there))


@pytest.mark.parametrize("stage", [ThreadStage], indirect=True)
def test_the_writer_passes_over_a_closed_descriptor_whose_end_is_not_told_yet(stage, pair):
    with pair.b.lock:
        pair.there.limit = math.inf
        pair.there.send(bytes(50_000_000))
        pair.there.connection.drop()
    assert pair.there.waiting and not stage.passes(lambda: pair.b.stopping, 0.1)


@pytest.mark.parametrize("stage", [ThreadStage, LoopStage], indirect=True)
@pytest.mark.parametrize("flag", {sockets.DONT_WAIT, 0})
def test_what_is_sent_before_the_end_of_a_closed_descriptor_is_told_is_lost(pair, monkeypatch,
                                                                            flag):
    monkeypatch.setattr(sockets, "DONT_WAIT", flag)
    with pair.b.lock:
        pair.there.connection.drop()
        pair.there.send(b"too late")
        assert not pair.there.waiting and not pair.there.takes()


def test_what_was_taken_before_a_close_still_arrives_and_nothing_after_it(stage, pair):
    with pair.a.lock:
        pair.here.send(b"x" * 5_000)
        pair.here.close("over")
        pair.here.send(b"too late")
    assert stage.passes(lambda: not pair.b.links)
    assert pair.b.heard(pair.there) == b"x" * 5_000
    assert pair.b.of(pair.there) == ["accepted", "took", "ended"]


def test_a_link_that_is_held_is_not_read_until_it_is_resumed_and_others_are(stage, pair):
    other = pair.a.dial(stage.address(pair.b))
    assert stage.passes(lambda: len(pair.b.links) == 2)
    there, read = pair.b.links
    with pair.b.lock:
        there.is_held = True
    pair.a.send(pair.here, b"first")
    pair.a.send(other, b"second")
    assert stage.passes(lambda: pair.b.heard(read))
    assert not stage.passes(lambda: pair.b.heard(there), 0.2)
    pair.b.resume(there)
    assert stage.passes(lambda: pair.b.heard(there) == b"first")


# Ends.

def test_the_other_ends_end_of_a_link_that_is_held_waits_behind_what_it_had_sent(stage, pair):
    pair.b.acts["took"] = lambda link, data: setattr(link, "is_held", True)
    pair.a.send(pair.here, b"last words")
    assert stage.passes(lambda: pair.b.heard(pair.there))
    pair.a.close(pair.here)
    assert not stage.passes(lambda: not pair.b.links, 0.2)
    pair.b.resume(pair.there)
    assert stage.passes(lambda: not pair.b.links)
    assert pair.b.of(pair.there) == ["accepted", "took", "ended"]


@pytest.mark.parametrize("stage", [ThreadStage], indirect=True)
def test_an_end_that_is_read_in_a_call_that_holds_the_link_again_waits_too(stage, pair):
    with pair.b.lock:
        pair.a.close(pair.here)
        assert not stage.passes(lambda: not pair.b.links, 0.1)
        pair.there.is_held = True
    assert not stage.passes(lambda: not pair.b.links, 0.2)
    pair.b.resume(pair.there)
    assert stage.passes(lambda: not pair.b.links)


@pytest.mark.parametrize("stage", [ThreadStage, LoopStage], indirect=True)
def test_a_reset_of_a_link_that_is_held_waits_behind_what_came_before(stage):
    node = stage.node()
    node.acts["took"] = lambda link, data: setattr(link, "is_held", True)
    with socket.create_connection(("127.0.0.1", stage.address(node).port)) as other:
        other.sendall(b"last words")
        assert stage.passes(lambda: "took" in node.words())
        other.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    [link] = node.links
    assert not stage.passes(lambda: not node.links, 0.2)
    node.resume(link)
    assert stage.passes(lambda: not node.links)
    assert isinstance(node.error(link), ConnectionResetError)


@pytest.mark.parametrize("stage", [ThreadStage, LoopStage], indirect=True)
def test_a_link_whose_other_end_acknowledges_nothing_ends_with_an_error(stage, monkeypatch):
    def time_out(sock, size):
        raise TimeoutError(errno.ETIMEDOUT, "Connection timed out")

    monkeypatch.setattr(socket.socket, "recv", time_out)
    node = stage.node()
    with socket.create_connection(("127.0.0.1", stage.address(node).port)) as other:
        other.send(b"hello")
        assert stage.passes(lambda: node.told and not node.links, 2.0)
    assert node.error(node.told[0][1]).errno == errno.ETIMEDOUT


def test_a_link_that_is_held_ends_as_soon_as_it_is_closed(stage, pair):
    with pair.b.lock:
        pair.there.is_held = True
    pair.a.send(pair.here, b"hello")
    assert not stage.passes(lambda: pair.b.heard(pair.there), 0.1)
    pair.b.close(pair.there)
    assert stage.passes(lambda: not pair.b.links)
    assert pair.b.of(pair.there) == ["accepted", "ended"]


def test_an_accepted_link_may_be_closed_in_the_call_that_accepts_it(stage):
    node, other = stage.node(), stage.node()
    other.acts["accepted"] = lambda link, detail: link.close("no, thanks")
    link = node.dial(stage.address(other))
    assert stage.passes(lambda: node.told and not node.links and not other.links)
    assert other.words() == ["accepted", "ended"] and node.of(link)[-1] == "ended"


@pytest.mark.parametrize("stage", [ThreadStage, LoopStage], indirect=True)
def test_a_node_that_fails_to_accept_a_link_that_it_has_closed_goes_on(stage):
    node, other = stage.node(), stage.node()
    other.acts["accepted"] = lambda link, detail: link.close("no, thanks") or 1 / 0
    node.dial(stage.address(other))
    assert stage.passes(lambda: node.told and not node.links)
    assert "ZeroDivisionError" in other.output.lines.pop() and not other.output.lines


@pytest.mark.parametrize("stage", [ThreadStage, LoopStage], indirect=True)
@pytest.mark.parametrize("where, name, error", [
    (socket.socket, "accept", ConnectionAbortedError()), (sockets, "send_at_once", OSError())])
def test_a_connection_that_breaks_while_it_is_accepted_has_no_other_wait(stage, monkeypatch, where,
                                                                         name, error):
    def fail_once(*_, before=getattr(where, name)):
        monkeypatch.setattr(where, name, before)
        raise error

    monkeypatch.setattr(sockets, "REST", 60.0)
    monkeypatch.setattr(where, name, fail_once)
    node = stage.node()
    address = "127.0.0.1", stage.address(node).port
    with socket.create_connection(address), socket.create_connection(address):
        assert stage.passes(lambda: node.links, 5.0)


def test_links_may_follow_one_another_and_leave_nothing_behind(stage):
    node, other = stage.node(), stage.node()
    for _ in range(3):  # the next one may have the same descriptor
        link = node.dial(stage.address(other))
        assert stage.passes(lambda: node.of(link) == ["up"] and other.links)
        node.send(link, b"hello")
        assert stage.passes(lambda: other.heard(other.links[0]))
        node.close(link)
        assert stage.passes(lambda: not node.links and not other.links)


def test_a_link_to_a_node_that_stops_ends_and_what_it_had_sent_has_come(stage, pair):
    pair.b.send(pair.there, b"last words")
    pair.b.quit()
    assert stage.passes(lambda: not pair.a.links)
    assert pair.a.of(pair.here) == ["up", "took", "ended"]
    assert pair.a.heard(pair.here) == b"last words"


# Calls.

def test_calls_are_made_in_the_order_of_their_times(stage, monkeypatch):
    node = stage.node()
    with node.lock, monkeypatch.context() as clock:
        clock.setattr(node.world, "now", lambda now=node.world.now(): now)
        for seconds in (0.2, 0.1, 0.0, 0.1, 0.2, -1.0):
            node.world.later(seconds, node.note, f"after {seconds}")
    assert stage.passes(lambda: len(node.told) == 6)
    assert node.words() == ["after -1.0", "after 0.0", "after 0.1", "after 0.1", "after 0.2",
                            "after 0.2"]


def test_a_call_that_is_due_sooner_than_all_others_is_made_in_time(stage):
    node = stage.node()
    for thread in ("timer", "another"):
        node.later(60.0, "much later", thread)
        assert not stage.passes(lambda: thread in node.words(), 0.1)
        node.later(0.1, thread, thread)
        assert stage.passes(lambda: thread in node.words())
    assert node.words() == ["timer", "another"]


@pytest.mark.parametrize("error", [RuntimeError("can't start new thread"), MemoryError()])
@pytest.mark.parametrize("stage", [ThreadStage], indirect=True)
def test_a_call_for_which_no_thread_was_left_may_be_asked_for_again(stage, monkeypatch, error):
    def fail(thread):
        raise error

    node = stage.node()
    with monkeypatch.context() as shortage, pytest.raises(OSError):
        shortage.setattr(threading.Thread, "start", fail)
        node.later(0.0, "call", "another")
    node.later(0.0, "call", "another")
    assert stage.passes(lambda: node.words() == ["call"])


def test_a_call_may_add_one_that_is_due_at_once_which_comes_behind_all_that_are_due(stage):
    node = stage.node()
    node.acts["first"] = lambda *_: node.world.later(0.0, node.note, "added")
    with node.lock:
        for what in ("first", "second", "third"):
            node.world.later(0.0, node.note, what)
    assert stage.passes(lambda: len(node.told) == 4)
    assert node.words() == ["first", "second", "third", "added"]


def test_a_stop_ends_every_link_and_call_and_nobody_can_connect_any_more(stage, pair):
    waiting = pair.b.dial(stage.silent(), 60.0)
    out = pair.b.dial(stage.address(pair.a))
    assert stage.passes(lambda: len(pair.a.links) == 2 and pair.b.of(out) == ["up"])
    with pair.b.lock:
        pair.b.world.later(0.1, pair.b.note, "too late")
        pair.b.stop("quit")
    assert stage.passes(lambda: not pair.a.links)
    again = pair.a.dial(stage.address(pair.b))
    assert stage.passes(lambda: pair.a.of(again) == ["ended"])
    assert not stage.passes(lambda: False, 0.2)  # Recorder fails at a call after the stop
    assert pair.b.of(waiting) == [] and "too late" not in pair.b.words()
