"""Networks of gossip modules in virtual time: modules join, are killed, frozen and started again;
every client hears of every announcement once."""

import collections
import random

import pytest

from grapevine.addresses import address_of
from grapevine.lab.proof.graph import Pieces
from grapevine.settings import Settings
from grapevine.voidphone.messages import Announce, Notification, Notify, Validation
from grapevine.voidphone.module import API, GossipModule
from grapevine.worlds.virtual import Cables, Network
from tests.tools.voidphone import TYPE, Host, ModuleScene, config_of

MODULES = 8
JOIN_LIMIT, TELL_LIMIT = 120.0, 5.0  # seconds to become one piece; for an announcement
INTERVAL = 2.0  # seconds of liveness


class Client(Host):
    """A client of a module, which counts what it is told, and calls all of it valid."""

    def __init__(self, module: "Module"):
        super().__init__(module, address_of("127.0.0.2", module.doors[API].port), listens=False)
        self.told: collections.Counter = collections.Counter()
        self.end = self.connect(API)
        self.end.say(Notify(TYPE))

    def took(self, end, data: bytes) -> None:
        super().took(end, data)
        while end.lines:
            value = end.lines.pop()
            assert isinstance(value, Notification)
            self.told[value.data] += 1
            end.say(Validation(value.id, 1))


class Module(ModuleScene):
    """A module of a network, with its client."""

    def __init__(self, net: Network, number: int):
        self.doors = tuple(address_of("127.0.0.1", first + number) for first in (5000, 7000))
        config = config_of(*self.doors, bootstrapper="127.0.0.1:5000" if number else None)
        self.begin(net, self.doors[0], lambda output, world: GossipModule(
            config, Settings(liveness_interval=INTERVAL), output, world),
            net.rng.getrandbits(32), self.doors)
        self.client = Client(self)


class Modules:
    """A network; module 0 is the bootstrapper of all others."""

    def __init__(self, chance: int):
        self.rng = random.Random(chance)
        self.net = Network(self.rng, Cables(latency=(0.001, 0.05)))
        self.living: dict[int, Module] = {}
        for number in range(MODULES):
            self.start(number)
            self.pass_time(self.rng.uniform(0.0, 1.0))

    def start(self, number: int) -> None:
        self.living[number] = Module(self.net, number)

    def kill(self, number: int) -> None:
        module = self.living.pop(number)
        module.world.kill()
        module.client.world.kill()

    def pass_time(self, seconds: float) -> None:
        self.net.run(self.net.now + seconds)

    def pieces(self) -> int:
        """Return into how many pieces links of which both ends know connect the living."""
        views = {module.address: module.node.view.links for module in self.living.values()}
        return len(Pieces({one: [other for other in view if one in views.get(other, ())]
                           for one, view in views.items()}))

    def unites(self) -> bool:
        """Tell whether it becomes one piece in time."""
        until = self.net.now + JOIN_LIMIT
        while self.pieces() > 1 and self.net.now < until:
            self.pass_time(0.5)
        return self.pieces() == 1

    def wrongly_told(self, word: str) -> dict[int, dict[bytes, int]]:
        """Have every client announce; return what was told to those that were not told once by
        each other one."""
        for number, module in self.living.items():
            module.client.end.say(Announce(0, TYPE, f"{word} {number}".encode()))
        self.pass_time(TELL_LIMIT)
        told = {number: {data: times for data, times in module.client.told.items()
                         if data.startswith(word.encode())}
                for number, module in self.living.items()}
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
    network.living[victims[2]].world.freeze()
    network.pass_time(network.rng.uniform(1.0, 10 * INTERVAL))
    network.living[victims[2]].world.thaw()
    network.pass_time(5 * INTERVAL)
    assert network.unites()
    assert network.wrongly_told("second") == {}
    network.start(victims[0])
    network.pass_time(1.0)
    assert network.unites()
    assert network.wrongly_told("third") == {}
