"""The states of all nodes on the live page, by their lines.

A peer is `joining` until its first link, then `up`. It is `lost` when all its connections broke
and nothing else is known yet, and `dead` once a neighbour or a seed says so, until it connects
again, or writes that it lives. It is `left` when it says goodbye, and `gone` when its run ended in
another way, or it was kicked, until it is registered again. A seed is `up` or `gone`. A link exists
while both of its ends say `connected`, so a killed or frozen peer that writes nothing more needs no
guess. Peers that are `joining` or `up` count as up.

Values come in, events of the stream go out; no clock. Nodes are numbered when they are first named.
Beyond the first 5,000 they are left out.
"""

import re

from grapevine.events import BROKEN, RENEWED, about, end_of_link
from grapevine.lab.pictures.live_lines import VANISHED, Line
from grapevine.lab.proof.events import COUNT, DEAD, REFUSED
from grapevine.lab.proof.graph import Pieces
from grapevine.lab.proof.records import usual_address
from grapevine.settings import Settings

NODES = 5_000
SHOWN = 200  # letters of a rest
JOINING, UP, LOST, DEAD_STATE, LEFT, GONE = "joining", "up", "lost", "dead", "left", "gone"
ENDED = {DEAD_STATE, LEFT, GONE}
# Kinds that are streamed as [TIME, KIND, NODE, OTHER, REST]; ALONE: OTHER is null.
ALONE = {"started", "stopped", "leaving", "failed"}
ABOUT_OTHERS = {"connected", "disconnected", "dead", "registered", "unregistered", "removed",
                "reported", "rejected", "passed on", "kicked", "unconfirmed"}
NAMES_SEED = {"registered", "unregistered", "reported", "kicked"}  # in the file of a peer
MISSES = re.compile("(?:^|:)liveness-misses=([0-9]{1,6})(?:$|:)")  # in a `settings:` line


class Node:  # a peer or a seed, as its lines tell
    def __init__(self, number: int, address: str, kind: str):
        self.number, self.address = number, address
        self.kind = kind  # peer or seed
        self.bit = 1 << number  # in sets of nodes, which are numbers, because there are thousands
        self.state: str | None = None  # None: it has no file, and others only name it
        self.before: str | None = None  # the state before that, or before its last start
        self.last = 0  # time of the last line of its own
        self.limit = Settings().liveness_misses  # misses after which it calls a neighbour dead
        self.forget()

    def forget(self) -> None:
        """Forget what the last run said."""
        self.says: set[Node] = set()  # whom it calls its neighbours
        self.parted: set[Node] = set()  # nodes whose links to it broke since it had its last link
        self.seeds: set[Node] = set()  # where a peer is registered, by its own word
        self.misses: dict[Node, int] = {}  # neighbour that does not answer it -> how often
        self.deserted = 0  # time when another end dropped a link that it still tells; 0: none did

    def is_up(self) -> bool:
        return self.state in (JOINING, UP)


