"""Pieces: how many connected components a graph has, while links come and go.

Pure. A new link joins two pieces; the work is proportional to the smaller one. When a link goes,
two searches start at its ends and take turns. In a well connected graph they meet soon; in a
graph that fell apart the search of the smaller piece ends first.
"""

from collections.abc import Hashable, Iterable, Mapping


class Pieces:
    """A graph of nodes and links, and which piece each node belongs to."""

    def __init__(self, links: Mapping[Hashable, Iterable] | None = None):
        """`links`: each node of the graph, and the nodes that it is linked with; those that are not
        in the graph are left out."""
        self._links: dict[Hashable, set] = {}
        self._piece: dict[Hashable, int] = {}  # node -> number of its piece
        self._members: dict[int, set] = {}  # number of a piece -> its nodes
        self._last = 0
        links = links or {}
        for node in links:
            self.add(node)
        for node, others in links.items():
            for other in others:
                if other in self:
                    self.link(node, other)

    def __len__(self) -> int:
        """The number of pieces."""
        return len(self._members)

    def __contains__(self, node: Hashable) -> bool:
        return node in self._links

    def joined(self, one: Hashable, other: Hashable) -> bool:
        """Whether two nodes are in one piece."""
        return self._piece[one] == self._piece[other]

    def all(self) -> list[set]:
        """The nodes of each piece."""
        return [set(nodes) for nodes in self._members.values()]

    def add(self, node: Hashable) -> None:
        """Put in a node, a piece by itself."""
        if node not in self._links:
            self._links[node] = set()
            self._settle({node})

    def remove(self, node: Hashable) -> None:
        """Take a node out, with its links."""
        if node in self._links:
            for other in list(self._links[node]):
                self.unlink(node, other)
            del self._links[node]
            del self._members[self._piece.pop(node)]

    def link(self, one: Hashable, other: Hashable) -> None:
        """Link two nodes of the graph."""
        self._links[one].add(other)
        self._links[other].add(one)
        small, large = sorted((self._piece[one], self._piece[other]),
                              key=lambda piece: len(self._members[piece]))
        if small != large:
            moved = self._members.pop(small)
            self._members[large] |= moved
            self._piece.update(dict.fromkeys(moved, large))

    def unlink(self, one: Hashable, other: Hashable) -> None:
        """Take out a link."""
        if other not in self._links.get(one, ()):
            return
        self._links[one].discard(other)
        self._links[other].discard(one)
        cut_off = self._separate(one, other)
        if cut_off is not None:
            self._members[self._piece[one]] -= cut_off
            self._settle(cut_off)

    def _settle(self, nodes: set) -> None:
        """Make these nodes a piece of their own."""
        self._last += 1
        self._members[self._last] = nodes
        self._piece.update(dict.fromkeys(nodes, self._last))

    def _separate(self, one: Hashable, other: Hashable) -> set | None:
        """The nodes around one of the two, if no path joins them; None if one does."""
        mine, theirs = ({one}, [one]), ({other}, [other])
        while True:
            seen, todo = mine
            if not todo:
                return seen
            for node in self._links[todo.pop()]:
                if node in theirs[0]:
                    return None
                if node not in seen:
                    seen.add(node)
                    todo.append(node)
            mine, theirs = theirs, mine
