"""A network of modules that loses a third of them."""

import collections

from gossip.node.node import die_together
from gossip.voidphone.messages import Client
from tests.tools.module_words import view
from tests.tools.ports import free_address, free_addresses
from tests.tools.waiting import wait_until


def one_piece(network) -> bool:
    """Whether the modules are connected by links that both ends have in their view."""
    links = {module.address: view(module) for module in network}
    reached, todo = set(), [network[0].address]
    while todo:
        address = todo.pop()
        if address not in reached:
            reached.add(address)
            todo += [other for other in links[address] if address in links.get(other, ())]
    return len(reached) == len(network)


class Audience:
    """A client of every module, and how often it was told of what."""

    def __init__(self, network):
        self.told = {module.address: collections.Counter() for module in network}
        self.clients = {module.address: Client(module.config.api_address[0].dial, 7,
                                               self._note(module.address)) for module in network}

    def _note(self, address):
        def on_data(data):
            self.told[address][data] += 1
            return True
        return on_data

    def announce(self, network, word: str) -> None:
        """Everyone announces; wait until every other one is told of it."""
        for module in network:
            self.clients[module.address].announce(f"{word} {module.address}".encode())
        wait_until(lambda: all(len(self.heard(module, word)) == len(network) - 1
                               for module in network), what=f"everyone to hear {word}")

    def heard(self, module, word: str) -> dict[bytes, int]:
        counter = self.told[module.address].copy()
        return {data: times for data, times in counter.items() if data.startswith(word.encode())}

    def told_once(self, network, word: str) -> bool:
        return all(set(self.heard(module, word).values()) == {1} for module in network)

    def close(self) -> None:
        for client in self.clients.values():
            client.close()


def test_twenty_modules_join_and_survive_the_loss_of_seven(modules):
    bootstrapper = free_address()
    network = [modules.module(p2p_address=address, bootstrapper=bootstrapper, degree=6,
                              pow_bits=12)
               for address in (bootstrapper, *free_addresses(19))]
    wait_until(lambda: one_piece(network), 60, "a connected view")
    audience = Audience(network)
    modules.ends.append(audience)
    wait_until(lambda: all(module.status()["subscriptions"] == 1 for module in network))
    audience.announce(network, "first")
    victims, rest = network[:7], network[7:]
    die_together(victims)
    for module in victims:
        modules.end(module)
    wait_until(lambda: one_piece(rest), 60, "the rest to be connected")
    audience.announce(rest, "second")
    audience.announce(rest, "third")
    assert audience.told_once(network, "first") and audience.told_once(rest, "second")
