"""The screen of the seeds of runner.py: what it says at its end, and of events it did not show."""

import re
import threading

import pytest

from grapevine.addresses import address_of
from grapevine.terminal.seeds import SeedScreen, SeedWords
from tests.tools.programs import DEADLINE

SEED = address_of("127.0.0.1", 8080)


class SlowWords(SeedWords):
    """Words that wait for `goes_on`, as a screen does for a terminal that is blocked."""

    def __init__(self):
        super().__init__(1, 1)
        self.is_asked, self.goes_on = threading.Event(), threading.Event()

    def tell(self, *event):
        self.is_asked.set()
        assert self.goes_on.wait(DEADLINE)
        return super().tell(*event)


@pytest.fixture
def screen():
    return SeedScreen(SlowWords(), "That was all.")


def end(screen: SeedScreen, capfd) -> str:
    """Let it go on to its end, and return all that it has shown, in one line."""
    screen.words.goes_on.set()
    screen.close_limit = DEADLINE
    screen.close()
    return " ".join(capfd.readouterr().out.split())


def test_the_summary_counts_what_is_shown_together_with_it(screen, capfd):
    screen.show("10:11:12.000 registered:127.0.0.1:5001", SEED)
    assert screen.words.is_asked.wait(DEADLINE)
    screen.show("10:11:12.001 registered:127.0.0.1:5002", SEED)
    screen.show("10:11:12.002 removed:127.0.0.1:5001:left", SEED)
    screen.close_limit = 0.0
    screen.close()
    assert end(screen, capfd).endswith(" s: 2 peers came, 1 left, 0 died. That was all.")


def test_events_that_a_blocked_terminal_did_not_show_are_counted(screen, capfd, monkeypatch):
    monkeypatch.setattr("grapevine.terminal.screen.WAITING_LIMIT", 500)
    for port in range(1, 101):
        screen.show(f"10:11:12.000 registered:127.0.0.1:{port}", SEED)
    shown = end(screen, capfd)
    [missed] = re.findall("([0-9]+) events not shown, because the terminal was blocked; the output "
                          "files have all", shown)
    assert int(missed) > 80 and shown.count(" known to 8080") + int(missed) == 100
    assert shown.endswith("That was all.")
