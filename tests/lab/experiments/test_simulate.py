"""`runner.py simulate`, as a user runs it."""

import os
import signal
import subprocess
import sys

import pytest

from gossip.lab.proof import check
from gossip.terminal.folders import reserved
from tests.tools.processes import children, living
from tests.tools.programs import ROOT
from tests.tools.waiting import wait_until


def simulate(*arguments, hash_seed="0"):
    return subprocess.run(
        [sys.executable, "-S", "runner.py", "simulate", *map(str, arguments)], cwd=ROOT, text=True,
        capture_output=True, stdin=subprocess.DEVNULL, timeout=300,
        env={**os.environ, "PYTHONHASHSEED": hash_seed})


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_one_schedule_shows_its_accidents_the_proof_and_the_verdict(tmp_path):
    shown = simulate("--schedule", 4, "--outputs", tmp_path)
    lines = shown.stdout.splitlines()
    assert shown.returncode == 0 and shown.stderr == ""
    assert lines[0].startswith("schedule 4 seeds=") and "0.000 start 127.0.0.1:4000" in lines
    assert [line.split()[0] for line in lines if line[:10].strip() in (
        "broadcast", "once", "dead", "pieces", "threads", "verdict")] == [
        "broadcast", "once", "dead", "pieces", "threads", "verdict"]
    holds, proof = check.check_folder(tmp_path)  # the files are those of a live network
    assert holds and proof in shown.stdout


@pytest.mark.parametrize("number, flags", [
    (2, ["--sign"]), *(pytest.param(number, [], marks=pytest.mark.slow) for number in (4, 8))])
def test_a_schedule_gives_the_same_bytes_whatever_the_hashes_are(number, flags, tmp_path):
    for folder, seed in ("one", "0"), ("other", "424"):
        assert simulate("--schedule", number, *flags, "--outputs", tmp_path / folder,
                        hash_seed=seed).returncode == 0
    assert files(tmp_path / "one") == files(tmp_path / "other") != {}
    simulate("--schedule", number + 1, "--outputs", tmp_path / "next")
    assert files(tmp_path / "one") != files(tmp_path / "next")


def test_peers_and_seeds_are_as_many_as_asked_for_and_only_accidents_before_the_end_are_shown(
        tmp_path):
    shown = simulate("--peers", 15, "--seeds", 2, "--schedule", 9, "--until", 12,
                     "--outputs", tmp_path)
    assert shown.returncode == 0 and "verdict    holds  12 simulated seconds" in shown.stdout
    times = [float(line.split()[0]) for line in shown.stdout.splitlines()
             if line[:1].isdigit()]
    assert times == sorted(times) and times[-1] <= 12
    assert len(list(tmp_path.glob("peer_*"))) == 15 and len(list(tmp_path.glob("seed_*"))) == 2


def test_a_folder_that_cannot_be_written_is_told_before_anything_is_played(tmp_path):
    (tmp_path / "file").write_text("no folder")
    shown = simulate("--outputs", tmp_path / "file")
    assert shown.returncode == 1 and shown.stdout == "" and "cannot write into" in shown.stderr


def test_the_folder_of_a_network_that_runs_is_left_alone(tmp_path):
    (tmp_path / "peer_127.0.0.1_5000.txt").write_text("of a network\n")
    with reserved(tmp_path):
        shown = simulate("--outputs", tmp_path)
    assert shown.returncode == 1 and "another network writes into" in shown.stderr
    assert (tmp_path / "peer_127.0.0.1_5000.txt").read_text() == "of a network\n"


def test_a_schedule_that_was_shown_can_be_played_from_a_file(tmp_path):
    shown = simulate("--schedule", 4, "--peers", 5, "--outputs", tmp_path / "one")
    (tmp_path / "schedule.txt").write_text("\ufeff" + shown.stdout)  # as some editors save it
    again = simulate("--file", tmp_path / "schedule.txt", "--outputs", tmp_path / "other")
    assert again.returncode == 0 and files(tmp_path / "one") == files(tmp_path / "other") != {}


@pytest.mark.parametrize("text", [None, "plan 1", "schedule 1\n1.0 burn 127.0.0.1:5000"])
def test_a_file_that_is_no_schedule_is_told_in_one_line(text, tmp_path):
    if text is not None:
        (tmp_path / "schedule.txt").write_text(text)
    shown = simulate("--file", tmp_path / "schedule.txt")
    assert shown.returncode == 2 and len(shown.stderr.splitlines()) == 1
    assert "schedule.txt: " in shown.stderr


@pytest.mark.parametrize("flags", [
    ["--gentle"], pytest.param(["--sign"], marks=pytest.mark.slow)])
def test_many_schedules_tell_how_many_held_and_how_fast(flags):
    shown = simulate("--schedules", 3, "--from", 26, *flags)
    assert shown.returncode == 0 and shown.stdout.startswith("3 of 3 schedules held; ")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="processes are read from /proc")
def test_when_the_command_is_killed_its_processes_end_too():
    program = subprocess.Popen(
        [sys.executable, "-S", "runner.py", "simulate", "--schedules", "100000"], cwd=ROOT,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    wait_until(lambda: len(children(program.pid)) == os.cpu_count())
    workers = children(program.pid)
    program.kill()
    program.wait()
    wait_until(lambda: not living(workers))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="processes are read from /proc")
def test_when_one_of_its_processes_is_killed_it_says_so_and_ends():
    program = subprocess.Popen(
        [sys.executable, "-S", "runner.py", "simulate", "--schedules", "20"], cwd=ROOT,
        text=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    wait_until(lambda: len(children(program.pid)) == os.cpu_count())
    with program:
        os.kill(min(children(program.pid)), signal.SIGKILL)
        assert program.stderr.read() == (
            "runner.py simulate: a process that played schedules was killed\n")
    assert program.returncode == 1


@pytest.mark.parametrize("arguments", [["--schedule", "x"], ["--peers", 0], ["--until", -1],
                                       ["--schedules", 0], ["--from", 3],
                                       ["--schedules", 2, "--until", 0],
                                       ["--schedules", 2, "--shrink"]])
def test_a_wrong_flag_is_one_line_and_exit_code_two(arguments):
    shown = simulate(*arguments)
    assert shown.returncode == 2 and shown.stdout == "" and len(shown.stderr.splitlines()) <= 2
