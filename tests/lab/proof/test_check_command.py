"""The command `check`: what it says of files that it cannot read, how it names a message that did
not arrive, and its verdicts about several folders, as text and as JSON."""

import gzip
import json
import os

import pytest

from gossip.lab.pictures.report import plot_folder
from gossip.lab.proof import check
from tests.tools.folders import Folder
from tests.tools.programs import ROOT, run
from tests.tools.terminals import Terminal

ALL = [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]
NOTHING = "(they are named peer_IP_PORT.txt)"
ROWS = ["gossips", "broadcast", "once", "latency", "liveness", "dead", "degrees", "pieces",
        "threads"]


def written(path, missing=None, text="message 3", other_ip="127.0.0.1"):
    """A folder of four peers that are all linked; one of them, if it is named, misses a message."""
    path.mkdir()
    folder = Folder(path, 4, ALL, base=5001)
    folder.gossip(folder.peers[0], 4, text)
    if missing:
        lines = folder.lines[missing]
        lines[:] = [line for line in lines if not line[1].startswith("received:")]
    folder.write()
    for file in path.iterdir():
        file.write_text(file.read_text().replace("127.0.0.1:5004", f"{other_ip}:5004"))
    return path


def failures(text):
    """The lines below the row that tells of the deliveries."""
    lines = text.splitlines()
    at = next(at for at, line in enumerate(lines) if line.startswith("broadcast  FAILS"))
    return [line.strip() for line in lines[at + 1:] if line.startswith(" ")]


def test_a_message_that_did_not_arrive_is_named_by_its_text_and_its_whole_name_stands_in_the_report(
        tmp_path):
    folder = written(tmp_path / "one", missing="127.0.0.1:5003")
    holds, text = check.check_folder(folder)
    assert not holds and failures(text) == ['"message 3" of 5001 did not reach 5003']
    plot_folder(folder)
    report = (folder / "report.html").read_text()
    assert "<li>127.0.0.1:5001:1:10 did not reach 127.0.0.1:5003</li>" in report


@pytest.mark.parametrize("ip, says", [
    ("127.0.0.1", '"message 3" of 5001 did not reach 5003'),
    ("127.0.0.2", '"message 3" of 127.0.0.1:5001 did not reach 127.0.0.1:5003')])
def test_peers_are_named_by_their_ports_alone_while_all_have_one_ip(tmp_path, ip, says):
    folder = written(tmp_path / "one", missing="127.0.0.1:5003", other_ip=ip)
    assert failures(check.check_folder(folder)[1]) == [says]


@pytest.mark.parametrize("text, shown", [
    ("", '""'), ("x" * 40, f'"{"x" * 40}"'), ("x" * 41, f'"{"x" * 39}…"'),
    ("at 127.0.0.1:5002", '"at 127.0.0.1:5002"'), ("127.0.0.1:5001:1:9", '"127.0.0.1:5001:1:9"'),
    ("a\x1b[31mb", '"a?[31mb"')])
def test_the_text_of_a_message_is_shown_as_it_is_but_short_and_printable(tmp_path, text, shown):
    folder = written(tmp_path / "one", missing="127.0.0.1:5003", text=text)
    assert failures(check.check_folder(folder)[1]) == [f"{shown} of 5001 did not reach 5003"]


def test_runs_of_one_peer_are_told_apart_by_their_starts(tmp_path):
    folder = written(tmp_path / "one", missing="127.0.0.1:5003")
    with (folder / "peer_127.0.0.1_5001.txt").open("a") as file:
        file.write("2026-01-02 03:04:15.500000:started:peer:127.0.0.1:5001\n"
                   "2026-01-02 03:04:16.000000:stopped:quit\n")
    assert '"message 3" of 5001 (started 2026-01-02 03:04:05) did not reach 5003' in failures(
        check.check_folder(folder)[1])


@pytest.mark.parametrize("which", ["peer_*_5001.txt", "*.txt"])
def test_files_with_line_ends_of_windows_are_read_as_if_they_had_others(tmp_path, which):
    folder = written(tmp_path / "one")
    before = check.check_folder(folder)
    for path in folder.glob(which):
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert before[0] and check.check_folder(folder) == before


@pytest.mark.parametrize("content", [b"", b"node started\n", b"\xff\xfe2\x000\x00\n\x00",
                                     b"2026-01-02 03:04:05.000000:connected:127.0.0.1:5002\n"])
