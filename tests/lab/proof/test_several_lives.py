"""Peers that live more than once, or filter, and seeds whose files tell of more than theirs."""

import pytest

from gossip.lab.proof import check
from gossip.lab.proof.records import Records, read_folder
from tests.tools.stories import tell

STORY = """
    0.0 8080 starts
    0.05 8080 lives until 70
    0.5 5001 starts
    0.5 5002 starts
    0.5 5003 starts
    1.0 5001 links 5002
    1.0 5001 links 5003
    1.0 5002 links 5003
    1.1 8080 registered:@5001
    1.1 8080 registered:@5002
    1.1 8080 registered:@5003
    1.1 5001 registered:@8080
    1.1 5002 registered:@8080
    1.1 5003 registered:@8080
    2.0 5001 asks 5002 until 69
    2.0 5002 asks 5001 until 69
    2.0 5003 asks 5001 until 19
    2.1 5001 liveness request:@5002 until 69
    2.1 5002 liveness request:@5001 until 69
    2.1 5003 liveness request:@5001 until 19
    5 5001 says 1
    5.01 5002 hears 5001/1 from 5001
    5.01 5003 hears 5001/1 from 5001
    20 5001 parts 5003 closed by the other end
    20 5002 parts 5003 closed by the other end
    23.5 5001 finds 5003 dead
    23.5 5001 reports 5003 to 8080
    24.5 8080 removed:@5003:dead
"""
RETURNS = """
    40 5003 starts
    40.1 5003 registered:@8080
    40.1 8080 registered:@5003
    40.2 5003 links 5001
    40.2 5003 links 5002
    40.3 5003 hears 5001/1 from 5001
    41 5003 asks 5001 until 49
    41 5003 liveness request:@5001 until 49
    50 5001 parts 5003 closed by the other end
    50 5002 parts 5003 closed by the other end
"""
FOUND = """
    53.5 5001 finds 5003 dead
    53.5 5001 reported:@8080:Dead Node:@5003:2.000000:@5001
"""
REPORTED = """
    53.5 8080 dead report:Dead Node:@5003:2.000000:@5001
    54.5 8080 removed:@5003:dead
"""


def failing(folder, *stories, **settings):
    tell(folder, *stories, **settings)
    return [row.name for row in check.prove(Records(folder).refresh()) if row.holds is False]


@pytest.mark.parametrize("found, rows", [(FOUND, []), ("", ["dead"])])
def test_a_second_death_has_to_be_found_too(tmp_path, found, rows):
    assert failing(tmp_path, STORY, RETURNS, REPORTED, found) == rows


@pytest.mark.parametrize("instead, rows", [
    ("5.01 5002 forbidden:@5001:gmessage:1.000000:@5001:1:1:x", []), ("", ["broadcast"]),
    ("5.01 5002 forbidden:@5001:gmessage:1.000000:@5001:1:1:another text", ["broadcast"])])
def test_a_peer_that_filters_a_message_need_not_have_it(tmp_path, instead, rows):
    assert failing(tmp_path, STORY.replace("5.01 5002 hears 5001/1 from 5001", instead)) == rows


@pytest.mark.parametrize("monitor, rows", [("no", ["broadcast"]), ("yes", ["malicious"])])
def test_where_nobody_monitors_a_kick_excuses_nothing(tmp_path, monitor, rows):
    lie = "64 5002 kicked:@8080:0.500"
    assert failing(tmp_path, STORY, "65 5001 says 2", lie, monitor=monitor) == rows


@pytest.mark.parametrize("earlier", [True, False])
def test_a_seed_that_was_up_before_its_peers_has_no_wrong_clock(tmp_path, earlier):
    """It registered them the day before, and of that their own files tell nothing any more."""
    tell(tmp_path, STORY)
    for path in tmp_path.iterdir():
        path.write_text(path.read_text().replace("127.0.0.1:8080", "10.0.0.1:8080").replace(
            "127.0.0.1:50", "10.0.0.2:50"))
    seed = tmp_path / "seed_127.0.0.1_8080.txt"
    day_before = "2026-01-01 03:04:05.000000:"
    events = ["started:seed:10.0.0.1:8080", "late:0.000", "alive:1", "registered:10.0.0.2:5001",
              "removed:10.0.0.2:5001:left"] if earlier else []
    seed.write_text("".join(f"{day_before}{event}\n" for event in events) + seed.read_text())
    rows = {row.name: row for row in check.prove(read_folder(tmp_path))}
    assert [row for row in rows.values() if row.holds is False] == []
    assert not any("behind" in detail or "ahead" in detail for detail in rows["clocks"].details)
