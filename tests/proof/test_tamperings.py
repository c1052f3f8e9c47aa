"""Tamperings: files of an honest network that were changed by hand fail the check, which names who
is concerned and what is wrong; untouched, they pass."""

import datetime

import pytest

from grapevine.lab.proof import check
from grapevine.lab.proof.disturbances import FAILS, HOLDS
from grapevine.lab.proof.records import Records
from tests.tools.folders import files_of, write_files

NETWORK = """schedule 7 seeds=3 capacity=fixed:3 gossip-count=20 gossip-interval=0.5 {}
0.000 start 127.0.0.1:4000 127.0.0.1:4001 127.0.0.1:4002
1.000 start 127.0.0.1:5000 127.0.0.1:5001 127.0.0.1:5002
1.000 start 127.0.0.1:5003 127.0.0.1:5004 127.0.0.1:5005
20.000 kill 127.0.0.1:5005""".format("liveness-interval=1 antientropy-interval=2 unrest=60")
LINES, GROUP = 400, 20  # received lines, of which each second is tampered with; at once
LATER = 1.5  # seconds


def later(at, seconds):
    moved = datetime.datetime.fromisoformat(at) + datetime.timedelta(seconds=seconds)
    return f"{moved:%Y-%m-%d %H:%M:%S.%f}"


def message_of(event):
    return ":".join(event.split("gmessage:")[1].split(":")[1:5])


@pytest.fixture(scope="module")
def files():
    return files_of(NETWORK, until=60.0)


def failing(records):
    return {row.name: row.details for row in check.prove(records) if row.verdict == FAILS}


def test_untouched_files_pass_the_check(files, tmp_path):
    verdict, text = check.check_folder(write_files(files, tmp_path))
    assert verdict == HOLDS, text


# 200 of 400 lines `received:`.

def deleted(at, event):
    return [], "broadcast", "{message} did not reach {peer}"


def doubled(at, event):
    return [(at, event)] * 2, "once", "{peer} received or generated {message} more than once"


def moved(at, event):
    """To a time before the message was generated, beyond any difference of clocks."""
    return [(later(at, -LATER), event)], "latency", "{message} reached {peer} 1."


def changed(at, event):
    return [(at, event + "!")], "broadcast", "{message} reached {peer} altered"


def from_a_stranger(at, event):
    line = event.partition(":gmessage:")[2]
    return ([(at, f"received:127.0.0.9:5000:gmessage:{line}")], "broadcast",
            "{message} came to {peer} from 127.0.0.9:5000, which was no neighbour")


@pytest.mark.parametrize("tamper", [deleted, doubled, moved, changed, from_a_stranger])
def test_each_received_line_that_is_tampered_with_is_named(files, tmp_path, tamper):
    lines = [(name, number) for name, lines in files.items()
             for number, (at, event) in enumerate(lines) if event.startswith("received:")
             and int(message_of(event).rpartition(":")[2]) > 4]  # others are near the start
    assert len(lines) >= LINES
    for group in range(0, LINES // GROUP, 2):
        changed_files = {name: list(lines) for name, lines in files.items()}
        expected = set()
        for name, number in sorted(lines[group:LINES:LINES // GROUP], reverse=True):
            at, event = files[name][number]
            instead, row, words = tamper(at, event)
            changed_files[name][number:number + 1] = instead
            changed_files[name].sort(key=lambda line: line[0])
            peer = name.removeprefix("peer_").removesuffix(".txt").replace("_", ":")
            expected.add(words.format(message=message_of(event), peer=peer))
        found = failing(Records(write_files(changed_files, tmp_path)).refresh())
        assert len(expected) == GROUP and row in found
        for words in expected:
            assert any(detail.startswith(words) for detail in found[row]), words


@pytest.mark.parametrize("seconds", [-4, 4])
def test_a_line_that_was_moved_but_stands_where_it_was_fails_the_check(files, tmp_path, seconds):
    for name, lines in files.items():
        for number in range(20, len(lines) - 2, len(lines) // 3):
            changed_files = {name: list(lines) for name, lines in files.items()}
            at, event = lines[number]
            changed_files[name][number] = (later(at, seconds), event)
            found = failing(Records(write_files(changed_files, tmp_path)).refresh())
            assert any("stands in the file of" in words for words in found["files"]), (name, at)
