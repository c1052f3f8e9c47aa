"""Ways of spreading in a network that monitors: of a tree's messages, some go to everybody.

Along a tree a neighbour is told to push nothing, so it would owe nothing. Therefore some lines go
to all neighbours, as in a flood, and neighbours are judged by these alone. All peers agree which.
"""

from zlib import crc32

from grapevine import wire
from grapevine.ways.tree import Tree

TO_ALL, PART = 100, 4  # the first numbers of a run, and one line of so many later on


class WatchedTree(Tree):
    def goes_to_all(self, line: bytes) -> bool:
        run, first = wire.gossip_key(line)
        return first <= TO_ALL or not crc32(b"%b:%d" % (run, first)) % PART
