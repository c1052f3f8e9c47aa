"""A network in virtual time, of the real seeds and peers.

It starts lives of nodes, ends them in every way, and knows the truth, which no node knows: which
nodes live, and since when they could reach each other.
"""

import collections
import fnmatch
import functools
import io
import math
import pathlib
import random
import types
from typing import NamedTuple

from gossip.addresses import Address, parse_address
from gossip.lab.proof.graph import Pieces
from gossip.lab.simulation.virtual_links import Cables, Cabling, End, VirtualTime
from gossip.lab.simulation.virtual_world import START, VirtualWorld
from gossip.node.node import die_together
from gossip.node.output_file import OutputFile
from gossip.settings import Settings, majority

LOOK = 0.25  # seconds between two looks whether a node that leaves has ended, or has room to speak
TEXT = "said {} of {}"  # of a message; not `message N`, which the generator says


class VirtualNetwork:
    """Nodes by address. `classes` has the class of a "seed" and of a "peer", `hostile` the classes
    of attackers by address; `number` seeds all chance. `hear(address, event)`, which may be
    replaced, is told what nodes write."""

    def __init__(self, number: int, classes: dict, seeds: list[Address], settings: Settings,
                 cables: Cables, lag: float = 0.0, clocks: float = 0.0,
                 hostile: dict[Address, type] | None = None):
        self.time = VirtualTime()
        self.folder = VirtualFolder()  # of the output files
        self.nodes: dict[Address, object] = {}  # that live, or leave
        self.settings = settings
        self.seeds = seeds
        self.hostile = hostile or {}
        self.hear = lambda address, event: None
        self.cabling = Cabling(self.time, cables, random.Random(f"{number}:cables"))
        self._mended = 0.0  # when the last cut ended
        self._number = number
        self._classes = classes
        self._lag = lag  # seconds at most until a due thread runs
        self._clocks = clocks  # seconds by which a node's clock is ahead, at most
        self._lives: dict[Address, int] = {}  # how many lives an address has had
        # When a connection of a node last broke, and until when a node was frozen, slow or not up
        self._broke: dict[Address, float] = collections.defaultdict(float)
        self.troubled: dict[Address, float] = {}

    def start(self, address: Address) -> None:
        """Start a node that is not up."""
        if address in self.nodes:
            return
        kind = "seed" if address in self.seeds else "peer"
        ahead = self._clocks * random.Random(f"{self._number}:{address}").random()
        self._lives[address] = life = self._lives.get(address, 0) + 1
        chance = f"{self._number}:{address}:{life}"
        name = f"{kind}_{address.file_part}.txt"
        ear = types.SimpleNamespace(show=functools.partial(self._heard, address))
        output = OutputFile(name, lambda: START * 10**9 + round(self.time.now * 1e9), ear,
                            self.folder.file(name))
        node = self.hostile.get(address, self._classes[kind])(
            address, self.seeds, self.settings, output,
            lambda node: VirtualWorld(self.cabling, node, random.Random(chance + ":world"),
                                      ahead, self._lag),
            random.Random(chance))
        self.nodes[address] = node
        self.trouble(address)
        node.start()

    def _heard(self, address: Address, clock: str, head: str, lines: str) -> None:
        """Take the events that a node has written, instead of a screen."""
        for line in lines.split("\n"):
            event = head + line
            self.hear(address, event)
            if event.startswith("stopped:") and address in self.nodes:
                self.trouble(address)
                del self.nodes[address]

    def kill(self, address: Address) -> None:
        """Kill a process, whose kernel then ends its connections."""
        if address in self.nodes:
            self.trouble(address)
            die_together([self.nodes.pop(address)])

    def lose_power(self, address: Address) -> None:
        """Turn a machine off without a word to anyone."""
        if address in self.nodes:
            self.trouble(address)
            node = self.nodes.pop(address)
            node.output.finish()
            node.world.lose_power()

    def leave(self, address: Address) -> None:
        node = self.nodes.get(address)
        if node is not None and not node.world.is_frozen():
            node.quit()

    def start_again(self, address: Address) -> None:
        """Start a node as soon as it has ended."""
        if getattr(self.nodes.get(address), "leaving", None):
            self.time.at(self.time.now + LOOK, self.start_again, address)
        else:
            self.start(address)

    # Accidents that end.

    def freeze(self, address: Address) -> None:
        if address in self.nodes:
            self.nodes[address].world.freeze()

    def thaw(self, address: Address) -> None:
        node = self.nodes.get(address)
        if node is not None and node.world.is_frozen():
            self.trouble(address)
            node.world.thaw()

    def cut(self, side: frozenset[Address]) -> None:
        self.cabling.cut(side)

    def mend(self, side: frozenset[Address]) -> None:
        self.cabling.mend(side)
        self._mended = self.time.now

    def slow(self, address: Address, milliseconds: int) -> None:
        """Delay everything that a machine sends and receives."""
        self.cabling.slow[address] = milliseconds / 1000

    def fast(self, address: Address) -> None:
        if self.cabling.slow.pop(address, None) is not None:
            self.trouble(address)

    def reset(self, address: Address, chosen: int, both: bool = True) -> None:
        """Break a connection of a node, here or at both ends."""
        if address in self.nodes and (ends := self.nodes[address].world.ends()):
            self._break(ends[chosen % len(ends)], both)

    def churn(self, share: float, every: float, until: float, rng: random.Random) -> None:
        """Break a share of the links between peers, at both ends, again and again."""
        ends = [end for address, node in sorted(self.nodes.items()) if address not in self.seeds
                for end in node.world.ends()
                if address < end.other.address and end.other.address not in self.seeds]
        for end in rng.sample(ends, min(len(ends), round(share * len(ends)))):
            self._break(end, both=True)
        if self.time.now + every < until:
            self.time.at(self.time.now + every, self.churn, share, every, until, rng)

    def _break(self, end: End, both: bool) -> None:
        self._broke[end.address] = self._broke[end.other.address] = self.time.now
        end.reset()
        if both:
            end.other.reset()

    def say(self, address: Address, texts: list[str]) -> None:
        """Let a peer say texts, as its console would."""
        node = self.nodes.get(address)
        if node is not None and not node.leaving and not node.world.is_frozen():
            node.gossip(texts)

    def say_all(self, address: Address, count: int, said: int = 0) -> None:
        """Let a peer say messages in turn, while it has room."""
        node = self.nodes.get(address)
        while said < count and node is not None:
            if not node.has_room():
                self.time.at(self.time.now + LOOK, self.say_all, address, count, said)
                return
            said += 1
            self.say(address, [TEXT.format(said, count)])

    def calm_down(self, calm: float, silence: float) -> None:
        """Let `calm` seconds pass, and `silence` without generators, so that all arrives."""
        self.time.run(self.time.now + calm)
        for peer in self.peers():
            peer.spreading.silent = True
        self.time.run(self.time.now + silence)

    # The truth.

    def trouble(self, address: Address) -> None:
        """Note that a node was frozen, slow or not up until now."""
        self.troubled[address] = self.time.now

    def peers(self) -> list:
        """Return all living peers that do not leave, by address."""
        return [node for address, node in sorted(self.nodes.items())
                if address not in self.seeds and not node.leaving]

    def graph(self) -> Pieces:
        return Pieces({peer.address: peer.neighbours.addresses() for peer in self.peers()})

    def in_pieces(self) -> list[list]:
        peers = {peer.address: peer for peer in self.peers()}
        return [[peers[address] for address in sorted(piece)]
                for piece in sorted(self.graph().all(), key=min)]

    def life(self, address: Address) -> tuple[Address, int]:
        """Return an address and the number of its latest life."""
        return address, self._lives.get(address, 0)

    def living_seeds(self) -> list:
        return [node for address, node in sorted(self.nodes.items()) if address in self.seeds]

    def honest_seeds(self) -> list:
        return [seed for seed in self.living_seeds() if seed.address not in self.hostile]

    def is_vouched_for(self, run: bytes) -> bool:
        """Tell whether a run lives, or enough honest seeds know it."""
        text, _, start = run.decode().rpartition(":")
        address, start = parse_address(text), int(start)
        node = self.nodes.get(address)
        knowing = sum(start in seed.vouching.starts(address) for seed in self.honest_seeds())
        return (node is not None and node.spreading.origin.start == start
                or knowing >= majority(len(self.seeds)))

    def in_reach_since(self, one: Address, other: Address) -> float:
        """Return since when two nodes can reach each other, or infinity."""
        nodes = self.nodes.get(one), self.nodes.get(other)
        if (None in nodes or any(node.world.is_frozen() for node in nodes)
                or {one, other} & self.cabling.slow.keys() or self.cabling.parted(one, other)):
            return math.inf
        return max(self.troubled[one], self.troubled[other], self._mended)

    def undisturbed_since(self, one: Address, other: Address) -> float:
        """Return since when also none of their connections broke, or infinity."""
        return max(self.in_reach_since(one, other), self._broke[one], self._broke[other])


class VirtualFile(NamedTuple):
    """A file in memory, for the proof like a path."""

    name: str
    data: bytearray

    def write(self, data: bytes) -> int:
        self.data.extend(data)
        return len(data)

    def close(self) -> None:
        """Do nothing, because a later life of the node may write on."""

    def is_file(self) -> bool:
        return True

    def open(self, mode: str) -> io.BytesIO:
        return io.BytesIO(self.data)


class VirtualFolder(dict[str, VirtualFile]):
    """Files by name, with the `glob` of a path."""

    def file(self, name: str) -> VirtualFile:
        return self.setdefault(name, VirtualFile(name, bytearray()))

    def glob(self, pattern: str) -> list[VirtualFile]:
        return [file for name, file in self.items() if fnmatch.fnmatchcase(name, pattern)]

    def save(self, folder: pathlib.Path) -> None:
        """Write all files into a folder of the disk. OSError when that fails."""
        for file in self.values():
            (folder / file.name).write_bytes(file.data)
