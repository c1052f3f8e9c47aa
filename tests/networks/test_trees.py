"""Networks that spread along trees: few copies, nothing missing and nothing twice, whatever happens
to links, parents and neighbours."""

import os
import subprocess
import sys

import pytest

from gossip import wire
from gossip.capacity import fixed
from tests.tools.files import received
from tests.tools.fakes import run_late
from tests.tools.nets import all_once, connected, holds_all, linked_net, ring_whole
from tests.tools.programs import ROOT
from tests.tools.waiting import wait_until


def copies(peers):
    """How many copies came to these peers for each that was new."""
    old = sum(peer.status()["messages that were old"] for peer in peers)
    return 1 + old / sum(len(received(peer)) for peer in peers)


def say(peers, count, text="x"):
    for peer in peers:
        peer.gossip([f"{text} {number}" for number in range(count)])


@pytest.mark.parametrize("sign", [False, True])
def test_most_messages_come_once_and_few_come_again(net, sign):
    peers = linked_net(net, 8, spread="tree", capacity=fixed(5), sign=sign, liveness_interval=30)
    for first in range(1, 4):  # while the second comes, what the first has pruned is told
        say(peers, 1)
        wait_until(lambda: holds_all(peers, 8 * first))
    say(peers, 200)
    wait_until(lambda: holds_all(peers, 1_624))
    assert all_once(peers) and copies(peers) < 1.5


def test_without_comparing_a_tree_delivers_everything_when_links_end(net):
    peers = linked_net(net, 8, spread="tree", capacity=fixed(5), antientropy_interval=0,
                       liveness_misses=100)
    said = 0
    for turn in range(6):
        say(peers, 20)
        said += 160
        wait_until(lambda: holds_all(peers, said))
        parents = {branch.parent for branch in list(peers[turn].spreading.way._runs.values())}
        next(link for link in parents if link in peers[turn].neighbours.links()).close("by test")
    assert all_once(peers)


def test_ways_of_spreading_may_be_mixed(net):
    net.seeds(1)
    peers = [net.peer(spread=way, capacity=fixed(4))
             for way in ("tree", "flood", "rumor", "tree", "flood", "tree", "tree")]
    wait_until(lambda: connected(peers) and ring_whole(peers))
    for _ in range(3):
        say(peers, 20)
    wait_until(lambda: holds_all(peers, 420))
    assert all_once(peers)


def test_a_peer_that_is_stopped_has_sent_what_it_held_back(net):
    peers = linked_net(net, 3, spread="tree", antientropy_interval=60)
    say(peers[:1], 1)
    say(peers[:1], 2)
    net.end(peers[0])
    wait_until(lambda: holds_all(peers[1:], 3))


def test_many_that_join_in_a_burst_get_everything(net):
    peers = linked_net(net, 4, spread="tree", capacity=fixed(4))
    say(peers, 100)
    late = net.peers(8, spread="tree", capacity=fixed(4))
    say(peers, 100)
    wait_until(lambda: holds_all([*peers, *late], 800))
    say(late, 10)
    wait_until(lambda: holds_all([*peers, *late], 880))
    assert all_once([*peers, *late])


def test_a_late_peer_holds_back_nothing(net):
    peers = linked_net(net, 5, spread="tree", antientropy_interval=60)
    for peer in peers:
        run_late(peer, 10.0)
        assert peer.gathering() > 0
    say(peers[:1], 50)
    assert all(peer.spreading.way._gathering() == 0 for peer in peers)
    wait_until(lambda: holds_all(peers, 50))


@pytest.fixture
def watched(net):
    """A peer of a tree, three neighbours in the hands of the test, and their ends."""
    peer = net.peer(spread="tree", antientropy_interval=60, liveness_interval=60,
                    fetch_patience=0.5)
    fakes = [net.fake() for _ in range(3)]
    return peer, fakes, [net.neighbour(peer, fake) for fake in fakes]


def line(fake, number, start=7):
    return wire.gossip("1.000000", fake.address, start, number, "x").decode()


def test_a_parent_that_forwards_nothing_costs_an_announcement(watched):
    peer, (lazy, busy, _), (parent, other, third) = watched
    parent.say(line(lazy, 1))
    third.hear_until(line(lazy, 1))
    other.say(line(lazy, 1))
    run = f"{lazy.address}:7"
    assert other.hear_until("status:prune:") == f"status:prune:{run}=1"
    other.say(f"status:seen:{run}=1-2")
    while True:  # it is fetched, and if that comes long enough after the prune, grafted
        assert other.hear_until("status:want:").startswith(f"status:want:{run}=")
        last = len(received(peer)) + 1
        other.say(line(lazy, last), "status:sent")
        third.hear_until(line(lazy, last))
        if peer.status()["grafts"]:
            break
        other.say(f"status:seen:{run}=1-{last + 1}")
    assert other.hear_until("status:graft:") == f"status:graft:{run}=1"


def test_what_was_announced_and_never_existed_keeps_nobody_else_waiting(watched):
    peer, (liar, honest, _), (end, other, third) = watched
    end.say(f"status:seen:{honest.address}:7=1-1000")
    assert end.hear_until("status:want:")  # and nothing comes
    other.say(f"status:seen:{honest.address}:7=1-2")
    assert other.hear_until("status:want:")
    other.say(line(honest, 1), line(honest, 2), "status:sent")
    assert third.hear_until(line(honest, 2))


def test_a_neighbour_that_prunes_grafts_and_announces_without_end_delays_nobody(watched):
    peer, (hostile, honest, _), (end, other, third) = watched
    runs = [f"{honest.address}:{start}" for start in range(1, 101)]
    for number in range(1, 6):
        for verb in ("prune", "graft", "seen"):
            end.say(*[f"status:{verb}:" + " ".join(f"{run}={number}" for run in runs)] * 100)
        other.say(*[line(honest, number, start) for start in range(1, 101)])
        third.hear_until(line(honest, number, 100))
    wait_until(lambda: len(received(peer)) == 500)
    assert peer.status()["prunes and grafts ignored"] > 0
    other.say(line(hostile, 1))  # and it is still a neighbour
    assert end.hear_until(line(hostile, 1))


@pytest.mark.slow
@pytest.mark.parametrize("folder", ["spread", "networks", "monitoring", "lab/experiments"])
def test_what_holds_in_a_flood_holds_in_a_tree(folder):
    ran = subprocess.run([sys.executable, "-m", "pytest", "-q", "-c", "tests/pytest.ini", "-p",
                          "no:cacheprovider", f"tests/{folder}"], cwd=ROOT, capture_output=True,
                         env={**os.environ, "TEST_SPREAD": "tree"}, text=True)
    assert ran.returncode == 0, ran.stdout