def test_a_file_that_is_named_like_a_node_s_and_tells_of_none_is_named(tmp_path, content):
    folder = written(tmp_path / "one")
    before = check.check_folder(folder)[1]
    (folder / "peer_127.0.0.1_5009.txt").write_bytes(content)
    assert check.check_folder(folder) == (True, f"""{before}
unread            files named like a node's, but without a started: line: 1
                  peer_127.0.0.1_5009.txt""")
    plot_folder(folder)
    assert "Which files are named like a node's" in (folder / "report.html").read_text()


def test_a_folder_without_an_output_file_of_a_peer_says_how_these_are_named(tmp_path):
    code, out, err = run("runner.py", "check", tmp_path)
    assert (code, out, err) == (1, f"no output file of a peer in {tmp_path} {NOTHING}\n", "")
    (tmp_path / "peer_1.txt").write_text("nothing\n")
    (tmp_path / "peer_2.txt").write_text("nothing\n")
    assert check.check_folder(tmp_path) == (
        False, f"no output file of a peer in {tmp_path} {NOTHING}; no started: line in peer_1.txt "
               "and 1 more")


def test_a_terminal_breaks_the_rows_between_words(tmp_path):
    written(tmp_path / "anna")
    with Terminal(ROOT / "runner.py", "check", "anna", width=60, cwd=tmp_path) as terminal:
        assert terminal.finish() == 0
        assert not terminal.glass.too_wide
        shown = terminal.texts()
    at = shown.index("broadcast  holds  3 of 3 deliveries, 0 of them through")
    assert shown[at + 1] == "                  others than the origin"


def test_of_several_folders_each_has_a_verdict_and_what_fails(tmp_path):
    good, bad = written(tmp_path / "anna"), written(tmp_path / "carl", missing="127.0.0.1:5003")
    (tmp_path / "dora").mkdir()
    code, out, err = run("runner.py", "check", good, bad, tmp_path / "dora")
    assert (code, err) == (1, "")
    assert out.splitlines() == [
        f"holds  {good}",
        f"FAILS  {bad}",
        "       broadcast  FAILS  2 of 3 deliveries, 0 of them through others than the origin",
        '                         "message 3" of 5001 did not reach 5003',
        f"FAILS  {tmp_path / 'dora'}",
        f"       no output file of a peer in {tmp_path / 'dora'} {NOTHING}"]
    assert run("runner.py", "check", good, good) == (0, f"holds  {good}\n" * 2, "")


def test_the_rows_are_written_as_json_with_whole_names_and_all_failures(tmp_path):
    good, bad = written(tmp_path / "anna"), written(tmp_path / "carl", missing="127.0.0.1:5003")
    (tmp_path / "dora").mkdir()
    code, out, err = run("runner.py", "check", "--json", good, bad, tmp_path / "dora")
    assert (code, err) == (1, "")
    anna, carl, dora = map(json.loads, out.splitlines())
    assert [one["holds"] for one in (anna, carl, dora)] == [True, False, False]
    assert [one["folder"] for one in (anna, carl)] == [str(good), str(bad)]
    assert [row["name"] for row in anna["rows"]] == ROWS
    broadcast = carl["rows"][ROWS.index("broadcast")]
    assert broadcast == {
        "name": "broadcast", "holds": False,
        "figures": "2 of 3 deliveries, 0 of them through others than the origin",
        "details": ["127.0.0.1:5001:1:10 did not reach 127.0.0.1:5003"]}
    assert dora["rows"] == [] and dora["error"].endswith(NOTHING)
    code, out, _ = run("runner.py", "check", good, "--json")
    assert code == 0 and json.loads(out) == anna


@pytest.fixture
def parts(tmp_path):
    """A folder of a network, two that have its files between them (of one peer, one has the second
    life and the other the first), and a third one with copies, some of them of earlier."""
    whole = written(tmp_path / "whole")
    anna, bert, copies = parts = [tmp_path / name for name in ("anna", "bert", "copies")]
    for number, path in enumerate(sorted(whole.iterdir())):
        for part in parts:
            part.mkdir(exist_ok=True)
        parts[number % 2].joinpath(path.name).write_bytes(path.read_bytes())
        (copies / path.name).write_bytes(path.read_bytes()[:400 * number or None])
    assert (bert / "peer_127.0.0.1_5002.txt").exists()
    again = ("2026-01-02 03:04:15.000000:started:peer:127.0.0.1:5002\n"
             "2026-01-02 03:04:15.000000:stopped:quit\n")
    (anna / "peer_127.0.0.1_5002.txt").write_text(again)
    with (whole / "peer_127.0.0.1_5002.txt").open("a") as file:
        file.write(again)
    return whole, anna, bert, copies


