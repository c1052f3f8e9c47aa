"""Files that were rotated: the pieces of a node are one file to the check, whatever their names."""

import gzip
import os
import shutil
import signal

import pytest

from gossip.lab.pictures.report import plot_folder
from gossip.lab.pictures.report import node_files
from gossip.lab.proof import check
from gossip.lab.proof.records import Records, pieces_in
from gossip.terminal.folders import clear_outputs
from tests.tools.files import copy, lines_of
from tests.tools.ports import free_addresses, free_range
from tests.tools.programs import Program, write_config
from tests.tools.stories import THREE, tell
from tests.tools.waiting import wait_until

NAMES = [(".2.gz", ".1", ""), ("-20261119", "-20261120.gz", ""), (".9", ".10", ".11")]


def pieces_of(path, early: int = 0) -> list[bytes]:
    """A file in three pieces. Of a truncated one, some lines stand before `continued:`."""
    lines = path.read_bytes().splitlines(keepends=True)
    node = lines[0][27:].split(b":", 1)[1].strip()
    start = (lines[1].rpartition(b":start=")[2].strip() if node.startswith(b"peer") else
             str(int(Records(path.parent).refresh().seeds[0].first * 1000)).encode())
    third = len(lines) // 3
    parts = [lines[:third], lines[third:2 * third], lines[2 * third:]]
    for part in parts[1:]:
        at = min(early, len(part) - 1)  # a seed that few peers have chosen has few lines
        part.insert(at, part[at][:27] + b"continued:" + node + b":" + start + b"\n")
    return [b"".join(part) for part in parts]


def rotate(folder, names, early=0):
    for path in sorted(folder.glob("*_*.txt")):
        only = folder / "alone"
        only.mkdir()
        parts = pieces_of(path.rename(only / path.name), early)
        shutil.rmtree(only)
        for part, name in zip(parts, names):
            opened = gzip.open if name.endswith(".gz") else open
            with opened(folder / f"{path.name}{name}", "wb") as file:
                file.write(part)


@pytest.mark.parametrize("names", NAMES)
@pytest.mark.parametrize("early", [0, 3])
def test_pieces_prove_what_the_whole_files_do(network, tmp_path, names, early):
    folder = copy(network, tmp_path)
    whole = check.check_folder(folder)
    shown = [(name, left_out) for name, _, left_out in node_files(folder)]
    rotate(folder, names, early)
    assert check.check_folder(folder) == whole and whole[0]
    assert [(name, left_out) for name, _, left_out in node_files(folder)] == shown
    assert len(plot_folder(folder)) == 3
    clear_outputs(folder)
    assert not list(folder.glob("*_*.txt*"))


def test_a_missing_beginning_is_a_failure_that_names_the_file(network, tmp_path):
    folder = copy(network, tmp_path)
    rotate(folder, (".2.gz", ".1", ""))
    peer, *_ = sorted(folder.glob("peer_*.2.gz"))
    seeds = sorted(folder.glob("seed_*.2.gz"))[:2]  # who died was registered with one of them
    peer.unlink()
    for seed in seeds:
        seed.write_bytes(seed.read_bytes()[:-20])  # damaged
    rows = {row.name: row for row in check.prove(Records(folder).refresh())
            if row.holds is False or row.name == "unread"}
    assert list(rows) == ["beginnings", "unread"], rows
    for path, detail in zip((peer, *seeds), rows["beginnings"].details):
        assert f"the file before {path.name.replace('.2.gz', '.1')} is missing" in detail
    assert rows["unread"].details == [seed.name for seed in seeds]


def test_a_first_life_whose_start_is_damaged_is_named_although_another_follows(tmp_path):
    tell(tmp_path, THREE, "30 5003 starts \n 40 5003 lives")
    path = tmp_path / "peer_127.0.0.1_5003.txt"
    assert "beginnings" not in check.check_folder(tmp_path)[1]
    path.write_text(path.read_text().replace(":started:", ":startd:", 1))
    holds, text = check.check_folder(tmp_path)
    assert not holds
    assert f"or the first started: line of {path.name} is damaged" in " ".join(text.split())


def test_a_line_of_the_life_before_may_stand_in_a_truncated_file_before_the_next(tmp_path):
    tell(tmp_path, THREE, "30 5003 starts \n 40 5003 lives")
    path = tmp_path / "peer_127.0.0.1_5003.txt"
    *before, last = path.read_text()[:path.read_text().rindex(":started:") - 26].splitlines(True)
    after = path.read_text().removeprefix("".join(before))
    assert after.startswith(last) and ":started:" in after
    path.with_name(f"{path.name}.1").write_text("".join(before))
    path.write_text(after)
    assert "beginnings" not in check.check_folder(tmp_path)[1]


