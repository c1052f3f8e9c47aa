"""The rows about messages, from output files of networks that never ran."""

import pytest

from gossip.proof import delivery
from gossip.proof.records import Records
from tests.tools.folders import Folder


def test_deliveries_to_who_joined_later_are_not_in_the_histogram(tmp_path):
    folder = Folder(tmp_path, 3, [(0, 1), (1, 2)])
    folder.gossip(folder.peers[0], 3, "message 1")
    folder.lines[folder.peers[2]] = [
        (7, f"started:peer:{folder.peers[2]}"),
        *((8, event) for _, event in folder.lines[folder.peers[2]] if "received" in event)]
    times, late = delivery.latencies(Records(folder.write()).refresh())
    assert late == 1 and times == [pytest.approx(0.01)]
