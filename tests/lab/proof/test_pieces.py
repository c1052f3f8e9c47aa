"""The pieces of a graph whose links come and go."""

import random

import pytest

from gossip.lab.proof import check
from gossip.lab.proof.graph import Pieces
from tests.tools.stories import PAIR, SEED, holds


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


@pytest.mark.parametrize("registered, came, healthy", [
    (True, 10, False), (True, 68, True), (False, 10, True)])
def test_a_registered_peer_that_never_had_a_neighbour_is_a_piece(tmp_path, registered, came,
                                                                 healthy):
    """It was up with others for long, unless it came late or could reach no seed."""
    reaches = "registered:@8080" if registered else "unregistered:@8080:Connection timed out"
    assert holds(tmp_path, SEED, PAIR, f"""
        1.0 5001 registered:@8080
        1.0 5002 registered:@8080
        {came} 5003 starts
        {came + 0.1} 5003 {reaches}
        {came + 0.2} 5003 lives until 70
    """, row=check.pieces) is healthy
