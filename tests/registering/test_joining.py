"""Joining and leaving: seeds, lists, the first links; in one process."""

import threading
import time

from gossip.capacity import fixed
from tests.tools.files import count, events, wait_event
from tests.tools.nets import connected, neighbours, ring_whole
from tests.tools.registering import register
from tests.tools.waiting import wait_until


def test_a_peer_alone_starts_alone_and_is_found_by_later_ones(net):
    net.seeds(1)
    first = net.peer()
    wait_event(first, "registered:")
    second = net.peer()
    wait_until(lambda: neighbours(first) == {second.address})
    wait_until(lambda: neighbours(second) == {first.address})


def test_a_peer_registers_with_a_majority_and_takes_the_union(net):
    seeds = net.seeds(6)
    peers = net.peers(5)
    for peer in peers:
        wait_until(lambda peer=peer: len(peer.joining.links()) == 4)
    wait_until(lambda: all(len(p.peer_list.addresses()) == 4 for p in peers))
    assert sum(len(seed.registry.addresses()) for seed in seeds) == 4 * len(peers)


def test_peers_started_at_once_become_one_graph_with_a_whole_ring_and_then_rest(net):
    net.seeds(3)
    peers = net.peers(12, capacity=fixed(3))
    wait_until(lambda: connected(peers) and ring_whole(peers))
    wait_until(lambda: all(len(neighbours(peer)) <= 3 for peer in peers))

    def changes():
        return sum(count(peer, "connected:") + count(peer, "disconnected:") for peer in peers)

    def rested():
        before = changes()
        threading.Event().wait(4 * net.settings.liveness_interval)
        return changes() == before

    wait_until(rested, what="links to come and go no more")


def test_there_may_be_sixty_seeds(net):
    net.seeds(60)
    one, other = net.peer(), net.peer()
    wait_until(lambda: len(one.joining.links()) == 31, what="31 registrations")
    wait_until(lambda: neighbours(one) == {other.address})


def test_a_seed_that_is_down_is_made_up_for_by_another(net):
    seeds = net.seeds(4)
    net.end(seeds[0])
    peer = net.peer()
    wait_until(lambda: {link.peer for link in peer.joining.links()}
               == {seed.address for seed in seeds[1:]})


def test_all_seeds_killed_and_restarted_know_everyone_again(net):
    seeds = net.seeds(3)
    peers = net.peers(4, gossip_count=30)
    wait_until(lambda: all(len(p.joining.links()) == 2 for p in peers))
    for seed in seeds:
        net.end(seed)
    wait_until(lambda: not any(p.joining.links() for p in peers))
    seeds = [net.seed(seed.address) for seed in seeds]
    wait_until(lambda: {a for seed in seeds for a in seed.registry.addresses()}
               == {peer.address for peer in peers}, 60)
    wait_until(lambda: all(peer.messages.count() == 120 for peer in peers))
    assert all(count(peer, "dead:") == 0 for peer in peers)


def test_leaving_tells_neighbours_and_seeds(net):
    seed, = net.seeds(1)
    peers = net.peers(3)
    wait_until(lambda: connected(peers) and ring_whole(peers))
    leaver = peers[0]
    net.nodes.remove(leaver)
    leaver.quit()
    for peer in peers[1:]:
        wait_event(peer, f"disconnected:{leaver.address}:left")
    wait_event(seed, f"removed:{leaver.address}:left")
    wait_until(lambda: peers[1].linking.places._round > 5)
    assert all(count(peer, "liveness missed:") == 0 for peer in peers[1:])
    assert events(leaver)[-1] == "stopped:quit"


def leaves_unread(net):
    """A peer that leaves, and a neighbour that has read nothing of what it said."""
    leaver = net.peer(liveness_interval=60)
    end = net.neighbour(leaver, net.fake())
    net.nodes.remove(leaver)
    leaver.gossip([str(number) + "x" * 50_000 for number in range(60)])
    leaver.quit()
    return leaver, end


def test_a_leaver_waits_while_a_neighbour_reads_what_the_kernel_has_taken(net, monkeypatch):
    monkeypatch.setattr("peer.LEAVE_LIMIT", 2.0)
    leaver, end = leaves_unread(net)
    for number in range(60):
        assert f":{number}x" in end.hear_until("gmessage:")
        time.sleep(0.06)  # so that it takes longer than the limit
        assert number > 40 or not leaver.stopping
    assert end.hear() == f"leave:{leaver.address}"
    end.close()
    wait_until(lambda: leaver.stopping)
    assert count(leaver, "not read:") == 0


def test_a_leaver_tells_who_has_not_read_all(net, monkeypatch):
    monkeypatch.setattr("peer.LEAVE_LIMIT", 0.2)
    leaver, _ = leaves_unread(net)
    wait_event(leaver, "stopped:quit")
    assert wait_event(leaver, "not read:").endswith(" bytes")


def test_a_peer_that_leaves_at_once_also_tells_a_seed_that_has_not_answered_yet(net):
    """The seed may have listed it, and would find it gone."""
    silent = net.fake()
    net.seed_addresses = [silent.address]
    leaver = net.peer()
    wait_until(lambda: f"register:{leaver.address}" in silent.heard)
    net.nodes.remove(leaver)
    leaver.quit()
    wait_until(lambda: f"leave:{leaver.address}" in silent.heard)


def test_a_seed_does_not_list_a_peer_that_leaves_while_it_is_probed(net):
    seed, = net.seeds(1)
    fake = net.fake(answers=False)
    newcomer = register(net, seed, fake)
    wait_until(lambda: any(line.startswith("Liveness Request:") for line in fake.heard))
    newcomer.say(f"leave:{fake.address}")
    assert newcomer.hear_end()
    assert count(seed, "registered:") == 0 and seed.counters == {}
