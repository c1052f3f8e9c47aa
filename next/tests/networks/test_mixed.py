"""Present and new programs in one network, with accidents: the present `check` finds no fault."""

import pytest

from tests.networks.mixed import play


@pytest.mark.slow
@pytest.mark.parametrize("chance, ways", [(1, ("flood", "flood")), (2, ("flood", "flood")),
                                          (3, ("rumor", "rumor")), (4, ("tree", "tree"))])
def test_present_and_new_seeds_and_peers_make_one_network(chance, ways):
    code, text = play(chance, ways)
    assert code == 0, text
