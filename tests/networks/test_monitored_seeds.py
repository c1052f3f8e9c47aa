"""Seeds die and begin in a network that monitors: no row is lost or double, no verdict is changed.

Twelve honest peers and two that attack; the first seed of config.txt is the one that mends the
tree.
"""

import pytest

from gossip.capacity import fixed
from gossip.lab.experiments.accidents import Role
from tests.tools.files import count
from tests.tools.monitoring_seeds import agree
from tests.tools.waiting import wait_until
from tests.tools.watched import Watched, check_once, rows_held, rows_reported

PERIOD = 1.0
KICKED_AFTER, MORE = 14, 6  # periods at most, as honest peers report them; so many more when a seed
# died or began


@pytest.fixture(autouse=True)
def once(monkeypatch):
    check_once(monkeypatch)


def guilty(network):
    """The attackers that all running seeds have removed."""
    return [peer for peer in network.attackers
            if all(count(seed, f"removed:{peer.address}:malicious:") or
                   seed.deciding.is_banned(peer.address, seed.now()) for seed in network.seeds)]


def each_is_held_once(network):
    """Whether each row of what honest peers still keep is held by one seed, and no row by two."""
    told = rows_reported(network.honest, [peer.address for peer in network.attackers])
    held = rows_held(network.seeds)
    return told and told <= set(held) and max(held.values()) == 1


def check_rows(network):
    wait_until(lambda: agree(network.seeds) and each_is_held_once(network),
               what="each row to be held once", pause=0.02)


@pytest.mark.slow
@pytest.mark.parametrize("killed", [0, 2], ids=["the first seed", "another seed"])
def test_a_seed_that_is_killed_and_one_that_is_new_lose_no_row_and_change_no_verdict(net, killed):
    network = Watched(net, 4, absent=1, period=PERIOD, gossip_interval=PERIOD / 2,
                      capacity=fixed(5))
    network.start(12, [Role("drop", 0.3), Role("tamper", 0.3)])
    end = network.periods() + KICKED_AFTER + MORE
    network.let_pass(3)
    check_rows(network)
    seed = network.seeds[killed]
    network.kill_seed(seed)
    network.let_pass(3)
    network.start_seed(net.seed_addresses[-1])
    network.let_pass(3)
    check_rows(network)
    network.start_seed(seed.address)
    check_rows(network)
    wait_until(lambda: len(guilty(network)) == 2 or network.periods() > end)
    assert len(guilty(network)) == 2
    network.let_pass(MORE)
    check_rows(network)
    assert all(len(set(seed.keeping.tree.seeds())) == 5 for seed in network.seeds)
    assert network.sentences() == []
