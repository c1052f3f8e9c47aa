"""A peer that is surrounded on the ring by liars keeps honest neighbours, hears and is heard."""

import pytest

from gossip.capacity import fixed
from tests.tools.files import received
from tests.tools.liars import Liar, around
from tests.tools.nets import connected, neighbours, ring_whole
from tests.tools.ports import free_addresses
from tests.tools.waiting import wait_until

LIARS, HONEST = 28, 8
PLACES = 4  # of each peer
INTERVAL = 1.0  # seconds between two liveness rounds
SETTLED = 3  # rounds for which the liars try


class Siege:
    """Honest peers, one of them the victim, and liars at all addresses next to it."""

    def __init__(self, net, listening):
        net.settings = net.settings._replace(liveness_interval=INTERVAL, capacity=fixed(PLACES))
        net.seeds(1)
        addresses = free_addresses(LIARS + HONEST + 1)
        self.net, self.address = net, addresses[len(addresses) // 2]
        self.lies = around(self.address, addresses, LIARS)
        self.others = [net.peer(address) for address in addresses
                       if address not in (self.address, *self.lies)]
        self.fakes = [net.fake(address) for address in self.lies] if listening else []
        self.victim = None

    def start_victim(self):
        self.victim = self.net.peer(self.address)

    def settle(self, *peers):
        wait_until(lambda: connected(peers) and ring_whole(peers))

    def begin(self):
        liars = [Liar(self.address, lie) for lie in self.lies]
        self.net.ends[:0] = liars  # they end before those who listen
        return liars

    def honest(self):
        """How many honest neighbours the victim has."""
        return len(neighbours(self.victim) - set(self.lies))

    def rounds(self):
        return self.victim.linking.places._round

    def hold(self, fewest):
        """Let rounds pass; the victim always has so many honest neighbours at least."""
        until = self.rounds() + SETTLED
        wait_until(lambda: self.rounds() >= until or self.honest() < fewest)
        assert self.honest() >= fewest

    def speak(self):
        """The victim hears, and is heard by everybody, within one interval."""
        before = self.rounds()
        self.victim.gossip(["I am here"])
        self.others[0].gossip(["so am I"])
        wait_until(lambda: any(line.endswith(":so am I") for line in received(self.victim))
                   and all(any(line.endswith(":I am here") for line in received(other))
                           for other in self.others))
        assert self.rounds() <= before + 1


@pytest.mark.parametrize("listening", [pytest.param(False, marks=pytest.mark.slow), True])
def test_a_victim_that_liars_surround_keeps_its_honest_neighbours(net, listening):
    siege = Siege(net, listening)
    siege.start_victim()
    siege.settle(siege.victim, *siege.others)
    before = siege.honest()
    siege.begin()
    siege.hold(min(2, before))
    siege.speak()
    assert siege.honest() >= 2


@pytest.mark.parametrize("listening", [pytest.param(False, marks=pytest.mark.slow), True])
def test_who_starts_among_liars_finds_honest_neighbours(net, listening):
    siege = Siege(net, listening)
    siege.settle(*siege.others)
    siege.begin()
    siege.start_victim()
    wait_until(lambda: siege.honest() >= 2)
    siege.hold(2)
    siege.speak()


def test_a_victim_keeps_two_honest_neighbours_also_when_the_liars_are_registered(net):
    siege = Siege(net, True)
    siege.start_victim()
    siege.settle(siege.victim, *siege.others)
    wait_until(lambda: all(len(neighbours(peer)) <= PLACES
                           for peer in (siege.victim, *siege.others)))  # nobody gives up any more
    seed, = (node for node in net.nodes if node.kind == "seed")
    listings = [net.dial(seed) for _ in siege.lies]
    for listing, lie in zip(listings, siege.lies):
        listing.say(f"register:{lie}")
        assert listing.hear() == "registered successfully"
    siege.begin()
    siege.hold(2)
    siege.speak()
