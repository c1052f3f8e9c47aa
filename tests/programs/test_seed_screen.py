"""The screen of the seeds: what a terminal that was blocked did not show, and a failure."""

import re
from unittest.mock import Mock

from gossip.addresses import address_of
from gossip.programs.seed_program import SeedScreen
from tests.tools.terminals import Terminal
from tests.tools.waiting import wait_until

SEED = address_of("127.0.0.1", 8080)
CTRL_S, CTRL_Q = "\x13", "\x11"
PROGRAM = """
import sys
from gossip.addresses import address_of
from gossip.programs import seed_program
from gossip.terminal import screen
screen.QUEUE_LIMIT = 20
shown = seed_program.SeedScreen(seed_program.SeedWords(1, 1), "That was all.")
seed = shown.of(address_of("127.0.0.1", 8080))
shown.say("ready")
input()
for port in range(1, 101):
    seed.show("10:11:12.000000", "", f"registered:127.0.0.1:{port}")
open(sys.argv[1], "w").close()
input()
shown.close(60)
"""


def test_events_that_a_blocked_terminal_did_not_show_are_counted(tmp_path):
    with Terminal("-c", PROGRAM, tmp_path / "done") as terminal:
        terminal.shows("ready")
        terminal.type(f"{CTRL_S}\n")
        wait_until((tmp_path / "done").exists)
        terminal.type(CTRL_Q)
        terminal.shows("events not shown")
        terminal.type("\n")
        assert terminal.finish() == 0
        shown = " ".join(" ".join(terminal.texts()).split())
    missed = re.findall(r"([0-9]+) events not shown, because the terminal was blocked; "
                        r"the output files have all", shown)
    assert len(missed) == 1 and shown.count(" known to 8080") + int(missed[0]) == 100
    assert shown.endswith("That was all.")


def test_a_failure_is_told_on_standard_error_and_events_are_shown_as_they_are(capfd):
    screen = SeedScreen(Mock(due_in=lambda now: None, tell=Mock(side_effect=KeyError("x"))), "")
    screen.of(SEED).show("10:11:12.123456", "", "registered:127.0.0.1:5001")
    screen.say("said")
    screen.close(60)
    out, err = capfd.readouterr()
    assert out == "said\n"
    assert re.fullmatch(r"failed:screen:KeyError:'x' \(.*:[0-9]+\)\n", err)
