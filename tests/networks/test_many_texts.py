"""Many texts never evict the few of others: not at a relay, not for one who comes late.

The attacker is a raw socket beside one peer of a line, which hands everything on. It says several
times as much as all may hold together, in various names.
"""

import pytest

from gossip import wire
from gossip.settings import MIB
from tests.tools.files import received
from tests.tools.nets import linked_net
from tests.tools.waiting import wait_until

FEW = 20  # texts of each honest peer
LARGE, SMALL = "x" * 60_000, "x"


def own_name(fake, peers, number):
    return fake.address, 7, number + 1


def invented_runs(fake, peers, number):
    """Of addresses that no seed has named: a text or two of each."""
    return fake.address, number % 30 + 1, number // 30 + 1


def forged_runs(fake, peers, number):
    """Eight runs of each honest peer, which has another."""
    start, text = number % 8 + 1, number // 8
    return peers[text % len(peers)].address, start, text // len(peers) + 1


@pytest.mark.parametrize("names", [own_name, invented_runs, forged_runs])
@pytest.mark.parametrize("limits, text, count", [
    ({"cache_bytes": 1 * MIB}, LARGE, 60), ({"cache_size": 1_000}, SMALL, 4_000)],
    ids=["large", "small"])
def test_the_few_texts_of_the_honest_are_held_and_reach_one_who_comes_late(
        net, names, limits, text, count):
    peers = linked_net(net, 4, rate=0, liveness_interval=30, **limits)
    for peer in peers:
        peer.gossip([f"honest {number} of {peer.address}" for number in range(FEW)])
    honest = {f"honest {number} of {peer.address}" for peer in peers for number in range(FEW)}
    wait_until(lambda: all(peer.messages.count() == FEW * len(peers) for peer in peers))
    fake = net.fake()
    end = net.neighbour(peers[0], fake)
    for at in range(0, count, 500):
        end.send(b"".join(
            wire.gossip("1.000000", *names(fake, peers, number), text) + b"\n"
            for number in range(at, min(at + 500, count))))
    wait_until(lambda: all(len(received(peer)) == FEW * (len(peers) - 1) + count
                           for peer in peers), 120)
    assert all(peer.messages.dropped()["texts evicted"] for peer in peers)
    late = net.peer(rate=0, **limits)
    wait_until(lambda: honest <= texts_of(late))
    assert all(honest <= texts_held(peer) for peer in [*peers, late])


def texts_of(peer):
    return {line.split(":", 5)[5] for line in received(peer)}


def texts_held(peer):
    return {line.split(b":", 6)[6].decode() for line in peer.messages.latest(10**6)}
