"""Much at once, and neighbours that read slowly or never."""

import threading

from gossip import wire
from tests.tools.files import count, events, wait_event
from tests.tools.nets import all_once, holds_all, linked_net
from tests.tools.waiting import wait_until


def test_two_peers_that_say_ten_thousand_lines_at_once_do_not_deadlock(net):
    one, other = linked_net(net, 2)
    threads = [threading.Thread(target=peer.gossip, args=([f"{n} " + "x" * 1000
                                                           for n in range(10_000)],))
               for peer in (one, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(180)
        assert not thread.is_alive()
    wait_until(lambda: holds_all([one, other], 20_000), 180)
    assert all_once([one, other])
    assert count(one, "disconnected:") + count(other, "disconnected:") == 0


def test_a_neighbour_that_never_reads_delays_nobody_and_is_dropped(net, monkeypatch):
    monkeypatch.setattr("gossip.node.link.ORIGIN_LIMIT", 64 << 10)
    peers = linked_net(net, 3, liveness_interval=60, backlog_limit=1 << 20)
    lazy = net.fake()
    net.neighbour(peers[1], lazy)
    for start in range(0, 12_000, 100):
        peers[0].gossip([f"{start + n} " + "x" * 1000 for n in range(100)])
    wait_until(lambda: holds_all(peers, 12_000), 180)
    assert wait_event(peers[1], f"disconnected:{lazy.address}:backlog overflow")
    assert all_once(peers)


def test_the_origin_pauses_for_a_healthy_neighbour_that_is_slower(net):
    peer, slow = net.peer(liveness_interval=60, antientropy_interval=0), net.fake()
    end = net.neighbour(peer, slow)
    total = 20_000
    origin = threading.Thread(target=peer.gossip, args=(["x" * 1000] * total,))
    origin.start()
    heard = 0
    while heard < total:  # 20 MB: more than any backlog holds
        assert end.hear() is not None, events(peer)[-1]
        heard += 1
        if heard % 2000 == 0:
            threading.Event().wait(0.02)
    origin.join(60)
    assert count(peer, "disconnected:") == 0


def test_liveness_overtakes_gossip_that_waits(net):
    peer, slow = net.peer(liveness_interval=60, antientropy_interval=0), net.fake()
    end = net.neighbour(peer, slow)
    link = peer.neighbours.link(slow.address)
    number = 0
    while link.waiting() < 4 << 20:
        number += 1
        peer.spreading.way.forward(
            [wire.gossip("1.000000", slow.address, 7, number, "x" * 60_000)], None)
    end.say(f"Liveness Request:1.000000:{slow.address}")
    wait_until(lambda: any(b"Liveness Reply" in data
                           for data, _ in list(link._backlog._chunks)[:2]))
    heard = 0
    while not end.hear().startswith("Liveness Reply:"):
        heard += 1
    assert heard < number
