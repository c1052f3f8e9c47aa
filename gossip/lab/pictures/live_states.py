"""The rules of the live page: in which state each node is, by the lines of all files.

A peer is `joining` until its first link, then `up`. It is `lost` when all its connections broke
and nothing else is known yet, until it connects again. It is `dead` once a neighbour or a seed says
so, `left` when it says goodbye, and `gone` when its run ended in another way. A seed is `up` or
`gone`. A link is there while both of its ends say `connected`: what a killed or frozen peer did not
write any more needs no guess. Peers that are `joining` or `up` count as up.

Values in, events of the stream out; no clock. Nodes are numbered in the order in which they are
named first; beyond the first 5,000 they are left out.
"""

from gossip.lab.pictures.live_lines import VANISHED, Line
from gossip.lab.pictures.live_nodes import (
    ABOUT_OTHERS, ALONE, DEAD_STATE, ENDED, GONE, JOINING, LEFT, LOST, MISSES, NAMES_SEED, SHOWN,
    UP, Node, is_address, silent, split)
from gossip.lab.proof.deaths import PARTED
from gossip.lab.proof.graph import Pieces

NODES = 5_000


class States:
    """The states of all nodes, and the links between them."""

    def __init__(self):
        self.nodes: dict[str, Node] = {}
        self.numbered: list[Node] = []
        self.pieces = Pieces()  # peers that are up, from their first link on
        self.ended: list[Node] = []  # peers of which a run ended, until somebody takes them out
        self.expected = 0  # the bits of these: whom a message is to reach that is said now
        self._degrees: list[int] | None = []  # None: something has changed
        self._off_lists: dict[Node, None] = {}  # peers that a seed has removed, as they were gone
        self._unsettled = False  # somebody may have died of whom nobody is left to tell
        self._events: list[list] = []

    def degrees(self) -> list[int]:
        """The degrees of all peers that are up and had a link, in order. A link counts as long as
        both of its ends are up."""
        if self._degrees is None:
            peers = set().union(*self.pieces.all())
            self._degrees = sorted([len(node.links & peers) for node in peers])
        return self._degrees

    def links(self) -> int:
        """The number of links between peers that are up."""
        return sum(self.degrees()) // 2

    def up(self, kind: str) -> list[Node]:
        """The peers, or the seeds, that are up."""
        return [node for node in self.nodes.values() if node.kind == kind and node.is_up()]

    def node(self, address: str, at: int, kind: str = "peer") -> Node | None:
        """The node at an address, introduced if it is named first; None beyond the limit, or
        when that is no address."""
        node = self.nodes.get(address)
        if node is None and len(self.nodes) < NODES and is_address(address):
            node = self.nodes[address] = Node(len(self.nodes), address, kind)
            self.numbered.append(node)
            self._events.append([at, "node", node.number, kind, address])
        return node

    def events(self) -> list[list]:
        """Return the events to be streamed since the last call, in order."""
        events, self._events = self._events, []
        return events

    def take(self, line: Line, is_seed: bool) -> None:
        """Take a line that is no delivery, of the file of a seed or of a peer."""
        node = self.node(line.node, line.at, "seed" if is_seed else "peer")
        if node is None:
            return
        self.heard(node, line.at)
        if node.kind == "seed" and node.state == GONE and line.kind not in (
                "stopped", "failed", VANISHED):
            self._enter(node, UP, line.at)  # it speaks
        if line.kind in ALONE:
            self._events.append([line.at, line.kind, node.number, None, line.rest[:SHOWN]])
            self._take_alone(node, line)
        elif line.kind in ABOUT_OTHERS:
            self._take_about(node, line)
        elif line.kind == "continued" and (node.state is None or node.state in ENDED):
            self._enter(node, UP if node.kind == "seed" else JOINING, line.at)
        elif line.kind == VANISHED and node.state not in ENDED:
            self._end(node, GONE, line.at)
        elif line.kind in ("liveness missed", "liveness reply"):
            self._take_liveness(node, line)
        elif line.kind == "settings" and MISSES.search(line.rest):
            node.limit = int(MISSES.search(line.rest)[1])
        while self._unsettled:
            self._unsettled = False
            self._settle(line.at)

    def heard(self, node: Node, at: int) -> None:
        """A node has written a line. A group that was taken for silent is not."""
        node.last = at
        if node.state == LOST and node.links:
            for member in node.group():
                self._enter(member, UP, at)
                self._join_graph(member)

    # Lines about the node itself.

    def _take_alone(self, node: Node, line: Line) -> None:
        if line.kind == "started":
            if node.state is not None:
                self._end_last_run(node)
            self._forget_run(node)
            self._enter(node, UP if node.kind == "seed" else JOINING, line.at)
        elif line.kind == "leaving":
            self._end(node, LEFT, line.at)
        elif line.kind in ("stopped", "full") and node.state != LEFT:
            self._end(node, LEFT if line.rest == "quit" and node.kind == "peer" else GONE, line.at)

    def _end(self, node: Node, state: str, at: int) -> None:
        self._forget_run(node)
        self._enter(node, state, at)

    def _end_last_run(self, node: Node) -> None:
        """The new run lacks what the last one was to get, and counts nobody's answers."""
        if node.kind == "peer" and node.state not in ENDED:
            self.ended.append(node)
        for other in self.numbered:
            other.parted.discard(node)
        self._unsettled = bool(self._off_lists)

    def _forget_run(self, node: Node) -> None:
        """Forget what the last run of a node has said, and what its neighbours said of that."""
        for other in list(node.links):
            self._unlink(node, other)
            other.says.discard(node)
        node.forget_run()
        self._off_lists.pop(node, None)
        self._leave_graph(node)

    # Lines about another node.

    def _take_about(self, node: Node, line: Line) -> None:
        address, rest = split(line)
        is_seed = node.kind == "peer" and line.kind in NAMES_SEED
        other = None if address is None else self.node(
            address, line.at, "seed" if is_seed else "peer")
        if other is None:
            return
        self._events.append([line.at, line.kind, node.number, other.number, rest[:SHOWN]])
        handler = self._ABOUT.get(line.kind)
        if handler is not None:
            handler(self, node, other, rest, line.at)

    def _connected(self, node: Node, other: Node, rest: str, at: int) -> None:
        node.says.add(other)
        node.misses.pop(other, None)
        if node not in other.says or other in node.links or node is other or any(
                end.kind == "seed" or end.state == LEFT for end in (node, other)):
            return  # of who leaves, and is met meanwhile, no link counts
        node.links.add(other)
        other.links.add(node)
        for end in (node, other):
            end.parted.clear()
            end.deserted = 0
            self._off_lists.pop(end, None)
            self._enter(end, UP, at)
            self._join_graph(end)
        self._link_in_graph(node, other)

    def _disconnected(self, node: Node, other: Node, rest: str, at: int) -> None:
        node.says.discard(other)
        if rest in ("dead", "told dead", "left"):
            node.misses.pop(other, None)
        if other in node.links:
            self._unlink(node, other)
            if rest not in PARTED:  # it broke: both ends count whether the other one still answers
                node.parted.add(other)
                other.parted.add(node)
            if node in other.says:
                other.deserted = at
            self._lose(other, at)
        if not node.says:
            node.deserted = 0
            self._lose(node, at)

    def _lose(self, node: Node, at: int) -> None:
        """A peer that has no connection any more is lost, and so is a silent group."""
        if node.links and not node.deserted:
            return
        group = node.group()
        if not node.links or silent(group):
            for member in group:
                if member.state == UP:
                    self._enter(member, LOST, at)

    def _found_dead(self, node: Node, other: Node, rest: str, at: int) -> None:
        node.misses.pop(other, None)
        self._die(other, at)

    def _removed(self, node: Node, other: Node, rest: str, at: int) -> None:
        if node.kind != "seed":
            return
        if rest == "dead":
            self._die(other, at)
        elif rest == "gone":
            self._off_lists[other] = None
            self._unsettled = True

    def _passed_on(self, node: Node, other: Node, rest: str, at: int) -> None:
        if node.kind == "seed":
            self._die(other, at)

    def _kicked(self, node: Node, other: Node, rest: str, at: int) -> None:
        self._end(node, GONE, at)

    def _registered(self, node: Node, other: Node, rest: str, at: int) -> None:
        if node.kind == "seed":
            self._off_lists.pop(other, None)
        elif other.kind == "seed":
            node.seeds.add(other)
            other.registered.add(node)
            self._enter(other, UP, at)

    def _unregistered(self, node: Node, other: Node, rest: str, at: int) -> None:
        node.seeds.discard(other)
        other.registered.discard(node)
        if other.kind == "seed" and not any(peer.is_up() for peer in other.registered):
            self._enter(other, GONE, at)  # so it is for all who tell of it

    _ABOUT = {"connected": _connected, "disconnected": _disconnected, "dead": _found_dead,
              "removed": _removed, "passed on": _passed_on, "kicked": _kicked,
              "registered": _registered, "unregistered": _unregistered}

    def _take_liveness(self, node: Node, line: Line) -> None:
        """A miss; or a reply, which matters where there had been a miss, or after a death."""
        address, _, number = line.rest.rpartition(":")
        other = self.nodes.get(address)
        if other is None:
            return
        if line.kind == "liveness missed":
            if number.isascii() and number.isdigit() and len(number) <= 6:
                node.misses[other] = int(number)
                self._events.append([line.at, line.kind, node.number, other.number, int(number)])
            return
        is_thawed = other.state == DEAD_STATE and other.links
        if node.misses.pop(other, None) is not None or is_thawed:
            self._events.append([line.at, line.kind, node.number, other.number, number[:SHOWN]])
            if is_thawed:
                self._enter(other, UP, line.at)
                self._join_graph(other)

    # Deaths.

    def _die(self, node: Node, at: int) -> None:
        if node.kind == "peer" and node.state not in ENDED:
            self._enter(node, DEAD_STATE, at)

    def _settle(self, at: int) -> None:
        """A peer without links that seeds have removed is dead when nobody is left who counts
        whether it answers."""
        for node in list(self._off_lists):
            if node.state in ENDED:
                del self._off_lists[node]
            elif node.state in (JOINING, LOST) and not any(
                    witness.is_up() for witness in node.parted | node.links):
                self._enter(node, DEAD_STATE, at)

    def _enter(self, node: Node, state: str, at: int) -> None:
        if node.state == state:
            return
        node.state = state
        self._events.append([at, "state", node.number, state])
        if state in (LOST, *ENDED):
            self._leave_graph(node)
            self._unsettled |= bool(self._off_lists)
        if state in ENDED and node.kind == "peer":
            self.ended.append(node)

    # The graph of the peers that are up.

    def _unlink(self, node: Node, other: Node) -> None:
        self._degrees = None
        node.links.remove(other)
        other.links.remove(node)
        self.pieces.unlink(node, other)

    def _join_graph(self, node: Node) -> None:
        if node not in self.pieces:
            self._degrees = None
            self.expected |= node.bit
            self.pieces.add(node)
            for other in node.links:
                self._link_in_graph(node, other)

    def _leave_graph(self, node: Node) -> None:
        self._degrees = None
        self.expected &= ~node.bit
        self.pieces.remove(node)

    def _link_in_graph(self, node: Node, other: Node) -> None:
        self._degrees = None
        if node in self.pieces and other in self.pieces:
            self.pieces.link(node, other)