def test_files_of_several_folders_can_be_one_network_in_which_copies_count_once(parts):
    whole, anna, bert, copies = parts
    code, out, err = run("runner.py", "check", "--together", anna, copies, bert, anna)
    assert (code, out, err) == run("runner.py", "check", whole) and code == 0
    for folder, port in ((anna, 5001), (bert, 5004)):  # as a log collector may name them
        path = folder / f"peer_127.0.0.1_{port}.txt"
        for kept in (path, copies / path.name):
            kept.write_bytes(b"-- Logs begin\n" + kept.read_bytes())
        path.rename(folder / "peer_log.txt")
    rotated = bert / "peer_127.0.0.1_5002.txt.1.gz"  # its copy is shorter, and not packed
    rotated.write_bytes(gzip.compress((bert / rotated.stem.removesuffix(".1")).read_bytes()))
    (bert / rotated.stem.removesuffix(".1")).unlink()
    copy = copies / rotated.name.removesuffix(".1.gz")
    assert copy.stat().st_size > 100
    (copies / "peer_127.0.0.1_5002.txt.2.gz").write_bytes(rotated.read_bytes()[:200])  # damaged
    assert run("runner.py", "check", "--together", anna, copies, bert) == (code, out, err)
    shown = json.loads(run("runner.py", "check", "--json", "--together", anna, bert)[1])
    assert shown["folder"] == f"{anna} and {bert}" and shown["holds"]
    assert run("runner.py", "check", anna, bert)[0] == 1  # each by itself


def test_a_copy_that_tells_something_else_is_named(parts):
    _, anna, bert, copies = parts
    [path] = anna.glob("peer_*_5001.txt")
    copy = copies / path.name
    copy.write_text(path.read_text().replace("message 3", "massage 3"))
    code, out, err = run("runner.py", "check", "--together", anna, bert, copies)
    assert (code, out) == (1, "")
    one, other = sorted((path, copy))
    assert err == (f"runner.py check: {other} begins as a copy of {one}, and then differs: leave "
                   "the wrong one out\n")


def test_a_copy_beside_its_file_counts_once_and_one_that_differs_is_named(tmp_path):
    folder = written(tmp_path / "one")
    good = run("runner.py", "check", folder)
    path = folder / "peer_127.0.0.1_5001.txt"
    copy = folder / "peer_127.0.0.1_5001_copy.txt"
    copy.write_bytes(path.read_bytes())
    assert run("runner.py", "check", folder) == good and good[0] == 0
    copy.write_text(path.read_text().replace("message 3", "massage 3"))
    said = f"{copy} begins as a copy of {path}, and then differs: leave the wrong one out"
    assert run("runner.py", "check", folder) == (1, f"{said}\n", "")
    assert json.loads(run("runner.py", "check", "--json", folder)[1])["error"] == said
    assert run("runner.py", "plot", folder) == (1, "", f"runner.py plot: {said}\n")


def test_plot_draws_several_folders_or_all_of_them_into_the_first(parts):
    whole, anna, bert, copies = parts
    assert run("runner.py", "plot", "--together", anna, copies, bert)[0] == 0
    assert run("runner.py", "plot", whole)[0] == 0
    assert list(bert.glob("*.svg")) == list(copies.glob("*.html")) == []
    assert (anna / "degrees.svg").read_bytes() == (whole / "degrees.svg").read_bytes()
    code, out, _ = run("runner.py", "plot", bert, anna)
    assert code == 0 and [line.rpartition("/")[0] for line in out.splitlines()] == [
        str(bert)] * 3 + [str(anna)] * 3


def test_control_characters_of_files_that_others_wrote_do_not_reach_the_terminal(tmp_path):
    folder = written(tmp_path / "anna")
    with (folder / "peer_127.0.0.1_5001.txt").open("a") as file:
        file.write("2026-01-02 03:04:15.000000:failed:x\x1b[2Jcleared\n")
    (folder / "peer_\x1b[1mbold.txt").write_text("nothing\n")
    code, out, _ = run("runner.py", "check", folder)
    assert code == 1 and "?[2Jcleared" in out and "peer_?[1mbold.txt" in out
    assert all(character == "\n" or character.isprintable() for character in out)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read every folder")
def test_a_folder_that_may_not_be_read_is_named(tmp_path):
    good, hidden = written(tmp_path / "anna"), written(tmp_path / "bert")
    hidden.chmod(0)
    try:
        assert run("runner.py", "check", "--together", good, hidden) == (
            1, "", f"runner.py check: {hidden}: Permission denied\n")
    finally:
        hidden.chmod(0o700)
