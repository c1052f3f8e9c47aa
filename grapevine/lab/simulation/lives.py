"""The lives of nodes in virtual time, and the truth about them, which no node knows.

Nodes start, end in every way, and may live again at the same address. The truth is which nodes
live, and since when they could reach each other.
"""

import collections
import io
import math
import pathlib
import random
import tempfile

from grapevine.addresses import Address
from grapevine.classes import peer_class, seed_class
from grapevine.lab.proof.graph import Pieces
from grapevine.lab.proof.records import Records
from grapevine.output import Output
from grapevine.settings import Settings
from grapevine.terminal.folders import SCENARIO
from grapevine.worlds.virtual import START, Cables, Network, VirtualWorld

NODE_POLL = 0.25  # seconds between two looks whether a node has ended, or has room to speak
CLOCK = len("HH:MM:SS.mmm ")  # before an event that an output file shows
TEXT = "said {} of {}"  # of a message; not `message N`, which the generator says


class Lives:
    """Nodes by address. `number` seeds all chance; `liars` have another class than other nodes.
    `hear(address, event)`, which may be replaced, is told what nodes show."""

    def __init__(self, number: int, seeds: list[Address], settings: Settings, cables: Cables,
                 lag: float = 0.0, clocks: float = 0.0, liars: dict[Address, type] = {}):
        self.net = Network(random.Random(f"{number}:cables"), cables)
        self.files: dict[str, io.BytesIO] = {}  # the output files, by name
        self.nodes: dict[Address, object] = {}  # that live, or leave
        self.seeds, self.settings = seeds, settings
        self.hear = lambda address, event: None
        self.scenario = self._output(SCENARIO)  # what was done to them
        self.scenario.write(*[f"attack:{liar}" for liar in liars])
        self._number, self._lag, self._clocks, self._liars = number, lag, clocks, liars
        self._classes = {"seed": seed_class(settings), "peer": peer_class(settings)}
        self._count: dict[Address, int] = collections.Counter()  # of the lives of an address
        self._leavers: set = set()  # nodes that were told to leave
        # until when a node was not up, frozen, slow or cut off, or when a connection of it broke
        self.troubled: dict[Address, float] = {}

    def start(self, address: Address) -> None:
        """Start a node that is not up, or one that leaves as soon as it has ended."""
        if address in self.nodes:
            if self.nodes[address] in self._leavers:
                self.net.at(self.net.now + NODE_POLL, self.start, address)
            return
        kind = "seed" if address in self.seeds else "peer"
        self._count[address] += 1
        self.troubled[address] = self.net.now
        output = self._output(f"{kind}_{address.file_part}.txt",
                              lambda shown: self._heard(address, shown[CLOCK:]))

        def make(world: VirtualWorld):
            node_class = self._liars.get(address, self._classes[kind])
            self.nodes[address] = node_class(address, self.settings, output, world, self.seeds)
            return self.nodes[address]

        ahead = self._clocks * random.Random(f"{self._number}:{address}").random()
        chance = random.Random(f"{self._number}:{address}:{self._count[address]}")
        VirtualWorld(self.net, address, make, chance, ahead, self._lag)

    def _output(self, name: str, show=None) -> Output:
        return Output(self.files.setdefault(name, io.BytesIO()), show,
                      lambda: START * 10**9 + round(self.net.now * 1e9))

    def save(self, folder: pathlib.Path) -> None:
        """Write all output files into a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, file in self.files.items():
            (folder / name).write_bytes(file.getvalue())

    def records(self) -> Records:
        """Return what the output files tell."""
        with tempfile.TemporaryDirectory(prefix="grapevine-") as folder:
            self.save(pathlib.Path(folder))
            return Records(pathlib.Path(folder)).refresh()

    def _heard(self, address: Address, event: str) -> None:
        self.hear(address, event)
        if event.startswith("stopped:"):
            del self.nodes[address]

    def kill(self, address: Address) -> None:
        self.nodes.pop(address).world.kill()

    def lose_power(self, address: Address) -> None:
        self.nodes.pop(address).world.lose_power()

    def leave(self, address: Address) -> None:
        node = self.nodes[address]
        if not node.world.is_frozen:
            self._leavers.add(node)
            node.stop("quit") if address in self.seeds else node.leave()

    # Accidents that end.

    def freeze(self, address: Address) -> None:
        self.nodes[address].world.freeze()

    def thaw(self, address: Address) -> None:
        node = self.nodes.get(address)
        if node is not None and node.world.is_frozen:
            self.troubled[address] = self.net.now
            node.world.thaw()

    def mend(self, side: frozenset[Address]) -> None:
        self.net.mend(side)
        self.troubled = dict.fromkeys(self.troubled, self.net.now)

    def slow(self, address: Address, milliseconds: int) -> None:
        """Delay everything that a machine sends and receives."""
        self.net.slow[address] = milliseconds / 1000

    def fast(self, address: Address) -> None:
        self.net.slow.pop(address, None)  # it may have been slow twice at once
        self.troubled[address] = self.net.now

    def reset(self, address: Address, chosen: int, both: bool = True) -> None:
        """Break a connection of a node, here or at both ends."""
        if ends := self.nodes[address].world.connections():
            end = ends[chosen % len(ends)]
            for broken in end.address, end.other.address:
                self.troubled[broken] = self.net.now
            end.reset()
            if both:
                end.other.reset()

    def say(self, address: Address, text: str) -> None:
        """Let a peer say a text, as its console would."""
        node = self.nodes.get(address)
        if node is not None and not node.world.is_frozen:
            node.originate([text])

    def say_all(self, address: Address, count: int, said: int = 0) -> None:
        """Let a peer say messages in turn, while it has room."""
        node = self.nodes.get(address)
        while said < count and node is not None:
            if node.is_crowded():
                self.net.at(self.net.now + NODE_POLL, self.say_all, address, count, said)
                return
            said += 1
            self.say(address, TEXT.format(said, count))

    # The truth.

    def peers(self) -> dict[Address, object]:
        """Return all living peers that do not leave, in order."""
        return {address: node for address, node in sorted(self.nodes.items())
                if address not in self.seeds and not node.is_leaving}

    def living_seeds(self) -> dict[Address, object]:
        return {address: self.nodes[address] for address in self.seeds if address in self.nodes}

    def pieces(self) -> list[list[Address]]:
        """Return the pieces of the graph of all peers, in order. A link counts in both ways."""
        links = {address: node.neighbours.linked() for address, node in self.peers().items()}
        return sorted(map(sorted, Pieces(links).all()))

    def undisturbed_since(self, one: Address, other: Address) -> float:
        """Return since when two nodes can reach each other, and none of their connections has
        broken; or infinity."""
        nodes = self.nodes.get(one), self.nodes.get(other)
        if (None in nodes or any(node.world.is_frozen for node in nodes)
                or {one, other} & self.net.slow.keys() or self.net.parted(one, other)):
            return math.inf
        return max(self.troubled[one], self.troubled[other])
