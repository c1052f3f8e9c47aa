"""A newcomer whose IP is crowded with liars that are registered, link to it, and forward nothing;
and a network on several IPs at rest."""

from gossip.addresses import address_of
from gossip.capacity import fixed
from gossip.lab.experiments.virtual_network import VirtualNetwork
from gossip.lab.simulation.virtual_links import Cables
from gossip.settings import Settings
from tests.tools.files import received
from tests.tools.hands import FakePeer
from tests.tools.liars import Liar, around
from tests.tools.nets import connected, neighbours
from tests.tools.ports import free_addresses
from tests.tools.simulated import CLASSES
from tests.tools.waiting import wait_until

IP = "127.0.0.9"  # of the newcomer and the liars
HONEST = [f"127.0.0.{number}" for number in (2, 3, 4, 5, 6)]
LIARS = 60
PLACES, MANY = 20, 100  # of the newcomer; of honest peers, which liars do not fill
INTERVAL = 1.0  # seconds between two liveness rounds


class Taker(FakePeer):
    """Takes everybody as its neighbour, and forwards nothing."""

    def reply(self, line):
        if line.startswith("Connection with Peer:"):
            return f"connection accepted:{self.address}\n"
        return super().reply(line)


def liars_around(net, seed, newcomer):
    """Liars on the newcomer's IP, on both sides of it on the ring, all of them registered."""
    ports = {address_of(IP, free.port) for free in free_addresses(LIARS)} - {newcomer}
    lies = around(newcomer, sorted(ports), LIARS)
    for lie in lies:
        net.ends.append(Taker(lie))
        end = net.dial(seed, IP)
        end.say(f"register:{lie}")
        assert end.hear() == "registered successfully"
    return lies


def test_a_newcomer_hears_and_is_heard_though_its_ip_is_crowded_with_liars(net):
    net.settings = net.settings._replace(liveness_interval=INTERVAL, capacity=fixed(MANY))
    seed, = net.seeds(1)
    honest = [net.peer(address_of(ip, free_addresses(1)[0].port)) for ip in HONEST]
    wait_until(lambda: connected(honest))
    honest[0].gossip([f"old {number}" for number in range(20)])
    newcomer = address_of(IP, free_addresses(1)[0].port)
    lies = liars_around(net, seed, newcomer)
    net.ends[:0] = [Liar(newcomer, lie) for lie in lies]  # they end before those who listen
    peer = net.peer(newcomer, capacity=fixed(PLACES))
    wait_until(lambda: neighbours(peer) >= {other.address for other in honest})
    honest[1].gossip([f"new {number}" for number in range(20)])
    wait_until(lambda: len(received(peer)) == 40)
    peer.gossip(["I am here"])
    wait_until(lambda: all(any(line.endswith(":I am here") for line in received(other))
                           for other in honest))


PLACES_AT_REST = 10


def test_a_network_on_several_ips_comes_to_rest():
    seed = address_of("127.0.0.1", 5000)
    peers = [address_of(f"127.0.0.{2 + number % 3}", 5000 + number) for number in range(24)]
    network = VirtualNetwork(1, CLASSES, [seed], Settings(capacity=fixed(PLACES_AT_REST),
                                                          gossip_count=0), Cables())
    for address in (seed, *peers):
        network.start(address)

    def changes(rounds):
        network.time.run(network.time.now + rounds * Settings().liveness_interval)
        return sum(network.folder.file(network.nodes[peer].output.path).data.count(b":connected:")
                   for peer in peers)

    assert changes(12) == changes(12)
    degrees = [len(neighbours(network.nodes[peer])) for peer in peers]
    own_ip = sum(other.ip == peer.ip for peer in peers for other in neighbours(network.nodes[peer]))
    assert min(degrees) >= PLACES_AT_REST - 2 and own_ip < sum(degrees) / 2
