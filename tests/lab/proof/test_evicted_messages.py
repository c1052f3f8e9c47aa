"""Messages that others have evicted when somebody comes."""

import pytest

from gossip.lab.proof import evidence
from gossip.spread import room
from tests.tools.stories import PAIR, SEED, holds


def test_the_proof_knows_how_much_a_batch_may_evict():
    assert evidence.SPARED == room.SPARED


@pytest.mark.parametrize("lacks, healthy", [("5002/5", True), ("5002/6", False), ("5001/1", False)])
@pytest.mark.parametrize("kept", ["few", "few bytes"])
def test_who_comes_late_may_lack_the_oldest_messages_of_the_run_with_most(tmp_path, monkeypatch,
                                                                          lacks, healthy, kept):
    """There is room for eleven: the three of 5001, and eight of the twelve of 5002, of which a
    batch may take one more."""
    if kept == "few bytes":
        size = len("gmessage:1.000000:127.0.0.1:5001:1:1:x")
        monkeypatch.setattr(evidence, "USUAL", evidence.USUAL._replace(cache_bytes=11 * size + 20))
    said = [*(f"5001/{number}" for number in range(1, 4)),
            *(f"5002/{number}" for number in range(1, 13))]
    story = "".join(f"""
        {10 + number} {one[:4]} says {one[5:]}
        {10.5 + number} {'5002' if one[:4] == '5001' else '5001'} hears {one} from {one[:4]}
    """ for number, one in enumerate(said))
    heard = "".join(f"31 5003 hears {one} from 5001\n" for one in said if one != lacks)
    assert holds(tmp_path, SEED, PAIR, story, f"""
        30 5003 starts
        30.5 5003 links 5001
        30.5 5003 asks 5001 until 70
        30.5 5001 asks 5003 until 70
        {heard}
    """, cache_size=11 if kept == "few" else 1_000) is healthy