def test_a_piece_of_another_life_is_no_beginning(network, tmp_path):
    folder = copy(network, tmp_path)
    rotate(folder, (".2.gz", ".1", ""))
    path = sorted(folder.glob("peer_*.txt.1"))[0]
    first, end, rest = path.read_bytes().partition(b"\n")
    path.write_bytes(first[:-1] + b"x\n" + rest)  # damaged: nobody's, as are all lines after it
    path.write_bytes(first.rpartition(b":")[0] + b":1\n" + rest)
    assert path.name in check.check_folder(folder)[1]


def test_a_life_that_begins_in_the_next_piece_ends_the_one_before(tmp_path):
    tell(tmp_path, THREE, "20 5003 links 5001 \n 30 5003 starts \n 40 5003 lives")
    whole = check.check_folder(tmp_path)
    path = tmp_path / "peer_127.0.0.1_5003.txt"
    begin = path.read_text().rindex("\n", 0, path.read_text().rindex(":started:")) + 1
    path.with_name(f"{path.name}.1").write_text(path.read_text()[:begin])
    path.write_text(path.read_text()[begin:])
    assert check.check_folder(tmp_path) == whole
    assert [run.superseded for run in Records(tmp_path).refresh().peers][-2:] == [True, False]


def test_records_read_a_file_bit_by_bit(network, tmp_path, monkeypatch):
    folder = copy(network, tmp_path)
    whole = check.check_folder(folder)
    rotate(folder, NAMES[0])
    monkeypatch.setattr("gossip.lab.proof.records.CHUNK", 1000)
    assert check.check_folder(folder) == whole


def test_a_file_that_is_renamed_just_before_it_is_read_is_not_read_as_another(
        network, tmp_path, monkeypatch):
    folder = copy(network, tmp_path)
    whole, records = check.check_folder(folder), Records(folder)
    path = sorted(folder.glob("peer_*.txt"))[0]
    first, *rest = pieces_of(path)
    path.write_bytes(first)

    def found(folder):
        yield from list(pieces_in(folder))
        path.rename(f"{path}.1")
        path.write_bytes(b"".join(rest))

    with monkeypatch.context() as patch:
        patch.setattr("gossip.lab.proof.records.pieces_in", found)
        records.refresh()
    assert check.check_records(records.refresh()) == whole


def test_records_follow_a_file_that_is_rotated_and_packed(network, tmp_path):
    whole, folder = tmp_path / "whole", tmp_path / "rotated"
    whole.mkdir()
    path = sorted(copy(network, whole).glob("peer_*.txt"))[0]
    parts = pieces_of(path)
    folder.mkdir()
    for other in whole.glob("*_*.txt"):
        shutil.copy(other, folder)
    path, records = folder / path.name, Records(folder)
    path.write_bytes(parts[0][:-30])
    records.refresh()
    path.write_bytes(parts[0])
    path.rename(folder / f"{path.name}.1")
    path.write_bytes(parts[1])
    records.refresh()
    (folder / f"{path.name}.1.gz").write_bytes(gzip.compress(parts[0]))
    (folder / f"{path.name}.1").unlink()
    shutil.copy(path, folder / f"{path.name}.2")
    path.write_bytes(parts[2])
    records.refresh()
    assert check.check_records(records) == check.check_folder(whole)
    assert records.refresh().unread() == []


@pytest.mark.slow
def test_a_network_whose_files_are_rotated_while_it_runs_is_proved(tmp_path):
    """By rename, by copy and truncate, and packed; the seeds' files, too."""
    config, out = write_config(tmp_path, free_addresses(3)), tmp_path / "out"
    fast = ("--gossip-interval", 0.25, "--gossip-count", 8, "--liveness-interval", 0.5,
            "--config", config, "--outputs", out)
    with Program("runner.py", "--peers", 4, "--base-port", free_range(4), *fast,
                 start_new_session=True) as runner:
        wait_until(lambda: said(out, "received:") > 8)
        for path in sorted(out.glob("*_*.txt")):
            path.rename(f"{path}.2")
        wait_until(lambda: said(out, "continued:") == 7)
        for path in sorted(out.glob("*.txt.2")):
            path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
            path.unlink()
        truncate(out, runner.process.pid)
        wait_until(lambda: said(out, "continued:") == 7)
        wait_until(lambda: "32 messages (32" in check.check_folder(out)[1])
        runner.process.send_signal(signal.SIGINT)
        code, text, err = runner.finish()
    assert err == "", text
    held, rows = check.check_folder(out)
    assert held and "4 runs generated 32 messages" in rows and "unread" not in rows, rows


def said(out, start: str) -> int:
    """How many lines of the files that are written to begin like that."""
    return sum(line.startswith(start) for path in out.glob("*_*.txt") for line in lines_of(path))


def truncate(out, runner: int) -> None:
    """Copy and truncate all files, between two lines of their nodes."""
    for number in (signal.SIGSTOP, signal.SIGCONT):
        if number == signal.SIGCONT:
            for path in out.glob("*_*.txt"):
                shutil.copy(path, f"{path}.1")
                os.truncate(path, 0)
        os.killpg(runner, number)
