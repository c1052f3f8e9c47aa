"""Exactly once, to everyone, whatever happens to links and peers."""

import threading

import pytest

from gossip.addresses import address_of
from gossip.capacity import fixed
from gossip.net.connection import Connection
from gossip.programs.starting import is_local
from gossip.settings import WAYS
from tests.tools.files import count, events
from tests.tools.nets import (
    FAST, all_once, connected, holds_all, linked_net, neighbours, ring_whole)
from tests.tools.ports import free_address
from tests.tools.waiting import wait_until


def test_every_message_reaches_everyone_once_through_others(net):
    peers = linked_net(net, 8, capacity=fixed(3), gossip_count=10)
    wait_until(lambda: holds_all(peers, 80))
    assert all_once(peers)
    assert all(count(peer, "generated:") == 10 for peer in peers)
    through = [event for peer in peers for event in events(peer)
               if event.startswith("received:") and
               not event.split(":gmessage:")[1].split(":", 1)[1].startswith(
                   event[len("received:"):].split(":gmessage")[0] + ":")]
    assert through


def test_two_halves_that_were_cut_apart_find_each_other_again(net, monkeypatch):
    """Each half is full when they meet, and both gossiped meanwhile."""
    seeds = net.seeds(3)
    peers = net.peers(10, capacity=fixed(3))
    wait_until(lambda: connected(peers) and ring_whole(peers))
    peers[0].gossip(["before"])
    wait_until(lambda: holds_all(peers, 1))
    halves = {node.address: at % 2 for at, node in enumerate([*peers, seeds[1]])}
    halves[seeds[0].address] = 0
    halves[seeds[2].address] = 1
    connect = Connection.connect

    def connect_within(connection, own, address, limit):
        if halves.get(own) != halves.get(address):
            raise TimeoutError("cut")
        connect(connection, own, address, limit)

    monkeypatch.setattr(Connection, "connect", connect_within)
    for node in net.nodes:
        for link in list(node._links):
            if link.peer in halves and halves[link.peer] != halves[node.address]:
                link.close("cut")
    sides = [[peer for peer in peers if halves[peer.address] == side] for side in (0, 1)]
    wait_until(lambda: all(ring_whole(side) for side in sides))
    for side in sides:
        assert not any(neighbours(a) & {b.address for b in peers if b not in side} for a in side)
        side[0].gossip(["during the cut"])
        wait_until(lambda side=side: holds_all(side, 2))
    wait_until(lambda: all(any(count(peer, f"dead:{other.address}") for peer in sides[0])
                           for other in sides[1]), what="the other half to be found dead")
    monkeypatch.setattr(Connection, "connect", connect)
    wait_until(lambda: connected(peers) and ring_whole(peers), 180)
    wait_until(lambda: holds_all(peers, 3))
    assert all_once(peers)


@pytest.mark.parametrize("spread", WAYS)
@pytest.mark.parametrize("seconds", [1.2, pytest.param(30, marks=pytest.mark.slow)])
def test_links_closed_at_random_lose_nothing(net, seconds, spread):
    peers = linked_net(net, 6, capacity=fixed(3), liveness_misses=100, spread=spread,
                       gossip_count=int(seconds / FAST.gossip_interval))
    for turn in range(int(seconds / 0.03)):
        victim = peers[turn % 6]
        for link in victim.neighbours.links()[:1]:
            link.close("closed by the test")
        threading.Event().wait(0.03)
    wait_until(lambda: holds_all(peers, 6 * int(seconds / FAST.gossip_interval)))
    assert all_once(peers)


@pytest.mark.parametrize("spread", WAYS)
def test_peers_killed_and_restarted_one_after_the_other_lose_nothing(net, spread):
    peers = linked_net(net, 5, capacity=fixed(3), spread=spread)
    said = 0
    for turn in range(5):
        for peer in peers:
            peer.gossip([f"turn {turn}"])
        said += 5
        wait_until(lambda: holds_all(peers, said))
        victim = peers.pop(0)
        net.kill([victim])
        peers[0].gossip(["one is away"])
        said += 1
        peers.append(net.peer(victim.address, capacity=fixed(3), spread=spread))
    wait_until(lambda: holds_all(peers, said))


def test_it_all_works_over_ipv6(net):
    if not is_local(address_of("::1", 1)):
        pytest.skip("this machine has no IPv6 loopback")
    net.seed_addresses = [free_address("::1")]
    net.seed(net.seed_addresses[0])
    peers = [net.peer(free_address("::1")) for _ in range(3)]
    wait_until(lambda: connected(peers) and ring_whole(peers))
    peers[0].gossip(["over six"])
    wait_until(lambda: holds_all(peers, 1))
    assert net.folder / f"peer_--1_{peers[1].address.port}.txt" in net.folder.iterdir()
    assert count(peers[1], "received:[::1]:") == 1
    net.end(peers.pop())
    wait_until(lambda: all(count(peer, "told:[::1]:") for peer in peers))
