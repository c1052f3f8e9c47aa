"""Networks of gossip modules in virtual time: modules join, are killed, frozen and started again;
every client hears of every announcement once."""

import collections
import random

import pytest

from grapevine.addresses import Address, address_of
from grapevine.link import Link
from grapevine.output import Output
from grapevine.settings import Settings
from grapevine.voidphone.messages import (
    Announce, Notification, Notify, Validation, cut, parse)
from grapevine.voidphone.module import GossipModule
from grapevine.worlds.virtual import Cables, Network, VirtualWorld
from tests.tools.virtual import EventFile
from tests.tools.voidphone import TYPE, config_of

MODULES = 8
JOIN_LIMIT, TELL_LIMIT = 120.0, 5.0  # seconds to become one piece; for an announcement
INTERVAL = 2.0  # seconds of liveness


class Client:
    """A client of a module, which counts what it is told, and calls all of it valid."""

    def __init__(self, net: Network, api: Address):
        self.told: collections.Counter = collections.Counter()
        self.stopping, self._api = False, api
        self.world = VirtualWorld(net, address_of("127.0.0.2", api.port), self._begin,
                                  random.Random(0))

    def _begin(self, world: VirtualWorld) -> "Client":
        self.world = world
        return self

    def start(self) -> None:
        self.end = Link("", self._api, None)
        self.end.connection = self.world.dial(self.end, 5.0)

    def up(self, end: Link) -> None:
        end.send(Notify(TYPE).pack())

    def took(self, end: Link, data: bytes) -> None:
        found, end.rest = cut(end.rest + data)
        for _, value in map(parse, found):
            assert isinstance(value, Notification)
            self.told[value.data] += 1
            end.send(Validation(value.id, 1).pack())

    def announce(self, data: bytes) -> None:
        self.end.send(Announce(0, TYPE, data).pack())

    def ended(self, end: Link, reason: str, error: OSError | None = None) -> None:
        end.closed = end.closed or reason


class Modules:
    """A network; module 0 is the bootstrapper of all others."""

    def __init__(self, chance: int):
        self.rng = random.Random(chance)
        self.net = Network(self.rng, Cables(latency=(0.001, 0.05)))
        self.addresses = [address_of("127.0.0.1", 5000 + at) for at in range(MODULES)]
        self.worlds: dict[int, VirtualWorld] = {}
        self.clients: dict[int, Client] = {}
        self.dead: set[int] = set()
        for number in range(MODULES):
            self.start(number)
            self.pass_time(self.rng.uniform(0.0, 1.0))

    def start(self, number: int) -> None:
        own, api = self.addresses[number], address_of("127.0.0.1", 7000 + number)
        config = config_of(own, api, bootstrapper=self.addresses[0] if number else None)

        def make(world: VirtualWorld) -> GossipModule:
            output = Output(EventFile(), clock=lambda: int(world.time() * 1e9))
            return GossipModule(config, Settings(liveness_interval=INTERVAL), output, world)

        self.worlds[number] = VirtualWorld(self.net, own, make, self.rng, doors=(own, api))
        self.clients[number] = Client(self.net, api)
        self.dead.discard(number)

    def kill(self, number: int) -> None:
        self.worlds[number].kill()
        self.clients[number].world.kill()
        self.dead.add(number)

    def pass_time(self, seconds: float) -> None:
        self.net.run(self.net.now + seconds)

    def living(self) -> list[int]:
        return [number for number in range(MODULES) if number not in self.dead]

    def pieces(self) -> int:
        """Return into how many pieces links of which both ends know connect the living."""
        views = {number: {self.addresses.index(peer)
                          for peer in self.worlds[number].node.view.links}
                 for number in self.living()}
        left, pieces = set(views), 0
        while left:
            pieces, todo = pieces + 1, [left.pop()]
            while todo:
                number = todo.pop()
                near = {other for other in views[number] & left if number in views[other]}
                left -= near
                todo += near
        return pieces

    def unites(self) -> bool:
        """Tell whether it becomes one piece in time."""
        until = self.net.now + JOIN_LIMIT
        while self.pieces() > 1 and self.net.now < until:
            self.pass_time(0.5)
        return self.pieces() == 1

    def wrongly_told(self, word: str) -> dict[int, dict[bytes, int]]:
        """Have every client announce; return what was told to those that were not told once by
        each other one."""
        for number in self.living():
            self.clients[number].announce(f"{word} {number}".encode())
        self.pass_time(TELL_LIMIT)
        told = {number: {data: times for data, times in self.clients[number].told.items()
                         if data.startswith(word.encode())} for number in self.living()}
        return {number: news for number, news in told.items()
                if news != {f"{word} {other}".encode(): 1 for other in told if other != number}}


@pytest.mark.parametrize("chance", range(12))
def test_modules_that_are_killed_frozen_and_started_again_tell_all_who_live(chance):
    network = Modules(chance)
    assert network.unites()
    assert network.wrongly_told("first") == {}
    victims = network.rng.sample(range(1, MODULES), 3)
    for victim in victims[:2]:
        network.kill(victim)
        network.pass_time(network.rng.uniform(0.0, 5.0))
    network.worlds[victims[2]].freeze()
    network.pass_time(network.rng.uniform(1.0, 10 * INTERVAL))
    network.worlds[victims[2]].thaw()
    network.pass_time(5 * INTERVAL)
    assert network.unites()
    assert network.wrongly_told("second") == {}
    network.start(victims[0])
    network.pass_time(1.0)
    assert network.unites()
    assert network.wrongly_told("third") == {}


def test_a_bootstrapper_that_starts_again_is_found():
    network = Modules(100)
    assert network.unites()
    network.kill(0)
    network.pass_time(10.0)
    network.start(0)
    network.pass_time(1.0)
    assert network.unites()
    assert network.wrongly_told("again") == {}
