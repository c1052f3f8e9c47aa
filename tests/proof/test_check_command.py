"""The command `check`: its verdicts about several folders, as text and as JSON, what it says of
files that it cannot read, and how it names a message that did not arrive."""

import itertools
import json
import os

import pytest

from grapevine import runner
from grapevine.lab.proof import check
from grapevine.lab.proof.records import read_folder
from tests.tools.stories import tell

NOTHING = "(they are named peer_IP_PORT.txt)"
ROWS = ["gossips", "broadcast", "once", "latency", "liveness", "dead", "degrees", "pieces",
        "threads", "files"]
PORTS = (5001, 5002, 5003, 5004)
FOUR = "\n".join([
    *(f"0 {port} starts \n 0 {port} late:0.000" for port in (8080, *PORTS)),
    *(f"1 {port} joins 8080" for port in PORTS),
    *(f"2 {one} links {other}" for one, other in itertools.combinations(PORTS, 2)),
    *(f"2.5 {one} liveness request:@{other} until 10 \n 2.6 {one} asks {other} until 10"
      for one, other in zip(PORTS, reversed(PORTS))), "10 8080 peer list:@5001:1"])


def written(path, missing=None, text="message 3"):
    """A folder of four peers that are all linked; one of them, if it is named, misses a message."""
    path.mkdir()
    line = f"gmessage:1.000000:@5001:1:3:{text}"
    tell(path, FOUR, f"4 5001 generated:{line}",
         *[f"4.1 {port} received:@5001:{line}" for port in PORTS[1:] if port != missing])
    return path


def run(capfd, *arguments):
    """The exit code of the command, what it shows, and its error."""
    code = runner.main(["check", *map(str, arguments)])
    return code, *capfd.readouterr()


def failures(folder):
    """The lines below the row that tells of the deliveries."""
    lines = check.check_folder(folder)[1].splitlines()
    at = next(at for at, line in enumerate(lines) if line.startswith("broadcast  FAILS"))
    return [line.strip() for line in lines[at + 1:] if line.startswith(" ")]


# The folders.

def test_the_whole_proof_is_shown_of_one_folder(tmp_path, capfd):
    good, bad = written(tmp_path / "anna"), written(tmp_path / "carl", missing=5003)
    code, out, err = run(capfd, good)
    assert (code, err) == (0, "") and [
        line.split()[0] for line in out.splitlines()] == [*ROWS, "verdict"]
    assert "broadcast  holds   3 of 3 deliveries, 0 of them through others" in out
    code, out, err = run(capfd, bad)
    assert (code, err) == (1, "")
    assert f"\n{'':19}\"message 3\" of 5001 did not reach 5003\n" in out


def test_of_several_folders_each_has_a_verdict_and_what_fails(tmp_path, capfd):
    good, bad = written(tmp_path / "anna"), written(tmp_path / "carl", missing=5003)
    (tmp_path / "dora").mkdir()
    code, out, err = run(capfd, good, bad, tmp_path / "dora")
    assert (code, err) == (1, "")
    assert out.splitlines() == [
        f"holds  {good}",
        f"FAILS  {bad}",
        "       broadcast  FAILS   2 of 3 deliveries, 0 of them through others than the origin",
        '                          "message 3" of 5001 did not reach 5003',
        f"FAILS  {tmp_path / 'dora'}",
        f"       no output file of a peer in {tmp_path / 'dora'} {NOTHING}"]
    assert run(capfd, good, good) == (0, f"holds  {good}\n" * 2, "")


def test_the_rows_are_written_as_json_with_whole_names_and_all_failures(tmp_path, capfd):
    good, bad = written(tmp_path / "anna"), written(tmp_path / "carl", missing=5003)
    (tmp_path / "dora").mkdir()
    code, out, err = run(capfd, "--json", good, bad, tmp_path / "dora")
    assert (code, err) == (1, "")
    anna, carl, dora = map(json.loads, out.splitlines())
    assert [one["verdict"] for one in (anna, carl, dora)] == ["holds", "FAILS", "FAILS"]
    assert [one["folder"] for one in (anna, carl)] == [str(good), str(bad)]
    assert [row["name"] for row in anna["rows"]] == ROWS
    assert carl["rows"][ROWS.index("broadcast")] == {
        "name": "broadcast", "verdict": "FAILS",
        "figures": "2 of 3 deliveries, 0 of them through others than the origin",
        "details": ["127.0.0.1:5001:1:3 did not reach 127.0.0.1:5003"]}
    assert dora["rows"] == [] and dora["error"].endswith(NOTHING)


def test_a_folder_that_is_missing_or_none_or_hidden_is_a_line_of_error(tmp_path, capfd):
    assert run(capfd, tmp_path / "no") == (2, "", f"runner.py check: no folder {tmp_path}/no\n")
    (tmp_path / "file").write_text("")
    assert run(capfd, tmp_path / "file")[0] == 2
    if os.geteuid():  # root may read every folder
        hidden = written(tmp_path / "bert")
        hidden.chmod(0)
        assert run(capfd, hidden) == (1, "", f"runner.py check: {hidden}: Permission denied\n")
        hidden.chmod(0o700)