class States:
    """The states of all nodes, and the links between them."""

    def __init__(self):
        self.nodes: dict[str, Node] = {}
        self.numbered: list[Node] = []
        self._graph = Pieces()  # peers from their first link on, linked by the word of both
        self.expected = 0  # the bits of peers that are UP, whom a new message is to reach
        self._off_lists: dict[Node, None] = {}  # peers that a seed has removed as gone
        self.changes: list[list] = []  # events that nobody has taken yet

    def degrees(self) -> list[int]:
        """Return the degrees of all peers that are UP, in order."""
        return sorted(sum(other.state == UP for other in self._graph.links(node))
                      for piece in self._graph.all() for node in piece if node.state == UP)

    def pieces(self) -> int:
        """Return how many pieces the peers that are UP make."""
        return sum(1 if all(node.state == UP for node in piece) else len(Pieces(
            {node: self._graph.links(node) for node in piece if node.state == UP}))
            for piece in self._graph.all())

    def up(self, kind: str) -> list[Node]:
        return [node for node in self.numbered if node.kind == kind and node.is_up()]

    def node(self, address: str, at: int, kind: str = "peer") -> Node | None:
        """Return the node at an address, which may be new. None if invalid, or beyond NODES."""
        node = self.nodes.get(address)
        if node is None and len(self.nodes) < NODES and usual_address(address) == address:
            node = self.nodes[address] = Node(len(self.nodes), address, kind)
            self.numbered.append(node)
            self.changes.append([at, "node", node.number, kind, address])
        return node

    def present(self, at: int) -> list[list]:
        """Return the present as events, for pages that begin anew."""
        there = [node for node in self.numbered if node.state is not None
                 and (node.kind == "seed" or node.state not in ENDED)]
        return [  # all states come first, because a page forgets the misses of a peer that comes up
            *([at, "node", node.number, node.kind, node.address] for node in self.numbered),
            *([at, "state", node.number, node.state] for node in there),
            *([at, "connected", node.number, other.number, ""]
              for node in there for other in node.says),
            *([at, "liveness missed", node.number, other.number, count]
              for node in there for other, count in node.misses.items())]

    def apply(self, line: Line) -> None:
        """Take a line that is no delivery."""
        at, address, kind, rest = line
        is_seed = kind == "started" and rest.startswith("seed:")  # as every file begins
        node = self.node(address, at, "seed" if is_seed else "peer")
        if node is None:
            return
        if kind != "started":  # which tells nothing of those that were killed with its last run
            self.heard(node, at)
        if kind == "alive" and node.state in ((GONE,) if node.kind == "seed" else (
                LOST, DEAD_STATE)):
            self._enter(node, UP, at)  # whatever others said of it
        if kind in ALONE:
            self.changes.append([at, kind, node.number, None, rest[:SHOWN]])
        if kind == "started":
            node.before = node.state
            for other in self.numbered:  # the new run counts nobody's answers
                other.parted.discard(node)
            self._begin(node, UP if node.kind == "seed" else JOINING, at)
        elif kind == "leaving" or kind == "stopped" and rest == "quit" and node.kind == "peer":
            self._begin(node, LEFT, at)
        elif (kind == "stopped" and node.state != LEFT
              or kind == VANISHED and node.state not in ENDED):
            self._begin(node, GONE, at)
        elif kind in ("liveness missed", "liveness reply"):
            self._take_liveness(node, line)
        elif kind == "settings" and (misses := MISSES.search(rest)):
            node.limit = int(misses[1])
        elif kind in ABOUT_OTHERS:
            self._take_about(node, line)
        for one in list(self._off_lists):
            self._settle(one, at)

    def heard(self, node: Node, at: int) -> None:
        """Note that a node has written, so its piece is not silent."""
        node.last = at
        if node.state == LOST and self._graph.links(node):
            for member in _by_number(self._graph.of(node)):
                self._enter(member, UP, at)

    def _begin(self, node: Node, state: str, at: int) -> None:
        """End the last run of a node, and forget what it said."""
        for other in self._graph.links(node):
            other.says.discard(node)
        self._graph.remove(node)
        node.forget()
        self._off_lists.pop(node, None)
        self._enter(node, state, at)

    def _take_about(self, node: Node, line: Line) -> None:
        death = DEAD.match(line.rest)  # of a line `passed on:` or `rejected:`
        address, rest = about(line.rest) if death is None else (
            death[1], line.rest[death.end():].lstrip(":"))
        is_seed = node.kind == "peer" and line.kind in NAMES_SEED
        other = self.node(address, line.at, "seed" if is_seed else "peer")
        if other is None:
            return
        self.changes.append([line.at, line.kind, node.number, other.number, rest[:SHOWN]])
        why = f" {rest.partition(':')[0]}" if line.kind == "removed" else ""
        match line.kind + why, node.kind:
            case "connected", _:
                self._connected(node, other, line.at)
            case "disconnected", _:
                self._disconnected(node, other, rest, line.at)
            case ("dead", _) | ("passed on" | "removed dead", "seed"):
                node.misses.pop(other, None)
                if other.kind == "peer" and other.state not in ENDED:
                    self._enter(other, DEAD_STATE, line.at)
            case "removed gone", "seed":
                self._off_lists[other] = None
            case "kicked", _:
                self._begin(node, GONE, line.at)
            case "registered", "seed":
                self._off_lists.pop(other, None)
            case "registered", "peer" if other.kind == "seed":
                node.seeds.add(other)
                self._enter(other, UP, line.at)
                if node.state == GONE:  # it was kicked until now
                    self._enter(node, JOINING, line.at)
                    for neighbour in list(node.says):
                        self._connected(node, neighbour, line.at)
            case "unregistered", _:
                node.seeds.discard(other)
                if other.kind == "seed" and not rest.startswith(REFUSED) and not any(
                        other in peer.seeds and peer.is_up() for peer in self.numbered):
                    self._enter(other, GONE, line.at)  # for all peers that tell of it

    def _connected(self, node: Node, other: Node, at: int) -> None:
        node.says.add(other)
        node.misses.pop(other, None)
        if node not in other.says or other in self._graph.links(node) or node is other or any(
                end.kind == "seed" or end.state in (LEFT, GONE) for end in (node, other)):
            return  # who leaves, or was kicked, has no links, although others may still connect
        for end in (node, other):
            end.parted.clear()
            end.deserted = 0
            self._off_lists.pop(end, None)
            self._graph.add(end)
            self._enter(end, UP, at)
        self._graph.link(node, other)

    def _disconnected(self, node: Node, other: Node, rest: str, at: int) -> None:
        reason, who = end_of_link(rest)
        node.says.discard(other)
        if reason in ("dead", "told dead", "left"):
            node.misses.pop(other, None)
        if other in self._graph.links(node):
            self._graph.unlink(node, other)
            if who == BROKEN:  # both ends count misses of the other
                node.parted.add(other)
                other.parted.add(node)
            other.deserted = at
            if reason != RENEWED:
                self._lose(other, at)
        if not node.says and reason != RENEWED:
            node.deserted = 0
            self._lose(node, at)

    def _lose(self, node: Node, at: int) -> None:
        """Call a peer without links lost, or a piece that has been silent since the others dropped
        it. All of it was killed or frozen then, and nobody else tells of its links."""
        piece = self._graph.of(node)
        if len(piece) == 1 or all(member.last < (member.deserted or at) for member in piece):
            for member in _by_number(piece):
                if member.state == UP:
                    self._enter(member, LOST, at)

    def _take_liveness(self, node: Node, line: Line) -> None:
        """Take a miss, or a reply after a miss or a death."""
        address, _, number = line.rest.rpartition(":")
        if (other := self.nodes.get(address)) is None:
            return
        if line.kind == "liveness missed":
            if COUNT.fullmatch(number):
                node.misses[other] = int(number)
                self.changes.append([line.at, line.kind, node.number, other.number, int(number)])
            return
        is_thawed = other.state == DEAD_STATE and self._graph.links(other)
        if node.misses.pop(other, None) is not None or is_thawed:
            self.changes.append([line.at, line.kind, node.number, other.number, number[:SHOWN]])
        if is_thawed:
            self._enter(other, UP, line.at)

    def _settle(self, node: Node, at: int) -> None:
        """Call a peer dead that seeds removed, and that has no witness."""
        if node.state in ENDED:
            del self._off_lists[node]
        elif node.state in (JOINING, LOST) and not any(
                witness.is_up() for witness in node.parted | self._graph.links(node)):
            self._enter(node, DEAD_STATE, at)

    def _enter(self, node: Node, state: str, at: int) -> None:
        if node.state == state:
            return
        node.before, node.state = node.state, state
        self.changes.append([at, "state", node.number, state])
        if state == UP and node.kind == "peer":
            self.expected |= node.bit
        else:
            self.expected &= ~node.bit


def _by_number(nodes: set[Node]) -> list[Node]:
    return sorted(nodes, key=lambda node: node.number)
