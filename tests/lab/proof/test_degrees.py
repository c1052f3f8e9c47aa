"""The degrees of a network beside what its capacities predict."""

from gossip.addresses import address_of
from gossip.capacity import Capacity
from gossip.lab.proof import check
from gossip.lab.proof.graph import PowerLaw
from gossip.lab.proof.evidence import Proof
from gossip.lab.proof.records import Records
from tests.tools.folders import Folder


def test_the_degrees_row_shows_the_exponent_that_capacities_predict(tmp_path):
    rule = Capacity("powerlaw", 2.5)
    folder = Folder(tmp_path, 120, [], capacity="powerlaw 2.5")
    for peer in folder.peers:
        port = int(peer.rpartition(":")[2])
        folder.say(peer, 3, f"degree:{peer}=>{rule.of(address_of('127.0.0.1', port))}")
    law = PowerLaw(Records(folder.write()).refresh())
    assert law.fitted == law.predicted and law.degrees == law.capacities
    assert abs(law.fitted.exponent - 2.5) < 3 * law.fitted.error
    row = check.degrees(Proof(Records(tmp_path).refresh()))
    assert f"a = {law.fitted} for k from 3 to" in row.figures and "minimum 3" in row.figures
