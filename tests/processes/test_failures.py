"""Errors in the code of a node, planted in each kind of thread: they show, and cost little."""

import socket
import threading

import pytest

from grapevine.peer import Peer
from grapevine.seed import Seed
from grapevine.worlds import Calls, sockets
from tests.processes.nodes import link_of_stranger
from tests.tools.programs import DEADLINE, Network, link_all, wait_until

PLANTED = "ZeroDivisionError('planted') in planted, test_failures.py:"


def fails_once(real, thread: str = ""):
    """Return a function that fails when it is called first, or first in a thread of this name."""
    left = [True]

    def planted(*arguments):
        if thread in ("", threading.current_thread().name) and left and left.pop():
            raise ZeroDivisionError("planted")
        return real(*arguments)
    return planted


def with_fault(method: str):
    """Return a kind of peer of which a method fails once."""
    return type("Faulty", (Peer,), {method: fails_once(getattr(Peer, method))})


@pytest.mark.parametrize("thread, method", [
    ("liveness", "check_liveness"), ("gossip generator", "generate"),
    ("membership", "look_after_links"), ("anti-entropy", "compare_with_somebody")])
def test_a_duty_that_fails_is_written_down_and_done_again(nodes, thread, method):
    nodes.start(Seed)
    peers = [nodes.start(kind, gossip_count=3, gossip_interval=0.1)
             for kind in (with_fault(method), Peer)]
    peers[0].event(f"failed:{thread}: {PLANTED}")
    link_all(peers)
    peers[0].event("liveness reply:")
    for peer in peers:
        peer.has("generated:", 3)
        peer.has("received:", 3)
    assert len(peers[0].events("failed:")) == 1


@pytest.mark.parametrize("method", [
    "register", "on_registered", "on_peer_list", "on_liveness_reply", "neighbour_ended"])
def test_an_error_in_a_call_for_a_link_ends_this_link_and_the_peer_joins_all_the_same(
        nodes, method):
    nodes.start(Seed)
    faulty, *others = peers = [nodes.start(kind) for kind in (with_fault(method), Peer, Peer)]
    link_all(peers)
    if method == "neighbour_ended":
        with others[0].world.lock:
            others[0].node.neighbours.link(faulty.address).close("by the test")
    assert PLANTED in faulty.event("failed:")
    wait_until(lambda: all(len(peer.node.neighbours.links) == 2 for peer in peers))
    with faulty.world.lock:
        faulty.node.originate(["hello"])
    for peer in others:
        peer.event("received:")
    ended = faulty.events("unregistered:") + faulty.events("disconnected:")
    assert method == "neighbour_ended" or any(":failed" in event for event in ended)
    assert len(faulty.events("failed:")) == 1


def test_an_error_while_a_connection_is_accepted_ends_it(nodes):
    peer = nodes.start(with_fault("accepted"))
    with nodes.stranger(peer) as first, nodes.stranger(peer) as second:
        peer.event(f"failed:listener: {PLANTED}")
        assert first.recv(1) == b""
        second.sendall(b"Liveness Request:1700000000.000000:127.0.0.1:9\n")
        assert second.recv(100).startswith(b"Liveness Reply:")


def test_an_error_while_a_link_is_flushed_ends_this_link(nodes):
    peer = nodes.start(Peer)
    with nodes.stranger(peer) as stranger:
        link = link_of_stranger(peer)
        with peer.world.lock:
            link.flush = fails_once(link.flush)
            link.limit = 1 << 30
            link.send(bytes(30 << 20))
        while stranger.recv(1 << 20):
            pass
    peer.event(f"failed:writer: {PLANTED}")
    with peer.world.lock:
        assert link.closed == "failed" and not peer.node.stopping


# The code of threads.py itself: half a node would be worse than none.

def poke_listener(nodes, peer):
    nodes.stranger(peer).close()


def poke_timer(nodes, peer):
    peer.later(lambda: None)


def poke_writer(nodes, peer):
    with peer.world.lock:
        link_of_stranger(peer).connection.blocked()


@pytest.mark.parametrize("thread, where, name, poke", [
    ("listener", socket.socket, "accept", poke_listener),
    ("reader", socket.socket, "recv", poke_listener),
    ("timer", Calls, "due", poke_timer),
    ("writer", sockets, "Selector", poke_writer)])
def test_an_error_of_a_thread_itself_stops_the_node(nodes, monkeypatch, thread, where, name, poke):
    peer = nodes.start(Peer)
    with nodes.stranger(peer) as stranger:
        link = link_of_stranger(peer)
        stranger.sendall(b"half a line")
        wait_until(lambda: link.rest)
        monkeypatch.setattr(where, name, fails_once(getattr(where, name), thread))
        poke(nodes, peer)
        peer.event(f"failed:{thread}: {PLANTED}")
        peer.event("stopped:failed")
        assert socket.socket.recv(stranger, 1) == b""
    assert peer.world.over.wait(DEADLINE) and peer.world.has_failed
    assert nodes.end() == [True]


BREAK_ACCEPT = """
import runpy, socket, sys
real, port = socket.socket.accept, int(sys.argv[1])
def accept(sock):
    if sock.getsockname()[1] == port:
        raise ZeroDivisionError("planted")
    return real(sock)
socket.socket.accept = accept
del sys.argv[:2]
sys.path.insert(0, sys.argv[0].rpartition("/")[0])
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.parametrize("at", [0, 2])
def test_seeds_of_one_process_end_with_exit_code_1_when_one_of_them_fails(tmp_path, at):
    with Network(tmp_path, seeds=3) as network:
        port = network.seed_addresses[at].rpartition(":")[2]
        network.wrapper = ["-c", BREAK_ACCEPT, port]
        program = network.start("runner.py", "--quiet")
        network.seeds[at].event("failed:listener: ZeroDivisionError('planted')")
        assert program.code() == 1
        assert [seed.event("stopped:") for seed in network.seeds] == [
            "stopped:failed" if seed is network.seeds[at] else "stopped:interrupted"
            for seed in network.seeds]
