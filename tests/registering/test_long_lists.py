"""A seed with a long list sends samples of it, which hold the asker's next peers on the ring."""

from gossip import wire
from gossip.addresses import address_of
from gossip.overlay import ring
from seed import LONG_LIST, OTHERS_SENT
from tests.tools.fakes import FakeLink, peer
from tests.tools.files import count, wait_event
from tests.tools.registering import listed


def listing(net, number):
    """A seed that lists so many peers, of which the last to register has a connection to it."""
    seed, = net.seeds(1)
    fake = net.fake()
    ports = (port for port in range(1_000, 9_000, 7) if port != fake.address.port)
    for port, _ in zip(ports, range(number - 1)):
        seed.registry.register(peer(port), FakeLink(), seed.now())
    return seed, fake.address, listed(net, seed, fake)


def ask(end):
    end.say("peer list")
    return wire.parse(end.hear().encode()).addresses


def test_a_list_that_is_not_long_is_sent_whole(net):
    seed, own, end = listing(net, LONG_LIST)
    assert ask(end) == set(seed.registry.addresses()) - {own}
    assert wait_event(seed, f"peer list:{own}:{LONG_LIST - 1}")


def test_of_a_long_list_the_next_on_the_ring_and_others_at_random_are_sent(net):
    seed, own, end = listing(net, LONG_LIST + 1)
    others = set(seed.registry.addresses()) - {own}
    after = list(ring.successors(own, sorted(others)))[:ring.SUCCESSORS_SENT]
    first, second, third = ask(end), ask(end), ask(end)
    for told in (first, second, third):
        assert set(after) <= told < others
        assert OTHERS_SENT - 1 <= len(told) <= OTHERS_SENT + ring.SUCCESSORS_SENT
    assert len({first, second, third}) == 3
    assert count(seed, f"peer list:{own}:{LONG_LIST}") == 1  # how long it is, once


def test_one_that_is_not_registered_is_sent_others_at_random(net):
    seed, _, _ = listing(net, LONG_LIST + 1)
    told = ask(net.dial(seed))
    assert len(told) == OTHERS_SENT and told <= set(seed.registry.addresses())


def test_a_whole_list_of_the_longest_addresses_fits_into_a_line():
    longest = [address_of(f"1111:2222:3333:4444:5555:6666:7777:{port:x}", port)
               for port in range(60_000, 60_000 + LONG_LIST)]
    assert len(wire.peer_list(longest)) < wire.LINE_LIMIT
