"""The pieces of a graph whose links come and go."""

import random

from gossip.lab.proof.graph import Pieces


def test_pieces_agree_with_a_search_of_the_whole_graph():
    rng = random.Random(7)
    for _ in range(30):
        pieces, nodes, links = Pieces(), set(), set()
        for _ in range(200):
            node, other = rng.sample(range(12), 2)
            turn = rng.random()
            if turn < 0.2:
                pieces.add(node)
                nodes.add(node)
            elif turn < 0.25:
                pieces.remove(node)
                nodes.discard(node)
                links = {link for link in links if node not in link}
            elif turn < 0.65 and node in nodes and other in nodes:
                pieces.link(node, other)
                links.add(frozenset((node, other)))
            else:
                pieces.unlink(node, other)
                links.discard(frozenset((node, other)))
            assert len(pieces) == count_pieces(nodes, links)


def count_pieces(nodes, links):
    left, count = set(nodes), 0
    while left:
        count += 1
        todo = [left.pop()]
        while todo:
            at = todo.pop()
            found = {other for link in links if at in link for other in link} & left
            left -= found
            todo += found
    return count
