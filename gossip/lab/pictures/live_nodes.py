"""The state of one node, and which other node a line of its file speaks of."""

import re

from gossip.addresses import parse_address
from gossip.lab.pictures.live_lines import Line
from gossip.lab.proof.events import BY_SEED, DEAD, REMOVED
from gossip.settings import Settings

JOINING, UP, LOST, DEAD_STATE, LEFT, GONE = "joining", "up", "lost", "dead", "left", "gone"
ENDED = {DEAD_STATE, LEFT, GONE}
# Kinds that are streamed as [TIME, KIND, NODE, OTHER, REST]; ALONE: OTHER is null.
ALONE = {"started", "stopped", "leaving", "full", "failed"}
ABOUT_OTHERS = {"connected", "disconnected", "dead", "registered", "unregistered", "removed",
                "reported", "rejected", "passed on", "kicked", "unconfirmed"}
NAMES_SEED = {"registered", "unregistered", "reported", "kicked"}  # in the file of a peer
MISSES = re.compile("(?:^|:)liveness-misses=([0-9]{1,6})(?:$|:)")  # in a `settings:` line
SHOWN = 200  # letters of a rest


class Node:
    """The state of a peer or a seed."""

    def __init__(self, number: int, address: str, kind: str):
        self.number = number
        self.bit = 1 << number  # in sets of nodes that are kept by the thousand, as numbers
        self.address = address
        self.kind = kind  # peer or seed
        self.state: str | None = None  # None: it has no file, and others only name it
        self.says: set[Node] = set()  # whom it calls its neighbours
        self.links: set[Node] = set()  # those of them that say the same
        self.last = 0  # time of the last line of its own
        self.deserted = 0  # time when another end dropped a link that it still tells; 0: none did
        self.parted: set[Node] = set()  # those whose links to it broke since it had its last one
        self.misses: dict[Node, int] = {}  # neighbour that does not answer it -> how often
        self.limit = Settings().liveness_misses  # misses after which it calls a neighbour dead
        self.seeds: set[Node] = set()  # of a peer: where it is registered, by its own word
        self.registered: set[Node] = set()  # of a seed: who is registered with it, by their word

    def is_up(self) -> bool:
        return self.state in (JOINING, UP)

    def forget_run(self) -> None:
        """Forget what its last run has said, but for its links."""
        for seed in self.seeds:
            seed.registered.discard(self)
        for peer in self.registered:
            peer.seeds.discard(self)
        for said in (self.registered, self.says, self.parted, self.seeds, self.misses):
            said.clear()
        self.deserted = 0

    def group(self) -> list["Node"]:
        """All nodes that links join with it, itself too, in the order of their numbers."""
        found, todo = {self}, [self]
        while todo:
            new = todo.pop().links - found
            found |= new
            todo += new
        return sorted(found, key=lambda node: node.number)


def silent(group: list[Node]) -> bool:
    """Whether the others dropped a group of nodes, and none of it has said anything since: then
    all of it was killed, or frozen, and its links are only told by the dead."""
    latest = max(node.deserted for node in group)
    return all(node.last < (node.deserted or latest) for node in group)


def as_events(nodes: list[Node], at: int) -> list[list]:
    """Return the present state, as events of that time: all nodes, and the states, links and misses
    of running ones."""
    events = [[at, "node", node.number, node.kind, node.address] for node in nodes]
    for node in nodes:
        if node.state is not None and (node.kind == "seed" or node.state not in ENDED):
            events.append([at, "state", node.number, node.state])
            events += [[at, "connected", node.number, number, ""]
                       for number in sorted(other.number for other in node.says)]
            events += [[at, "liveness missed", node.number, other.number, count]
                       for other, count in node.misses.items()]
    return events


def is_address(text: str) -> bool:
    """Whether this is an address in its usual spelling."""
    try:
        return str(parse_address(text)) == text
    except ValueError:
        return False


def split(line: Line) -> tuple[str | None, str]:
    """(the other node's address, what follows it) of a line about another node."""
    if line.kind in ("connected", "dead", "registered"):
        return line.rest, ""
    if line.kind in ("passed on", "rejected"):
        match = DEAD.match(line.rest)
        return (match[1], line.rest[match.end():].lstrip(":")) if match else (None, "")
    if line.kind == "removed":
        match = REMOVED.fullmatch(line.rest)
        return (match[1], match[2] + (f":{match[3]}" if match[3] else "")) if match else (None, "")
    match = BY_SEED.match(line.rest)
    return (match[1], match[2]) if match else (None, "")
