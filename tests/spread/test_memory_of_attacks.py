"""What one hostile neighbour makes a peer remember, in bytes. Each of these took hundreds of MiB,
or wiped what a peer had seen, when what others said was remembered without an account."""

import gc
import tracemalloc

import pytest

from gossip import wire
from gossip.addresses import address_of
from gossip.capacity import fixed
from tests.tools.files import received
from tests.tools.nets import neighbours
from tests.tools.waiting import wait_until

MIB = 1 << 20
STRANGER = address_of("127.0.0.1", 9)  # in its name the neighbour speaks: that costs nothing


class Growth:
    """The bytes that this process has come to hold since."""

    def __init__(self):
        tracemalloc.start()
        gc.collect()
        self._before = tracemalloc.get_traced_memory()[0]

    def mib(self) -> float:
        gc.collect()
        return (tracemalloc.get_traced_memory()[0] - self._before) / MIB


@pytest.fixture
def growth():
    yield Growth()
    tracemalloc.stop()


def answered(end, peer) -> None:
    """Wait until the peer has handled all that was said before."""
    end.say(f"Liveness Request:7.000000:{peer.address}")
    end.hear_until("Liveness Reply:7.000000:", 300)


def gossip(origin, start, number):
    return b"gmessage:1.000000:%b:%d:%d:x\n" % (str(origin).encode(), start, number)


def say_in_portions(end, peer, lines, size=2_000):
    portion = []
    for line in lines:
        portion.append(line)
        if len(portion) == size:
            end.send(b"".join(portion))
            answered(end, peer)
            portion = []
    end.send(b"".join(portion))
    answered(end, peer)


@pytest.mark.slow
def test_350_000_ranges_of_gone(net, growth):
    peer, fake = net.peer(liveness_interval=600, antientropy_interval=600), net.fake()
    end = net.neighbour(peer, fake)
    end.say(f"status:seen:{fake.address}:1=1-{2**63 - 1}")
    for first in range(1, 700_000, 14_000):
        ranges = [(number, number) for number in range(first, first + 14_000, 2)]
        end.send(wire.status_entries("gone", [(f"{fake.address}:1".encode(), ranges)])[0])
        end.say(f"status:seen:{fake.address}:1=1-{2**63 - 1}")
    answered(end, peer)
    print(f"\ngone: {growth.mib():.1f} MiB")
    assert growth.mib() < 30


@pytest.mark.slow
@pytest.mark.parametrize("cache_size, most", [(100_000, 20), (1_000, 8)])
def test_120_000_gaps(net, growth, cache_size, most):
    """Of what they take, most are texts: the cache limits those."""
    peer, fake = net.peer(liveness_interval=600, antientropy_interval=600,
                          cache_size=cache_size), net.fake()
    end = net.neighbour(peer, fake)
    say_in_portions(end, peer, (gossip(STRANGER, start, number)
                                for start in range(1, 121) for number in range(1, 2001, 2)))
    print(f"\ngaps, {peer.messages.count()} texts: {growth.mib():.1f} MiB")
    assert sum(len(ranges) for ranges in peer.messages.seen().values()) == 50_000 + 120
    assert growth.mib() < most


@pytest.mark.slow
def test_101_000_runs_and_then_a_replay_and_a_newcomer(net, growth):
    net.settings = net.settings._replace(liveness_misses=100_000, antientropy_interval=5,
                                         capacity=fixed(20))  # nobody is given up
    net.seeds(1)
    peer, honest = net.peer(), net.fake()
    end = net.neighbour(peer, honest)
    history = [gossip(honest.address, 7, number) for number in range(1, 11)]
    end.send(b"".join(history))
    wait_until(lambda: len(received(peer)) == 10)
    for first in range(0, 101_000, 25_250):
        say_in_portions(net.neighbour(peer, net.fake()), peer, (
            gossip(f"127.{number >> 16}.{number >> 8 & 255}.{number & 255}:9", 1, 1)
            for number in range(first, first + 25_250)))
    print(f"\nruns: {growth.mib():.1f} MiB, {peer.messages.runs()} known")
    assert growth.mib() < 80 and peer.messages.runs() == 30_000
    tracemalloc.stop()
    net.neighbour(peer, net.fake()).send(b"".join(history))
    newcomer = net.peer()
    wait_until(lambda: newcomer.address in neighbours(peer))
    newcomer.gossip(["I am new here"])
    wait_until(lambda: received(peer)[-1].endswith(":I am new here"))
    texts = received(peer)
    assert len(texts) == len(set(texts))
