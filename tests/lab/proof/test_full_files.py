"""Files that are full: the check says which, and proves nothing about them from then on."""

import pytest

from gossip.lab.proof import check
from gossip.lab.proof.records import Records
from tests.tools.stories import PAIR, tell

UP = """
    0.0 8080 starts
    0.05 8080 lives until 70
    1.1 8080 registered:@5001
    1.1 8080 registered:@5002
    1.1 5001 registered:@8080
    1.1 5002 registered:@8080
    70 8080 refused:x
    1.1 5001 liveness request:@5002 until 70
    1.1 5002 liveness request:@5001 until 70
"""
HALF = PAIR.replace("2.5 5002 asks 5001 until 70", "2.5 5002 asks 5001 until 20")
FULL = "\n 20.6 5002 full:1"
CHAIN = """
    0.5 5003 starts
    1.1 5003 registered:@8080
    1.1 8080 registered:@5003
    1.0 5002 links 5003
    1.1 5003 liveness request:@5002 until 70
    2.0 5003 asks 5002 until 70
"""


def up(ports):
    """The story without what these nodes write after 20 seconds."""
    lines = [line for line in UP.splitlines() if not ("70 8080" in line and "8080" in ports)]
    return "\n".join(line.replace("until 70", "until 20")
                     if any(f" {port} liveness" in line for port in ports) else line
                     for line in lines)


def failing(folder, *stories):
    tell(folder, *stories)
    return [row.name for row in check.prove(Records(folder).refresh()) if row.holds is False]


def test_the_check_says_which_files_are_full_and_from_when_on(tmp_path):
    tell(tmp_path, up(("5002", "8080")), HALF, FULL, "30 8080 full:1 \n 40 8080 stopped:quit")
    holds, text = check.check_folder(tmp_path)
    assert holds, text
    assert "full              2 files reached their limit" in text
    assert ("127.0.0.1:5002 since 2026-01-02 03:04:25: nothing is proved about it from then on"
            in text)
    assert "seed 127.0.0.1:8080 since 2026-01-02 03:04:35: nothing is proved about it" in text


@pytest.mark.parametrize("story, lacks, other", [
    ("5 5001 says 1", 5002, 5001), ("30 5001 hears 5002/1 from 5002", 5002, 5001)])
def test_what_a_full_disk_refused_is_not_missed_in_a_file_that_tells_of_it(
        tmp_path, story, lacks, other):
    lost = "6 {} lost:1 lines could not be written here"
    assert failing(tmp_path, UP, PAIR, story) == ["broadcast"]
    assert failing(tmp_path, UP, PAIR, story, lost.format(other)) == ["broadcast"]
    assert failing(tmp_path, UP, PAIR, story, lost.format(lacks)) == []
    text = check.check_folder(tmp_path)[1]
    assert f"1 files lack lines that a full disk refused\n{'':18}127.0.0.1:{lacks}\n" in f"{text}\n"


def test_who_lacks_lines_need_not_tell_of_every_message_and_every_round(tmp_path):
    def found(*more):
        tell(tmp_path, up(("5002",)), PAIR, *more, gossip_count=5)
        return {row.name: row.details for row in check.prove(Records(tmp_path).refresh())
                if row.holds is False}
    rows = found()
    assert len(rows["gossips"]) == 2 and len(rows["liveness"]) == 1
    rows = found("6 5002 lost:1 lines could not be written here")
    assert rows["gossips"] == ["127.0.0.1:5001 generated 0 messages of 5"]
    assert "liveness" not in rows


def test_where_no_file_is_full_there_is_no_such_row(tmp_path):
    tell(tmp_path, UP, PAIR)
    assert "full" not in check.check_folder(tmp_path)[1]


FOUND = "25 5001 finds 5002 dead \n 25 5001 reports 5002 to 8080 \n 26 8080 removed:@5002:dead"


