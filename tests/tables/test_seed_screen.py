"""The screen of the seeds of runner.py: what it says at its end."""

import threading

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


def test_the_summary_counts_what_is_shown_together_with_it(capfd):
    words = SlowWords()
    screen = SeedScreen(words, "That was all.")
    screen.show("10:11:12.000 registered:127.0.0.1:5001", SEED)
    assert words.is_asked.wait(DEADLINE)
    screen.show("10:11:12.001 registered:127.0.0.1:5002", SEED)
    screen.show("10:11:12.002 removed:127.0.0.1:5001:left", SEED)
    screen.close_limit = 0.0
    screen.close()
    words.goes_on.set()
    screen.close_limit = DEADLINE
    screen.close()
    *_, told, end = capfd.readouterr().out.replace("\n    ", " ").split("\n")
    assert told.endswith(" s: 2 peers came, 1 left, 0 died. That was all.") and end == ""