def test_a_folder_with_a_name_of_two_lines_or_of_300_letters_is_told_in_one_line(tmp_path, capfd):
    two, long = tmp_path / "two\nlines", tmp_path / ("n" * 300)
    shown = str(two).replace("\n", "?")
    assert run(capfd, two) == (2, "", f"runner.py check: no folder {shown}\n")
    assert run(capfd, long) == (2, "", f"runner.py check: no folder {long}\n")
    two.mkdir()
    assert run(capfd, two) == (1, f"no output file of a peer in {shown} {NOTHING}\n", "")
    assert run(capfd, two, two)[1].splitlines()[::2] == [f"FAILS  {shown}"] * 2


def test_a_folder_without_an_output_file_of_a_peer_says_how_these_are_named(tmp_path, capfd):
    assert run(capfd, tmp_path) == (1, f"no output file of a peer in {tmp_path} {NOTHING}\n", "")
    (tmp_path / "peer_1.txt").write_text("nothing\n")
    (tmp_path / "peer_2.txt").write_text("nothing\n")
    assert check.check_folder(tmp_path) == (
        "FAILS", f"no output file of a peer in {tmp_path} {NOTHING}; no started: line in "
                 "peer_1.txt and 1 more")


# Files.

def test_control_characters_of_files_that_others_wrote_do_not_reach_the_terminal(tmp_path, capfd):
    folder = written(tmp_path / "anna")
    with (folder / "peer_127.0.0.1_5001.txt").open("a") as file:
        file.write("2026-01-02 03:04:15.000000:failed:x\x1b[2Jcleared\n")
    (folder / "peer_\x1b[1mbold.txt").write_text("nothing\n")
    code, out, _ = run(capfd, folder)
    assert code == 1 and "?[2Jcleared" in out and "peer_?[1mbold.txt" in out
    assert all(character == "\n" or character.isprintable() for character in out)


@pytest.mark.parametrize("which", ["peer_*_5001.txt", "*.txt"])
def test_files_with_line_ends_of_windows_are_read_as_if_they_had_others(tmp_path, which):
    folder = written(tmp_path / "one")
    before = check.check_folder(folder)
    for path in folder.glob(which):
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert before[0] and check.check_folder(folder) == before


@pytest.mark.parametrize("content", [b"", b"node started\n", b"\xff\xfe2\x000\x00\n\x00",
                                     b"2026-01-02 03:04:05.000000:connected:127.0.0.1:5002\n",
                                     b"2026-01-02T03:04:05.000000:started:peer:127.0.0.1:5009\n",
                                     b"2026-W01-5 03:04:05.000000:started:peer:127.0.0.1:5009\n"])
def test_a_file_that_is_named_like_a_node_s_and_tells_of_none_is_named(tmp_path, content):
    folder = written(tmp_path / "one")
    before = check.check_folder(folder)[1].splitlines()
    (folder / "peer_127.0.0.1_5009.txt").write_bytes(content)
    verdict, text = check.check_folder(folder)
    assert verdict == "unclear" and text.splitlines() == [
        *before[:-2], "files      unclear 5 nodes have files",
        f"{'':19}peer_127.0.0.1_5009.txt is named like a node's file, and has no started: line",
        "verdict    unclear"]


@pytest.mark.parametrize("more, verdict", [("connected:127.0.0.1:5003", "unclear"),
                                           ("started:peer:127.0.0.1:5002", "holds")])
def test_a_damaged_line_within_a_life_makes_its_file_unclear(tmp_path, more, verdict):
    folder = written(tmp_path / "one")
    with (folder / "peer_127.0.0.1_5002.txt").open("ab") as file:
        file.write(b"2026-01-02 03:04:15.0000\xff0:conn\n\n2026-01-02 03:04:15.500000:"
                   + more.encode() + b"\n")
    rows = {row.name: row for row in check.prove(read_folder(folder))}
    assert rows["files"].verdict == verdict and (verdict == "holds" or rows["files"].details == [
        "there are damaged lines in the file of 127.0.0.1:5002"])


# The names of messages.

@pytest.mark.parametrize("text, shown", [
    ("", '""'), ("x" * 40, f'"{"x" * 40}"'), ("x" * 41, f'"{"x" * 39}…"'),
    ("at 127.0.0.1:5002", '"at 127.0.0.1:5002"'), ("127.0.0.1:5001:1:9", '"127.0.0.1:5001:1:9"'),
    ("a\x1b[31mb", '"a?[31mb"')])
def test_the_text_of_a_message_is_shown_as_it_is_but_short_and_printable(tmp_path, text, shown):
    folder = written(tmp_path / "one", missing=5003, text=text)
    assert failures(folder) == [f"{shown} of 5001 did not reach 5003"]


def test_peers_of_several_ips_are_named_by_their_addresses(tmp_path):
    folder = written(tmp_path / "one", missing=5003)
    for path in folder.iterdir():
        path.write_text(path.read_text().replace("127.0.0.1:5004", "127.0.0.2:5004"))
    assert failures(folder) == ['"message 3" of 127.0.0.1:5001 did not reach 127.0.0.1:5003']


def test_runs_of_one_peer_are_told_apart_by_their_starts(tmp_path):
    folder = written(tmp_path / "one", missing=5003)
    with (folder / "peer_127.0.0.1_5001.txt").open("a") as file:
        file.write("2026-01-02 03:04:15.500000:started:peer:127.0.0.1:5001\n"
                   "2026-01-02 03:04:16.000000:stopped:quit\n")
    [shown] = failures(folder)
    assert shown == '"message 3" of 5001 (started 2026-01-02 03:04:05) did not reach 5003'
