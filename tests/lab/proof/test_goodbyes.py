"""What a peer says before it leaves has arrived where its goodbye has."""

import pytest

from gossip.lab.proof import delivery
from tests.tools.stories import tell

STORY = """
    0 5001 starts
    0 5002 starts
    0 5003 starts
    1 5001 links 5002
    1 5001 links 5003
    1 5002 links 5003
    20 5003 says 1
    {heard}
    20.3 5003 leaving:@5003
    20.5 5001 parts 5003 {reason}
    20.5 5002 parts 5003 {reason}
    20.5 5003 parts 5001 left
    20.5 5003 parts 5002 left
    20.6 5003 stopped:quit
    0 5001 lives until 40
    0 5002 lives until 40
"""


@pytest.mark.parametrize("reason, settings, heard, healthy", [
    ("left", {}, "", False),
    ("left", {}, "20.1 5001 hears 5003/1 from 5003\n20.2 5002 hears 5003/1 from 5001", True),
    ("left", {"spread": "rumor"}, "", True),  # a rumor is told to one after the other
    ("closed by the other end", {}, "", True),  # it died instead
])
def test_what_was_said_just_before_a_goodbye_came_before_it(tmp_path, reason, settings, heard,
                                                            healthy):
    proof = tell(tmp_path, STORY.format(reason=reason, heard=heard), **settings)
    assert delivery.broadcast(proof).holds == healthy
