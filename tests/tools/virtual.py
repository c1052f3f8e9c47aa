"""Two nodes in virtual time that write down what their worlds tell them."""

import random
import types

from gossip.addresses import address_of
from gossip.lab.simulation.virtual_links import Cables, Cabling, VirtualTime
from gossip.lab.simulation.virtual_world import VirtualWorld
from gossip.node.link import Link
from gossip.settings import Settings
from gossip.wire import WireError

SETTINGS = Settings(probe_limit=2.0)
LATENCY = 0.1


class Node:
    """Writes down what its world tells it, and does as little as a node may."""

    def __init__(self, cabling, port, clock=0.0, lag=0.0):
        self.address = address_of("127.0.0.1", port)
        self.settings = SETTINGS
        self.told = []  # words, with what they are about
        self.late = []  # for how many seconds it was late, and how much it had been told before
        self.output = types.SimpleNamespace(
            late=lambda seconds: self.late.append((seconds, len(self.told))))
        self.links = []
        self.words = []  # what this node says when a dialled link stands
        self.limit = None  # seconds until whoever is accepted has to say something
        self.world = VirtualWorld(cabling, self, random.Random(port), clock, lag)

    def new_link(self, connection=None):
        link = Link("a role", SETTINGS, self.world.flusher, self.world.now, connection)
        self.links.append(link)
        return link

    def dial(self, other):
        link = self.new_link()
        link.peer = other.address
        self.world.dial(link)
        return link

    def accept(self, connection, remote):
        self.told.append("accept")
        link = self.new_link(connection)
        if self.limit is not None:
            link.deadline = self.world.now() + self.limit
        return link

    def up(self, link):
        self.told.append("up")
        for word in self.words:
            link.send(word)

    def sift(self, link, lines):
        return lines

    def lines(self, link, lines):
        self.told += lines

    def fault(self, link, error):
        self.told.append(error if isinstance(error, WireError) else error.errno)
        link.close("fault")

    def ended(self, link):
        self.told.append("ended")
        link.finish()

    def turn(self, now):
        self.told.append(round(now, 3))


class Pair:
    """Two nodes, one of which is to dial the other."""

    def __init__(self, **cables):
        self.time = VirtualTime()
        self.cabling = Cabling(self.time, Cables(**{"latency": (LATENCY, LATENCY), **cables}),
                               random.Random(1))
        self.one, self.other = Node(self.cabling, 5000), Node(self.cabling, 5001)
        for node in (self.one, self.other):
            node.world.listen()

    def linked(self):
        """Link them; return the two links."""
        link = self.one.dial(self.other)
        self.run()
        assert self.one.told == ["up"] and self.other.told == ["accept"]
        self.one.told.clear()
        self.other.told.clear()
        return link, self.other.links[-1]

    def run(self, seconds=10.0):
        self.time.run(self.time.now + seconds)
