"""The benchmark on a terminal: steps, how much time is left, and a table that fits."""

import re

import pytest

from gossip.lab.experiments import bench
from tests.tools.ports import free_addresses, free_range
from tests.tools.programs import run, write_config
from tests.tools.terminals import CTRL_C, ERASE, Terminal

SHORT = """
import sys
import runner
from gossip.lab.experiments import bench
bench.QUIET, bench.REST, bench.STEADY_MESSAGES, bench.LIMIT = 0.5, 0.5, 5, {limit}
sys.exit(runner.command())
"""
FLAGS = ["--peers", 3, "--messages", 20, "--runs", 1, "--spread", "flood", "--liveness-interval", 1]


@pytest.fixture
def command(tmp_path):
    """A benchmark of three peers, in whose networks every phase is short."""
    return ["-c", SHORT.format(limit=120.0), "bench", *FLAGS,
            "--config", write_config(tmp_path, free_addresses(3)), "--base-port", free_range(3)]


def test_each_network_is_a_step_with_the_time_that_is_left(command):
    with Terminal(*command, rows=24, width=80) as terminal:
        assert terminal.finish() == 0, terminal.text
        assert not terminal.glass.too_wide
        lines = [line.split() for line in terminal.texts()]
        first, second = [line for line in lines if line[1:2] == ["flood"]]
        assert first[:5] == ["1", "flood", "1", "of", "1"] and second[:3] == ["2", "flood", "alone"]
        assert first[-1] == second[-1] == "s"  # that it took
        assert " s left" in terminal.text
        assert f"{ERASE}  1  flood 1 of 1     2 of 3" in terminal.text
        assert f"{36 * ' '}{'median':>12}{'least':>12}{'most':>12}" in terminal.texts()
        shown = " ".join(" ".join(terminal.texts()).split())
        assert shown.startswith("3 peers, each a process; 2 networks of them")
        assert all(what in shown for what in ("mean degree", "threads of a peer", " least "))
        assert "message 5 of 5, one by one" in terminal.text


@pytest.mark.slow
def test_without_a_terminal_and_with_plain_no_step_is_shown(command):
    code, out, err = run(*command)
    assert (code, err) == (0, "")
    with Terminal(*command, "--plain") as terminal:
        assert terminal.finish() == 0
        plain = terminal.text
    for text in out, plain:
        heading, ran, *rows = text.splitlines()
        assert re.fullmatch(r"3 peers, each a process, mean degree [12]\.[0-9]; "
                            "burst of 20 messages of 64 bytes", heading)
        assert ran.startswith("flood, run 1 of 1: ") and ran.endswith(" deliveries/s")
        assert [row.split() for row in rows[:2]] == [["flood"], ["median", "least", "most"]]
        assert rows[2].startswith("to the last peer, median, ms        ")
        assert ERASE not in text


def test_the_prompt_stands_on_a_line_of_its_own_after_ctrl_c(command):
    with Terminal(*command, rows=10, width=40) as terminal:
        terminal.shows(f"{ERASE}  1  flood 1 of 1  2 of 3")
        terminal.type(CTRL_C)
        assert terminal.finish() == 130 and not terminal.glass.too_wide
        *_, step, end = terminal.texts()
        assert step.startswith("  1  flood 1 of 1") and "^C" not in step and end == ""


def test_what_went_wrong_stands_below_the_steps(command):
    command[1] = SHORT.format(limit=0.0)
    with Terminal(*command) as terminal:
        assert terminal.finish() == 1
        *_, step, words, end = terminal.texts()
        assert step.startswith("  1  flood 1 of 1")
        assert (words, end) == ("the peers did not find each other", "")


def test_the_time_left_is_that_of_all_networks_that_are_planned(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(bench.time, "monotonic", lambda: now[0])
    left = bench.time_left([10.0, 5.0, 5.0])
    assert left() == 20.0
    now[0] += 4.0
    assert left() == 16.0
    now[0] += 16.0
    assert left() == 10.0  # the first one takes longer than it was planned


def test_the_table_fits_on_a_terminal():
    figures = {name: 1234.5 for name, _, _ in bench.FIGURES}
    way, heads, *rows = bench.table("flood", [figures] * 2).splitlines()
    assert (way.split(), heads.split()) == (["flood"], ["median", "least", "most"])
    assert max(map(len, [heads, *rows])) == 72
    assert [row.removeprefix(what).split() for row, (_, what, _) in zip(rows, bench.FIGURES)] == [
        [f"{1234.5:{form}}"] * 3 for _, _, form in bench.FIGURES]
