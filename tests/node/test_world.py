"""A node can live in another world: a peer and a seed without a thread, a socket or a clock."""

import random
import socket
import threading

import pytest

from gossip.node.node import die_together
from gossip.node.output_file import OutputFile
from gossip.settings import Settings
from peer import Peer
from seed import Seed
from tests.tools.files import count, events, received
from tests.tools.heap_world import Heap, HeapWorld
from tests.tools.nets import neighbours
from tests.tools.ports import free_addresses


@pytest.fixture
def world(tmp_path, monkeypatch):
    """Makes nodes on a heap; a thread or a socket of theirs fails the test."""
    def none(*arguments, **words):
        raise AssertionError("no thread and no socket is to be had in this world")

    addresses = free_addresses(3)
    monkeypatch.setattr(threading.Thread, "start", none)
    monkeypatch.setattr(socket, "socket", none)
    heap, nodes = Heap(), []

    def start(kind, at, **settings):
        output = OutputFile(tmp_path / f"{kind.kind}_{at}.txt", heap.clock)
        node = kind(addresses[at], [addresses[0]], Settings(**settings), output,
                    lambda node: HeapWorld(heap, node), random.Random(at))
        node.start()
        nodes.append(node)
        return node

    yield heap, start
    for node in nodes:
        node.stop()


def test_a_seed_and_two_peers_register_link_gossip_and_find_a_death(world):
    heap, start = world
    seed = start(Seed, 0)
    one, other = start(Peer, 1), start(Peer, 2)
    heap.run(lambda: neighbours(one) == {other.address} and neighbours(other) == {one.address}, 5)
    assert set(seed.registry.addresses()) == {one.address, other.address}
    heap.run(lambda: len(received(one)) == len(received(other)) == 10, 60)
    assert count(one, "generated:") == 10 and len(set(received(one))) == 10
    heap.run(lambda: count(one, "liveness reply:") >= 3, 60)
    assert count(one, "liveness missed:") == 0
    die_together([other])
    heap.run(lambda: count(one, f"dead:{other.address}"), 60)
    heap.run(lambda: count(one, f"reported:{seed.address}:Dead Node:{other.address}:"), 1)
    heap.run(lambda: count(seed, f"dead report:Dead Node:{other.address}:"), 1)
    assert f"removed:{other.address}:gone" in events(seed)
    assert seed.registry.addresses() == (one.address,) and neighbours(one) == set()


def test_one_who_leaves_in_another_world_is_reported_by_nobody(world):
    heap, start = world
    seed = start(Seed, 0)
    one, other = start(Peer, 1, gossip_count=0), start(Peer, 2, spread="rumor", gossip_count=0)
    heap.run(lambda: neighbours(one) == {other.address}, 5)
    other.quit()
    heap.run(lambda: other.stopping, 5)
    assert events(other)[-1] == "stopped:quit"
    heap.run(lambda: f"removed:{other.address}:left" in events(seed), 1)
    assert f"disconnected:{other.address}:left" in events(one)
    assert count(one, "liveness missed:") == count(one, "dead:") == 0
