"""The rows about who died, from output files of networks that never ran."""

import pytest

from gossip.proof import deaths
from gossip.proof.evidence import Proof
from gossip.proof.records import Records
from tests.tools.folders import Folder


@pytest.mark.parametrize("cut", [False, True])
def test_a_living_peer_that_is_removed_fails_the_check_unless_it_was_cut_off(tmp_path, cut):
    folder = Folder(tmp_path, 4, [(0, 1), (1, 2), (2, 3), (0, 3)])
    a, b, c, d = folder.peers
    for one, other in ((a, b), (c, d)) if cut else ((a, b), (b, c), (c, d)):
        folder.say(one, 2.5, f"liveness reply:{other}:1.000")
    for seed_says in (f"dead report:Dead Node:{d}:1.000000:{a}", f"removed:{d}:dead"):
        folder.say(folder.seed, 5, seed_says)
    row = deaths.dead(Proof(Records(folder.write()).refresh()))
    assert row.holds is cut
    assert cut or row.details == [f"seed {folder.seed} removed {d}, which lived"]
