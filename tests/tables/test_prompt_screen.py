"""The screen with a prompt: how a sentence is laid out, and what is drawn again."""

import os
from unittest.mock import Mock

import pytest

from grapevine.terminal.prompt import SENTENCE_LIMIT, PromptScreen
from grapevine.terminal.screen import columns
from grapevine.terminal.words import Words
from tests.tools.programs import wait_until

OWN = "127.0.0.1:5001"


class Shown(PromptScreen):
    """A screen that writes to a pipe, which it takes for 80 columns, and what it has written."""

    def __init__(self):
        self._reading, self._writing = os.pipe()
        self._written = ""
        super().__init__(Words(OWN, 3, 6), Mock(), self._writing)

    def wait_for(self, text: str) -> None:
        """Read until it has written a text."""
        while text not in self._written:
            self._written += os.read(self._reading, 65_536).decode()

    def end(self) -> str:
        """Close it, and return all that it wrote."""
        self.close()
        os.close(self._writing)
        with os.fdopen(self._reading, encoding="utf-8", newline="") as pipe:
            return self._written + pipe.read()


@pytest.fixture
def screen(monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    return Shown()


def test_remarks_stand_at_the_right_edge_and_long_texts_below_themselves(screen):
    gossip = f"gmessage:1795212105.899630:127.0.0.1:5002:17:1:{'word ' * 30}end"
    screen.show("22:01:45.901 connected:127.0.0.1:5003")
    screen.show(f"22:01:45.901 received:127.0.0.1:5003:{gossip}")
    screen.say("an answer\nof two lines")
    assert screen.end().split("\n") == [
        "22:01:45  + 5003 is a neighbour" + "1 neighbour".rjust(48),
        "22:01:45    5002  word word word word word word word word word word word word",
        " " * 18 + "word word word word word word word word word word word word",
        " " * 18 + "word word word word word word end" + "through 5003".rjust(28),
        "an answer", "of two lines", ""]


def test_a_message_in_an_answer_is_folded_below_its_text(screen):
    screen.say(f"17:40:49      me  {'x' * 70}\n17:40:54  10.0.0.1:5002  {'word ' * 20}end\n"
               f"that {'y' * 75}")
    assert screen.end().split("\n") == [
        "17:40:49      me  " + "x" * 61, " " * 18 + "x" * 9,
        "17:40:54  10.0.0.1:5002  " + "word " * 10 + "word", " " * 25 + "word " * 9 + "end",
        "that " + "y" * 74, "y", ""]


def test_an_event_is_printed_above_the_line_that_is_typed(screen, monkeypatch):
    monkeypatch.setattr("grapevine.terminal.prompt.TELL_POLL", 60.0)  # or slow machines draw again
    screen.typed(("typed", 2))
    screen.wait_for("\b\b\b")
    screen.show("22:01:45.901 connected:127.0.0.1:5003")
    prompts = [f"5001, {many}, 0 messages > typed" for many in ("0 neighbours", "1 neighbour")]
    blanks = [f"\r{' ' * len(prompt)}\r" for prompt in prompts]
    event = "22:01:45  + 5003 is a neighbour" + "1 neighbour".rjust(48) + "\n"
    screen.wait_for("1 neighbour, 0 messages > typed")
    first, second = [f"{prompt}\b\b\b{blank}" for prompt, blank in zip(prompts, blanks)]
    written = screen.end().replace(second * 2, second)  # a slow machine may draw it twice
    assert written == first + event + second


def test_a_prompt_that_another_program_has_written_over_is_not_erased(screen):
    screen.typed(("half", 4))
    screen.wait_for("half")
    screen.typed(None)
    screen.show("22:01:45.901 connected:127.0.0.1:5003")
    assert screen.end() == ("5001, 0 neighbours, 0 messages > half"
                            "22:01:45  + 5003 is a neighbour" + "1 neighbour".rjust(48) + "\n")


def test_raw_events_are_shown_as_in_the_output_file(screen):
    screen.raw = True
    screen.show("22:01:45.901 settings:a=b")
    screen.show("22:01:45.901 degree:127.0.0.1:5001=>3")
    assert screen.end() == "22:01:45.901 settings:a=b\n22:01:45.901 degree:127.0.0.1:5001=>3\n"


def test_what_waits_is_told_at_the_end(screen):
    screen.show("22:01:45.901 unregistered:127.0.0.1:8080:Connection refused")
    assert screen.end() == (
        "22:01:45  No seed answers yet. Start them in another terminal: python runner.py\n")


def test_a_text_that_is_too_long_for_its_lines_says_so(screen):
    screen.show(f"22:01:45.901 unknown:{'x' * 1000}")
    *lines, last, end = screen.end().split("\n")
    assert len(lines) == SENTENCE_LIMIT - 1 and last.endswith("x…") and end == ""
    assert {columns(line) for line in [*lines, last]} == {79}


def test_a_failure_is_told_and_events_are_shown_as_they_are(screen, monkeypatch):
    monkeypatch.setattr(Words, "tell", Mock(side_effect=KeyError("x")))
    failures = []
    screen.on_failure = failures.append
    screen.show("22:01:45.901 connected:127.0.0.1:5003")
    wait_until(lambda: failures)
    screen.show("22:01:45.902 disconnected:127.0.0.1:5003:left")
    screen.typed(("typed", 5))
    assert screen.end() == "22:01:45.902 disconnected:127.0.0.1:5003:left\n"
    assert len(failures) == 1 and failures[0].startswith("failed:screen: KeyError('x') in ")
