"""Ways of spreading: which neighbours are told of a message, and when. Flood is the plain way.

    new(lines, source)     lines that are new here; `source` is the link that brought them, or None
    repeated(link, lines)  what a neighbour said, some lines of which are held already
    heard(link, status)    a status line of a neighbour
    ended(link)            a link of the node has ended
    finish()               the node leaves: tell what is held back, hold back nothing more
    has_room()             whether new messages may be made
    is_busy()              whether something is still being told
    counts()               what `status` shows
    goes_to_all(line)      whether neighbours are judged by a line: a tree sends it to all of them

The node calls these. A way uses of its node gossip_links(), now(), later(), schedule(), rng,
settings, messages and sync; it sends by `link.send`, which never waits and may end a link, but
calls nobody.
"""


class Flood:
    """New lines go to every neighbour but their source. Other ways override what they change."""

    def __init__(self, node):
        self.node = node

    def new(self, lines: list[bytes], source) -> None:
        self.push(lines, self.node.gossip_links(), source)

    @staticmethod
    def push(lines: list[bytes], links, *but) -> None:
        """Send lines over these links, but for some."""
        data = b"\n".join(lines) + b"\n"
        for link in links:
            if link not in but:
                link.send(data)

    def repeated(self, link, lines: list[bytes]) -> None:
        pass

    def heard(self, link, status) -> None:
        pass

    def ended(self, link) -> None:
        pass

    def finish(self) -> None:
        pass

    def has_room(self) -> bool:
        return True

    def is_busy(self) -> bool:
        return False

    def counts(self) -> dict[str, int]:
        return {}

    def goes_to_all(self, line: bytes) -> bool:
        return True


def make_way(node) -> Flood:
    """Return the way of spreading that the settings of a node name."""
    if node.settings.spread == "flood":
        return Flood(node)
    from grapevine.ways.rumors import Rumors
    from grapevine.ways.tree import Tree
    return {"rumor": Rumors, "tree": Tree}[node.settings.spread](node)
