"""Messages that most have evicted, and that come from a peer with more room."""

from gossip.addresses import address_of
from gossip.capacity import fixed
from gossip.lab.experiments.virtual_network import VirtualNetwork
from gossip.lab.simulation.virtual_links import Cables
from gossip.settings import Settings
from peer import Peer
from seed import Seed

SEEDS, OLD, LATE = ([address_of("127.0.0.1", first + number) for number in range(count)]
                    for first, count in ((4000, 3), (5000, 3), (5100, 10)))
ROOMY = address_of("127.0.0.1", 5300)


class RoomyPeer(Peer):
    """A peer that keeps more messages than others."""

    def __init__(self, address, seeds, settings, *rest):
        super().__init__(address, seeds, settings._replace(cache_size=1_000), *rest)


def test_who_has_evicted_a_message_owes_it_to_no_newcomer():
    """A peer with more room was cut off when newcomers came, and brings what the others have
    dropped. Newcomers forward that, and who had it long ago sends nothing."""
    settings = Settings(gossip_count=0, sign=True, monitor=True, cache_size=300, capacity=fixed(6))
    network = VirtualNetwork(5, {"seed": Seed, "peer": Peer}, SEEDS, settings, Cables(),
                             hostile={ROOMY: RoomyPeer})
    time = network.time
    for number, node in enumerate([*SEEDS, *OLD, ROOMY]):
        time.at(0.3 * number, network.start, node)
    time.run(20.0)
    for part in range(2):
        for number in range(30):
            network.say(OLD[0], [f"{part} {number} {one}" for one in range(10)])
            time.run(time.now + 0.5)
        time.run(time.now + 20.0)
        if part == 0:
            network.cut(frozenset([ROOMY]))
    for number, node in enumerate(LATE):
        time.at(time.now + 0.5 * number, network.start, node)
    time.run(time.now + 150.0)
    run = network.nodes[OLD[0]].confirming.own_run
    assert network.nodes[LATE[0]].messages.seen()[run] == [(301, 600)]
    network.mend(frozenset([ROOMY]))
    time.run(time.now + 200.0)
    assert network.nodes[LATE[0]].messages.seen()[run] == [(1, 600)]
    written = b"".join(bytes(file.data) for file in network.folder.values()).decode()
    assert ":judged:" in written and ":verdict:" not in written
