"""Networks of the runner on a terminal: steps, no line too wide, and what to do next."""

import re

import pytest

from gossip.lab.experiments.following import Progress
from gossip.lab.proof.records import read_folder
from tests.tools.ports import free_addresses, free_range
from tests.tools.programs import write_config
from tests.tools.stories import tell
from tests.tools.terminals import CTRL_C, ERASE, Terminal


@pytest.fixture
def flags(tmp_path):
    return ["--config", write_config(tmp_path, free_addresses(3)), "--outputs", tmp_path / "o",
            "--base-port", free_range(12)]


def test_a_demo_shows_steps_then_the_proof_then_what_to_do_next(flags):
    with Terminal("runner.py", "demo", *flags, rows=24, width=80) as terminal:
        assert terminal.finish() == 0, terminal.text
        assert [line for line in terminal.glass.too_wide.values()
                if str(flags[3]) not in line] == []
        shown = " ".join(" ".join(terminal.texts()).split())
        for words in (" 1 start ", " 2 gossip ", " is killed", " 4 the proof",
                      "Every message reached every peer", "All 9 claims hold.",
                      "runner.py plot", "runner.py demo --watch"):
            assert words in shown, shown
        assert "900 of 900 delivered" in shown and "found dead by " in shown


def test_a_network_shows_who_died_until_ctrl_c(flags):
    with Terminal("runner.py", "--peers", 12, "--kill", 3, "--gossip-interval", 0.2,
                  "--liveness-interval", 0.5, *flags, rows=10, width=40) as terminal:
        terminal.shows("  2  gossip")
        terminal.glass.width = 60
        terminal.resize(10, 60)
        terminal.shows("  4  until Ctrl-C")
        terminal.type(CTRL_C)
        assert terminal.finish() == 0
        assert [line for line in terminal.glass.too_wide.values()
                if str(flags[3]) not in line] == []
        shown = terminal.texts()
        assert shown[-1] == "" and "are killed" in "".join(shown)
        assert "Ended. 12 peers, 120 messages. The proof: python runner.py check" in (
            " ".join(shown))


ATTACKED = ["--peers", 5, "--malicious", "drop:1", "--report-interval", 0.25]


def test_an_attacked_network_shows_who_was_kicked_and_the_time_left(flags):
    with Terminal("runner.py", *ATTACKED, "--once", *flags, rows=10, width=40) as terminal:
        assert terminal.finish() in (0, 1)  # an attacker may be found late on a busy machine
        wide = terminal.glass.too_wide.values()
        assert [line for line in wide if str(flags[3]) not in line] == []
        shown = " ".join(" ".join(terminal.texts()).split())
        for words in ("1 of them attacks (drop:1)", " 1 start ", " 2 watch ", " 3 the proof",
                      "Who attacked was kicked in time", "--peers 5 --malicious drop:1 --watch"):
            assert words in shown, shown
        assert " s left" in terminal.text


def test_an_attacked_network_goes_on_until_ctrl_c(flags):
    with Terminal("runner.py", *ATTACKED, *flags) as terminal:
        terminal.shows("  3  until Ctrl-C     ")
        terminal.type(CTRL_C)
        assert terminal.finish() == 0
        step, *_ = [line for line in terminal.texts() if line.startswith("  3  until Ctrl-C")]
        assert " of 1 attackers kicked, " in step and terminal.texts()[-1] == ""


@pytest.mark.parametrize("attackers, kicked, words", [
    ([], [], "0 honest kicked"), ([], [5001], "1 honest kicked"),
    ([5001], [], "0 of 1 attackers kicked"), ([5001, 5002], [5001], "1 of 2 attackers kicked"),
    ([5001], [5001, 5003], "1 of 1 attackers and 1 honest kicked")])
def test_kicks_are_told_apart_by_who_attacked(attackers, kicked, words, tmp_path):
    story = ["0 8080 starts", *(f"0 {peer} starts" for peer in (5001, 5002, 5003)),
             "1 5003 says 1", *(f"1 {peer} misbehaving:drop:1" for peer in attackers),
             *(f"2 8080 removed:@{peer}:malicious:0.900" for peer in kicked)]
    tell(tmp_path, "\n".join(story))
    progress = Progress(read_folder(tmp_path), None, None, None, None)
    assert progress.watched() == f"{words}, 1 messages"


def test_plain_shows_what_a_pipe_gets(flags):
    with Terminal("runner.py", "--peers", 3, "--kill", 1, "--once", "--plain", "--gossip-interval",
                  0.2, "--liveness-interval", 0.5, "--liveness-misses", 1, *flags, rows=24,
                  width=60) as terminal:
        assert terminal.finish() == 0, terminal.text
        lines = terminal.texts()
        assert any("1 died" in line for line in lines)  # although one miss is found out early
        first = next(at for at, line in enumerate(lines) if line.startswith("gossips    holds "))
        assert all(re.match(" *[0-9.]+ s  ", line) for line in lines[:first])
        assert "runner.py" not in "".join(lines) and ERASE not in terminal.text


def test_the_prompt_stands_on_a_line_of_its_own_after_ctrl_c(flags):
    with Terminal("runner.py", "demo", *flags) as terminal:
        terminal.shows("  2  gossip")
        terminal.type(CTRL_C)
        assert terminal.finish() == 130
        assert terminal.texts()[-1] == "" and "^C" not in terminal.texts()[-2]
