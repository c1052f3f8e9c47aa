"""A node can live in another world: a peer and a seed without a thread, a socket or a clock."""

import socket
import threading
import time

import pytest

from tests.tools.nets import neighbours
from tests.tools.simulated import ONE, OTHER, SEED, Nodes

@pytest.fixture(autouse=True)
def nothing_of_the_system(monkeypatch):
    """A thread, a socket, a wait or a look at the clock fails the test."""
    def none(*arguments, **words):
        raise AssertionError("this is not to be had in this world")

    for owner, names in ((threading.Thread, ["start"]), (threading.Condition, ["wait"]),
                         (socket, ["socket", "socketpair"]),
                         (time, ["time", "time_ns", "monotonic", "sleep"])):
        for name in names:
            monkeypatch.setattr(owner, name, none)


def test_a_seed_and_two_peers_register_link_gossip_and_find_a_death():
    nodes = Nodes()
    seed, one, other = nodes.seed, nodes.one, nodes.other
    assert set(seed.registry.addresses()) == {ONE, OTHER}
    nodes.until(lambda: nodes.count(one, "received:") == nodes.count(other, "received:") == 10, 60)
    assert nodes.count(one, "generated:") == 10
    assert len({event for event in nodes.events(one) if event.startswith("received:")}) == 10
    nodes.until(lambda: nodes.count(one, "liveness reply:") >= 3, 60)
    assert nodes.count(one, "liveness missed:") == 0
    nodes.network.kill(OTHER)
    nodes.until(lambda: nodes.count(one, f"dead:{OTHER}"), 60)
    nodes.until(lambda: nodes.count(one, f"reported:{SEED}:Dead Node:{OTHER}:"), 1)
    nodes.until(lambda: nodes.count(seed, f"dead report:Dead Node:{OTHER}:"), 1)
    assert f"removed:{OTHER}:gone" in nodes.events(seed)
    assert seed.registry.addresses() == (ONE,) and neighbours(one) == set()


def test_one_who_leaves_in_another_world_is_reported_by_nobody():
    nodes = Nodes(gossip_count=0, spread="rumor")
    nodes.network.leave(OTHER)
    nodes.until(lambda: nodes.other.stopping, 5)
    assert nodes.events(nodes.other)[-1] == "stopped:quit"
    nodes.until(lambda: f"removed:{OTHER}:left" in nodes.events(nodes.seed), 1)
    assert f"disconnected:{OTHER}:left" in nodes.events(nodes.one)
    assert nodes.count(nodes.one, "liveness missed:") == nodes.count(nodes.one, "dead:") == 0
