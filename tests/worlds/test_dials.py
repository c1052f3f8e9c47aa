"""The seam between a node and its world: how a dial is told, the same in all worlds."""

import socket
import sys
import threading

import pytest

from grapevine.addresses import address_of
from grapevine.worlds import loop, sockets, threads
from tests.worlds.stages import NOWHERE, LoopStage, ThreadStage


def test_a_dial_is_told_as_up_and_the_other_node_accepts_it_before_any_bytes(stage, pair):
    pair.a.send(pair.here, b"hello")
    assert stage.passes(lambda: pair.b.heard(pair.there))
    pair.b.send(pair.there, b"welcome")
    assert stage.passes(lambda: pair.a.heard(pair.here))
    pair.a.close(pair.here)
    assert stage.passes(lambda: not pair.a.links and not pair.b.links)
    assert pair.a.of(pair.here) == ["up", "took", "ended"]
    assert pair.b.of(pair.there) == ["accepted", "took", "ended"]
    assert pair.here.remote == stage.address(pair.b)
    assert pair.there.remote.ip == stage.address(pair.a).ip
    assert pair.a.error(pair.here) is pair.b.error(pair.there) is None


@pytest.mark.parametrize("where, kind", [
    (lambda stage: stage.refusing(), ConnectionRefusedError), (lambda stage: NOWHERE, OSError),
    (lambda stage: address_of("255.255.255.255", 7), OSError)],
    ids=["an address at which nobody listens", "a name that leads nowhere", "no address of a node"])
def test_a_dial_that_reaches_nobody_ends_with_an_error_and_nothing_else_is_told(stage, where, kind):
    node, links, target = stage.node(), [], where(stage)
    node.acts["call"] = lambda *_: links.append(node.dial_locked(target))
    node.later(0.0, "call")
    assert stage.passes(lambda: links and not node.links)
    [link] = links
    assert node.of(link) == ["ended"] and isinstance(node.error(link), kind)


def test_a_dial_of_an_address_that_never_answers_ends_with_an_error_in_time(stage):
    node = stage.node()
    begun = node.world.now()
    link = node.dial(stage.silent(), 0.3)
    assert stage.passes(lambda: node.told) and node.world.now() - begun >= 0.3
    assert node.of(link) == ["ended"] and isinstance(node.error(link), TimeoutError)
    assert link.remote is None


@pytest.mark.parametrize("stage", [ThreadStage, LoopStage], indirect=True)
def test_a_dial_that_has_connected_to_itself_has_reached_nobody(stage, monkeypatch):
    def socket_at_target(own, family) -> socket.socket:
        sock = socket.socket(family)
        sock.bind((target.ip, target.port))
        return sock

    target = stage.refusing()
    monkeypatch.setattr(sockets, "socket_from", socket_at_target)
    node = stage.node()
    link = node.dial(target)
    assert stage.passes(lambda: not node.links)
    assert node.of(link) == ["ended"] and isinstance(node.error(link), ConnectionRefusedError)


@pytest.mark.skipif(sys.platform != "linux", reason="others have no second loopback address")
def test_a_dial_comes_from_the_ip_that_its_node_announces():
    with sockets.socket_from(address_of("127.0.0.2", 7), socket.AF_INET) as sock:
        assert sock.getsockname()[0] == "127.0.0.2"


def test_a_dial_from_an_ip_that_is_not_here_leaves_no_socket_open():
    with pytest.raises(OSError):
        sockets.socket_from(address_of("192.0.2.1", 7), socket.AF_INET)


def test_the_address_of_a_connection_has_no_interface():
    assert sockets.remote_address(("fe80::1%lo", 7, 0, 1)) == address_of("fe80::1", 7)


def test_a_name_is_looked_up_when_it_is_dialled(stage):
    node, other = stage.node(), stage.node()
    link = node.dial(stage.name(other))
    assert stage.passes(lambda: "accepted" in other.words() and node.told)
    assert node.of(link) == ["up"] and link.remote == stage.address(other)


@pytest.mark.parametrize("where", ["silent", "refusing", "listening"])
def test_a_dial_that_is_closed_before_it_is_up_ends_soon_and_is_never_up(stage, where):
    node, other = stage.node(), stage.node()
    target = {"silent": stage.silent, "refusing": stage.refusing,
              "listening": lambda: stage.address(other)}[where]()
    with node.lock:
        links = [node.dial_locked(target, 60.0) for _ in range(20)]
        for link in links:
            link.close("changed its mind")
    assert stage.passes(lambda: not node.links)
    assert not stage.passes(lambda: "up" in node.words(), 0.1)
    assert all(node.of(link) == ["ended"] for link in links)
    assert stage.passes(lambda: not other.links)


@pytest.mark.parametrize("stage", [ThreadStage, LoopStage], indirect=True)
def test_a_dial_that_is_closed_while_its_name_is_looked_up_waits_for_nobody(stage, monkeypatch):
    silent, is_found = stage.silent(), threading.Event()
    for world in threads, loop:
        monkeypatch.setattr(world, "look_up", lambda *_: is_found.wait() and [silent])
    node = stage.node()
    link, late = node.dial(NOWHERE, 60.0), node.dial(NOWHERE, 0.0)
    node.close(link)
    assert stage.passes(lambda: link not in node.links)
    is_found.set()
    assert stage.passes(lambda: not node.links) and isinstance(node.error(late), TimeoutError)
    assert stage.passes(lambda: link.connection.sock and link.connection.sock.fileno() == -1)


def test_calls_and_bytes_come_in_time_while_a_dial_waits(stage, pair):
    waiting = pair.b.dial(stage.silent(), 60.0)
    pair.a.send(pair.here, b"hello")
    pair.b.later(0.1, "call")
    assert stage.passes(lambda: {"took", "call"} <= set(pair.b.words()))
    assert pair.b.of(waiting) == []


def test_a_dial_that_connects_while_its_node_is_busy_is_up_though_its_time_is_over(stage):
    node, other = stage.node(), stage.node()
    link = node.dial(stage.address(other), 0.2)
    stage.keep_busy(node, 0.4)
    assert stage.passes(lambda: node.told) and node.of(link) == ["up"]


def test_many_dials_at_once_are_all_accepted(stage):
    node, other = stage.node(), stage.node()
    links = [node.dial(stage.address(other)) for _ in range(200)]
    assert stage.passes(lambda: len(other.links) == 200 and len(node.words()) == 200)
    assert all(node.of(link) == ["up"] for link in links)