@pytest.mark.parametrize("story, healthy", [
    ("", False),  # without that line it has died, and is missed
    (FOUND, True),
    (FOUND + "\n 30 5001 says 1", True),  # it cannot write that it has received it,
    (FOUND + "\n 30 5001 hears 5002/1 from 5002", False),  # or that it has said it
    ("70 5002 stopped:interrupted", False),  # it was up, and asked nobody
    ("60 5001 parts 5002 closed by the other end", False),
])
def test_nothing_is_proved_about_a_peer_whose_file_is_full(tmp_path, story, healthy):
    assert failing(tmp_path, up(("5002",)), HALF, FULL, story) == []
    assert (failing(tmp_path, up(("5002",)), HALF, story) == []) is healthy


@pytest.mark.parametrize("story, row", [
    ("10 5001 says 1", "broadcast"),
    ("15 5001 hears 5002/1 from 5002", "broadcast"),  # nobody has said it
    ("10 5001 hears 5002/1 from 5002 \n 10.1 5001 hears 5002/1 from 5002"
     "\n 10 5002 says 1", "once"),
    ("10 5002 finds 5003 dead", "dead"),
    ("30 5002 failed:reader:x", "threads"),
])
def test_what_a_file_tells_before_it_is_full_is_proved(tmp_path, story, row):
    assert row in failing(tmp_path, up(("5002",)), HALF, FULL, story)


DIES = """
    0.5 5003 starts
    1.1 5003 registered:@8080
    1.1 8080 registered:@5003
    1.0 5001 links 5003
    1.0 5003 liveness request:@5001 until 20
    20 5001 parts 5003 closed by the other end
    23 5001 finds 5003 dead
"""


@pytest.mark.parametrize("full, healthy", [(23.05, True), (31, False)])
def test_a_seed_whose_file_is_full_may_have_done_what_it_should(tmp_path, full, healthy):
    told = "23.1 5001 reported:@8080:Dead Node:@5003:1.000000:@5001"
    found = failing(tmp_path, up(("8080",)), PAIR, DIES, told, f"{full} 8080 full:1",
                    "24 5001 told:@8080:Dead Node:@5003:1.000000:@5001" if healthy else "")
    assert ("dead" not in found) is healthy


def test_a_death_may_have_been_found_by_one_whose_file_is_full(tmp_path):
    dies = DIES.replace("5001", "5002") + """
        23.1 8080 dead report:Dead Node:@5003:1.000000:@5002
        24 8080 removed:@5003:dead
        1.0 5001 links 5003
        20 5001 parts 5003 closed by the other end
        24 5001 told:@8080:Dead Node:@5003:1.000000:@5002
    """
    silent = dies.replace("23 5002 finds 5003 dead", "")
    assert failing(tmp_path, up(("5002",)), HALF, silent, FULL) == []
    assert "dead" in failing(tmp_path, UP, PAIR, silent)


def test_the_pieces_of_a_graph_are_not_known_when_a_file_is_full(tmp_path):
    apart = CHAIN + """
        10 5001 parts 5002 closed by the other end
        10 5002 parts 5001 closed by the other end
    """
    assert "pieces" in failing(tmp_path, UP, PAIR, apart)
    assert "pieces" not in failing(tmp_path, up(("5002",)), HALF, apart, FULL)


def test_one_whose_file_is_full_has_not_left_the_graph(tmp_path):
    tell(tmp_path, up(("5002",)), HALF, CHAIN, FULL)
    pieces = next(row for row in check.prove(Records(tmp_path).refresh()) if row.name == "pieces")
    assert pieces.figures.startswith("the graph was never in more than one piece")


def test_who_is_started_again_and_has_no_room_did_not_live_meanwhile(tmp_path):
    half = PAIR.replace("5002 asks 5001 until 70", "5002 asks 5001 until 22")
    assert failing(tmp_path, up(("5002",)), half, "22 5002 stopped:interrupted", FOUND,
                   "22.1 5001 parts 5002 closed by the other end", "60 5002 full:1") == []
