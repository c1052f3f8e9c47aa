"""Who has to generate its messages, and what files of earlier versions prove of that."""

import pytest

from gossip.lab.proof import check, delivery
from tests.tools.stories import SEED, holds, tell


def generating(port, *times):
    return "".join(f"\n {at} {port} generated:gmessage:1.000000:@{port}:1:{number}:message {number}"
                   for number, at in enumerate(times, 1))


FROZEN = "7.4 5001 late:4.800 \n 7.5 5001 asks 5002"  # it goes on until


@pytest.mark.parametrize("times, awake, healthy", [
    ((1.5, 2.5, 42, 43), "41.9 5001 late:39.000", True),  # frozen for long
    ((1.5, 2.5, 7.5, 8.5), "7.4 5001 late:4.800", True),  # for 5 s
    ((1.5, 2.5, 16.0, 17.0), f"{FROZEN} until 17", True),  # it was late afterwards, and waited
    ((1.5, 2.5), f"{FROZEN} until 16", True),  # it ended meanwhile
    ((1.5, 2.5, 25.4, 26.4), f"{FROZEN} until 26", False),  # it waited for too long
    ((1.5, 2.5, 7.5, 8.5), "1.7 5001 asks 5002", False),  # it does not say that it was frozen
    ((1.5, 2.5, 3.5, 4.5), "1.7 5001 asks 5002 until 9", False),  # it fell silent
    ((1.5, 2.5, 3.5, 7.5, 8.5), "1.7 5001 asks 5002 until 9", False),  # for a while
    ((1.5, 4.0, 6.5, 9.0), "1.7 5001 asks 5002 until 9", False),  # it is slow
])
@pytest.mark.parametrize("liveness_interval", [1, 10])
def test_a_frozen_peer_need_not_generate_and_one_that_is_awake_has_to(tmp_path, times, awake,
                                                                      healthy,
                                                                      liveness_interval):
    proof = tell(tmp_path, SEED, "0.5 5001 starts \n 1 5001 connected:@5002", awake,
                 generating(5001, *times), gossip_count=10,
                 liveness_interval=liveness_interval)
    assert delivery.gossips(proof).holds is healthy


def test_who_has_said_everything_is_not_late_in_the_silence_after_that(tmp_path):
    proof = tell(tmp_path, SEED, "0.5 5001 starts \n 1 5001 connected:@5002",
                 generating(5001, 1.5, 2.5), "8.5 5001 asks 5002", gossip_count=2,
                 gossip_interval=1, liveness_interval=10)
    assert delivery.gossips(proof).figures == "1 runs generated 2 messages (2 were due)"


def test_a_file_of_an_earlier_version_is_named_and_proves_less(tmp_path):
    tell(tmp_path, SEED, "0.5 5001 starts \n 1 5001 connected:@5002",
         generating(5001, 1.5, 2.5), "2 5001 asks 5002 until 9", gossip_count=10)
    assert "gossips    FAILS" in check.check_folder(tmp_path)[1]
    path = tmp_path / "peer_127.0.0.1_5001.txt"
    path.write_text(path.read_text().replace("late:0\n", "earlier:\n"))
    text = check.check_folder(tmp_path)[1]
    assert "gossips    FAILS" in text  # nothing excuses it
    assert "earlier           1 runs of an earlier version: they prove less" in text
