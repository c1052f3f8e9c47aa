"""Networks of the runner on a terminal: steps, no line too wide, and what to do next."""

import pytest

from tests.tools.ports import free_addresses, free_range
from tests.tools.programs import write_config
from tests.tools.terminals import CTRL_C, Terminal

SIZES = pytest.mark.parametrize("rows, width", [(24, 80), (10, 40)])


@pytest.fixture
def flags(tmp_path):
    return ["--config", write_config(tmp_path, free_addresses(3)), "--outputs", tmp_path / "o",
            "--base-port", free_range(12)]


@SIZES
def test_a_demo_shows_steps_then_the_proof_then_what_to_do_next(rows, width, flags):
    with Terminal("runner.py", "demo", *flags, rows=rows, width=width) as terminal:
        assert terminal.finish() == 0, terminal.text
        assert [line for line in terminal.glass.too_wide.values()
                if str(flags[3]) not in line] == []
        shown = " ".join(" ".join(terminal.texts()).split())
        for words in (" 1 start ", " 2 gossip ", " is killed", " 4 the proof",
                      "Every message reached every peer", "All 9 claims hold.",
                      "runner.py plot", "runner.py demo --watch"):
            assert words in shown, shown
        if width == 80:
            assert "900 of 900 delivered" in shown and "found dead by " in shown


@SIZES
def test_a_network_shows_who_died_until_ctrl_c(rows, width, flags):
    with Terminal("runner.py", "--peers", 12, "--kill", 3, "--gossip-interval", 0.2,
                  "--liveness-interval", 0.5, *flags, rows=rows, width=width) as terminal:
        terminal.shows("  2  gossip")
        terminal.glass.width = max(width, 60)
        terminal.resize(rows, 60)
        terminal.shows("  4  until Ctrl-C")
        terminal.type(CTRL_C)
        assert terminal.finish() == 0
        assert [line for line in terminal.glass.too_wide.values()
                if str(flags[3]) not in line] == []
        shown = terminal.texts()
        assert shown[-1] == "" and "are killed" in "".join(shown)
        assert "Ended. 12 peers, 120 messages. The proof: python runner.py check" in (
            " ".join(shown))


def test_plain_shows_the_rows_of_a_pipe_on_one_line_that_is_cut(flags):
    with Terminal("runner.py", "--peers", 3, "--kill", 1, "--once", "--plain", "--gossip-interval",
                  0.2, "--liveness-interval", 0.5, *flags, rows=24, width=60) as terminal:
        assert terminal.finish() == 0, terminal.text
        first, *rows = terminal.texts()
        assert first.lstrip().startswith(tuple("0123456789")) and len(first) < 60
        assert rows[0].startswith("gossips    holds ") and "runner.py" not in "".join(rows)


def test_the_prompt_stands_on_a_line_of_its_own_after_ctrl_c(flags):
    with Terminal("runner.py", "demo", *flags) as terminal:
        terminal.shows("  2  gossip")
        terminal.type(CTRL_C)
        assert terminal.finish() == 130
        assert terminal.texts()[-1] == "" and "^C" not in terminal.texts()[-2]
