"""The rows about messages, from output files of networks that never ran."""

import pytest

from gossip.lab.proof import delivery
from gossip.lab.proof.records import Records
from tests.tools.folders import Folder
from tests.tools.stories import PAIR, THREE, tell


def test_deliveries_to_who_joined_later_are_not_in_the_histogram(tmp_path):
    folder = Folder(tmp_path, 3, [(0, 1), (1, 2)])
    folder.gossip(folder.peers[0], 3, "message 1")
    folder.lines[folder.peers[2]] = [
        (7, f"started:peer:{folder.peers[2]}"),
        *((8, event) for _, event in folder.lines[folder.peers[2]] if "received" in event)]
    times, late = delivery.latencies(Records(folder.write()).refresh())
    assert late == 1 and times == [pytest.approx(0.01)]


@pytest.mark.parametrize("generated, healthy", [(3.0, True), (4.0, True), (4.2, False)])
def test_nothing_is_received_more_than_a_second_before_it_was_generated(tmp_path, generated,
                                                                        healthy):
    row = delivery.latency(tell(tmp_path, PAIR, f"{generated} 5001 says 7",
                                "3.1 5002 hears 5001/7 from 5001"))
    assert row.holds is healthy
    assert healthy or row.details == ["127.0.0.1:5001:1:7 reached 127.0.0.1:5002 1.10 s before "
                                      "127.0.0.1:5001 generated it"]


def test_a_peer_without_a_file_is_named_once_and_its_messages_are_no_missing_deliveries(tmp_path):
    row = delivery.broadcast(tell(tmp_path, THREE, """
        3.0 5001 hears 5009/1 from 5002
        3.0 5001 hears 5009/2 from 5002
    """))
    assert not row.holds and row.figures.startswith("2 of 2 deliveries, ")
    assert "there is no file of 127.0.0.1:5009, whose messages others received (2)" in row.details
