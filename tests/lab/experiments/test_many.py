"""Many schedules on a terminal: how far they are, which have failed, and what plays those again."""

import pytest

from gossip.lab.experiments import schedules
from gossip.lab.experiments.schedules import Outcome, show_results
from gossip.lab.experiments.verdict import Fault
from gossip.terminal import screen
from tests.tools.terminals import CTRL_C, ERASE, Terminal

FAULT = Fault("lists", "4001 lists 5003")


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.setattr(schedules.os, "isatty", lambda descriptor: True)
    monkeypatch.setattr(screen, "terminal_width", lambda: 60)


def results():
    return [Outcome(number, [FAULT] * (number == 12), "", 10.0, 0, None, None)
            for number in (11, 12, 13)]


def test_without_a_terminal_only_a_failure_is_shown(capfd):
    assert not show_results(results(), 3, "again {}".format)
    failed, held = capfd.readouterr().out.splitlines()
    assert failed == f"schedule 12 FAILS: {FAULT}"
    assert held.startswith("2 of 3 schedules held; 30 simulated seconds in ")


def test_a_failure_stays_with_its_commands_and_the_status_line_goes_away(terminal, capfd):
    assert not show_results(results(), 3, "again {}".format)
    out = capfd.readouterr().out
    assert "2 of 3 schedules, 1 failed" in out and " left" in out
    *kept, last = [line.rpartition(ERASE)[2] for line in out.split("\n")][:4]
    assert kept == [f"schedule 12 FAILS: {FAULT}", "  play it again: again 12",
                    "  make it small: again 12 --shrink"]
    assert last.startswith("2 of 3 schedules held; ")


def test_a_run_that_was_interrupted_keeps_its_last_line(terminal, capfd):
    def interrupted():
        yield results()[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        show_results(interrupted(), 3, "again {}".format)
    last, end = capfd.readouterr().out.rpartition(ERASE)[2].split("\n")
    assert last.startswith("1 of 3 schedules, 0 failed") and end == ""


@pytest.mark.parametrize("flags", [
    ["--gentle"], ["--sign"], ["--malicious", "drop:2,forge:1"],
    ["--malicious", "none", "--peers", "7", "--seeds", "2", "--capacity", "fixed:3"]])
def test_the_command_plays_the_same_schedule(flags):
    many = schedules.parse_simulate(["--schedules", "9", "--from", "3", *flags])
    again = schedules._again(many, 5).split()
    assert again[:5] == ["python", "runner.py", "simulate", "--schedule", "5"]
    one = schedules.parse_simulate(again[3:])
    assert schedules._draw(one, one.schedule) == schedules._draw(many, 5)
    assert one.schedules is None


@pytest.mark.parametrize("rows, width", [
    (10, 40), pytest.param(24, 80, marks=pytest.mark.slow)])
def test_no_line_is_wider_than_the_terminal(rows, width):
    with Terminal("runner.py", "simulate", "--schedules", 2, "--from", 4, rows=rows,
                  width=width) as terminal:
        assert terminal.finish() == 0
        assert terminal.glass.too_wide == {}
        assert "1 of 2 schedules, 0 failed" in terminal.text
        assert any(line.startswith("2 of 2 schedules held; ") for line in terminal.texts())


def test_the_prompt_stands_on_a_line_of_its_own_after_ctrl_c():
    with Terminal("runner.py", "simulate", "--schedules", 2000) as terminal:
        terminal.shows("1 of 2,000 schedules, 0 failed")
        terminal.type(CTRL_C)
        assert terminal.finish() == 130
        *_, line, end = terminal.texts()
        assert " of 2,000 schedules, 0 failed" in line and line.endswith(" left") and end == ""
