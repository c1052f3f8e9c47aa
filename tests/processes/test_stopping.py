"""Nodes in threads that stop at any moment: nothing of them is left, and nobody waits for long."""

import os
import socket
import statistics
import threading
import time

import pytest

from grapevine.peer import Peer
from grapevine.seed import Seed
from tests.processes.nodes import resources, returns_to
from tests.tools.programs import DEADLINE, link_all, silent_port, wait_until

pytestmark = pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts descriptors")

SYN_SENT = b"\2"  # of Linux: the state of a socket that dials


def test_25_small_networks_that_start_and_stop_leave_no_thread_and_no_descriptor(nodes):
    before, seconds = resources(), []
    for at in range(25):
        nodes.start(Seed)
        peers = [nodes.start(Peer, gossip_count=100, gossip_interval=0.01) for _ in range(3)]
        if at % 5 == 0:
            link_all(peers)  # the others stop while they join
        begun = time.monotonic()
        assert all(nodes.end())
        seconds.append(time.monotonic() - begun)
    assert statistics.median(seconds) < 1.0  # a busy machine may delay some
    returns_to(before)
    assert not any(":failed:" in path.read_text() for path in peers[0].path.parent.iterdir())


def test_a_node_may_be_ended_twice_and_by_five_threads_at_once(nodes):
    peer, results = nodes.start(Peer), []

    def end() -> None:
        results.append(peer.world.end("by a thread", DEADLINE))

    threads = [threading.Thread(target=end) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE)
    assert results == [True] * 5 and peer.world.end("again", DEADLINE)
    assert peer.events("stopped:") == ["stopped:by a thread"]


def test_a_node_may_be_ended_by_one_of_its_own_calls(nodes):
    peer = nodes.start(Peer)
    peer.later(lambda: peer.node.stop("by itself"))
    peer.event("stopped:by itself")
    assert peer.world.over.wait(DEADLINE) and peer.world.end("again", DEADLINE)


def test_a_dial_that_hangs_does_not_delay_the_end_of_its_node(nodes, monkeypatch):
    for limit in "grapevine.node.CONNECT", "grapevine.peer.ANSWER_TIME":
        monkeypatch.setattr(limit, 60.0)

    def state(link) -> bytes:
        sock = link.connection.sock
        return sock and sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)

    with silent_port(nodes.seeds[0].port):
        peer = nodes.start(Peer)

        def is_dialling() -> bool:
            with peer.world.lock:  # else a link may have no connection yet
                return SYN_SENT in map(state, peer.node.links)

        wait_until(is_dialling)
        assert peer.world.end("while it dials", DEADLINE)


def test_a_node_with_sixty_mebibytes_to_send_to_who_reads_nothing_ends(nodes):
    before = resources()
    with socket.create_server(("127.0.0.1", nodes.seeds[0].port)) as seed:
        peer = nodes.start(Peer)
        connection, _ = seed.accept()
        with connection:
            connection.sendall(b"registered successfully\n")
            peer.event("registered:")
            with peer.world.lock:
                [link] = peer.node.registrations.links()
                link.limit = 1 << 30
                link.send(b"x" * (60 << 20))
                assert len(link.waiting) > 50 << 20
            assert peer.world.end("enough", DEADLINE)
    returns_to(before)
