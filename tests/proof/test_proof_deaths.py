"""The rows about who died, from output files of networks that never ran."""

import pytest

from gossip.proof import deaths
from gossip.proof.evidence import Proof
from gossip.proof.records import Records
from tests.tools.folders import Folder


@pytest.mark.parametrize("times, cut", [
    ((2.5, 2.5, 2.5), False),
    ((2.5, None, 2.5), True),
    ((2.5, 2.45, 2.4), False),
    ((2.4, 2.45, 2.5), True),  # cut off from c, when c was already cut off from the others
])
def test_a_living_peer_that_is_removed_fails_the_check_unless_it_was_cut_off(tmp_path, times, cut):
    folder = Folder(tmp_path, 4, [(0, 1), (1, 2), (2, 3), (0, 3)])
    a, b, c, d = folder.peers
    for at, one, other in zip(times, (a, b, c), (b, c, d)):
        if at is not None:
            folder.say(one, at, f"liveness reply:{other}:1.000")
    for at in range(3, 8):  # it is not frozen
        folder.say(d, at, f"liveness request:{c}")
    for seed_says in (f"dead report:Dead Node:{d}:1.000000:{a}", f"removed:{d}:dead"):
        folder.say(folder.seed, 5, seed_says)
    row = deaths.dead(Proof(Records(folder.write()).refresh()))
    assert row.holds is cut
    assert cut or row.details == [f"seed {folder.seed} removed {d}, which lived"]
