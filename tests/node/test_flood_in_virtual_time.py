"""A flood, its end and what becomes of its lines, in virtual time."""

import pytest

from gossip.addresses import address_of
from gossip.lab.experiments.virtual_network import VirtualNetwork
from gossip.lab.simulation.virtual_links import Cables
from gossip.settings import Settings
from peer import Peer
from seed import Seed

SEED, FLOODER, OTHER, THIRD = (address_of("127.0.0.1", 5000 + n) for n in range(4))
RATE, BURST, SAID = 50, 100, 7_000


@pytest.fixture
def network():
    return flooded(RATE)


def flooded(rate, **settings):
    """A network in which one of three has begun to say many messages at the moment 10."""
    network = VirtualNetwork(1, {"seed": Seed, "peer": Peer}, [SEED],
                             Settings(gossip_count=0, rate=rate, burst=BURST, **settings),
                             Cables(buffer=4096))
    for address in (SEED, FLOODER, OTHER, THIRD):
        network.start(address)
    network.time.run(10.0)
    network.say(FLOODER, [f"text {number}" for number in range(SAID)])
    return network


def events(network, address):
    """The events of a peer, without their times."""
    data = network.folder.file(network.nodes[address].output.path).data.decode()
    return [line[27:] for line in data.splitlines()]


def count(network, address, start):
    return sum(event.startswith(start) for event in events(network, address))


@pytest.mark.parametrize("sign", [False, True])
def test_a_flood_is_slowed_and_after_a_minute_its_link_ends(sign):
    network = flooded(RATE, sign=sign)
    network.time.run(65.0)
    slow = count(network, OTHER, f"received:{FLOODER}:")
    assert BURST < slow < SAID / 2
    for address in (OTHER, THIRD):
        assert count(network, address, "flood:") == 0
        assert network.nodes[address].neighbours.link(FLOODER) is not None
    network.time.run(75.0)
    for address in (OTHER, THIRD):
        ends = [event for event in events(network, address)
                if event.startswith("flood:") or event.endswith(":flood")]
        assert ends[:3] == [f"flood:{FLOODER}", f"refused:{FLOODER}:flood",
                            f"disconnected:{FLOODER}:flood"]
        assert network.nodes[address].neighbours.link(FLOODER) is None
    assert count(network, OTHER, "dead:") == 0


def test_those_who_relay_a_flood_stay_neighbours(network):
    network.time.run(200.0)
    for address, other in ((OTHER, THIRD), (THIRD, OTHER)):
        assert network.nodes[address].neighbours.link(other) is not None
        assert count(network, address, f"flood:{other}") == 0
        assert count(network, address, f"disconnected:{other}") == 0


def test_what_is_left_of_a_flood_is_fetched_once_it_is_not_refused_any_more(network):
    network.time.run(400.0)
    for address in (OTHER, THIRD):
        assert count(network, address, "received:") == SAID
        assert count(network, address, "flood:") == 1
        assert network.nodes[address].neighbours.link(FLOODER) is not None


def test_without_a_rate_a_flood_comes_at_once():
    network = flooded(0)
    network.time.run(20.0)
    assert count(network, OTHER, "received:") == SAID
