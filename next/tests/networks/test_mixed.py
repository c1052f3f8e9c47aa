"""Present and new programs in one network, with accidents: the present `check` finds no fault."""

import pytest

from tests.networks.mixed import play


@pytest.mark.slow
@pytest.mark.parametrize("chance", [1, 2])
def test_present_and_new_seeds_and_peers_make_one_network(chance):
    code, text = play(chance)
    assert code == 0, text
