"""The screen with a prompt: how a sentence is laid out, and what is drawn again."""

import os
from unittest.mock import Mock

import pytest

from gossip.addresses import parse_address
from gossip.programs.starting import open_output
from gossip.terminal.prompt import SENTENCE_LIMIT, PromptScreen
from gossip.terminal.screen import columns
from gossip.terminal.words import Words
from tests.tools.files import lines_of
from tests.tools.waiting import wait_until

OWN = "127.0.0.1:5001"


@pytest.fixture
def shown(monkeypatch):
    """What a screen writes to a pipe, once it is closed: it takes that for 80 columns."""
    monkeypatch.setenv("TERM", "dumb")
    reading, writing = os.pipe()
    screen = PromptScreen(Words(OWN, 3, 6), Mock(escapes=True), writing)

    def close():
        screen.close(60)
        os.close(writing)
        with os.fdopen(reading, encoding="utf-8", newline="") as pipe:
            return pipe.read()
    return screen, close


def test_remarks_stand_at_the_right_edge_and_long_texts_below_themselves(shown):
    screen, close = shown
    gossip = f"gmessage:1795212105.899630:127.0.0.1:5002:17:1:{'word ' * 30}end"
    screen.show("22:01:45.901000", "", "connected:127.0.0.1:5003")
    screen.show("22:01:45.901000", "received:127.0.0.1:5003:", gossip)
    screen.say("an answer\nof two lines")
    assert close().split("\n") == [
        "22:01:45  + 5003 is a neighbour" + "1 neighbour".rjust(48),
        "22:01:45    5002  word word word word word word word word word word word word",
        " " * 18 + "word word word word word word word word word word word word",
        " " * 18 + "word word word word word word end" + "through 5003".rjust(28),
        "an answer", "of two lines", ""]


def test_a_message_in_an_answer_is_folded_below_its_text(shown):
    screen, close = shown
    screen.say(f"17:40:49      me  {'x' * 70}\n17:40:54  10.0.0.1:5002  {'word ' * 20}end\n"
               f"that {'y' * 75}")
    assert close().split("\n") == [
        "17:40:49      me  " + "x" * 61, " " * 18 + "x" * 9,
        "17:40:54  10.0.0.1:5002  " + "word " * 10 + "word", " " * 25 + "word " * 9 + "end",
        "that " + "y" * 74, "y", ""]


def test_an_event_is_printed_above_the_line_that_is_typed(shown):
    screen, close = shown
    screen.typed(("typed", 2))
    screen.show("22:01:45.901000", "", "connected:127.0.0.1:5003")
    prompts = [f"5001, {many}, 0 messages > typed" for many in ("0 neighbours", "1 neighbour")]
    blanks = [f"\r{' ' * len(prompt)}\r" for prompt in prompts]
    event = "22:01:45  + 5003 is a neighbour" + "1 neighbour".rjust(48) + "\n"
    assert close() == "".join([prompts[0], "\b\b\b", blanks[0], event,
                               prompts[1], "\b\b\b", blanks[1]])


def test_a_prompt_that_another_program_has_written_over_is_not_erased(shown):
    screen, close = shown
    screen.typed(("half", 4))
    wait_until(lambda: screen._drawn)
    screen.typed(None)
    screen.show("22:01:45.901000", "", "connected:127.0.0.1:5003")
    assert close() == ("5001, 0 neighbours, 0 messages > half"
                       "22:01:45  + 5003 is a neighbour" + "1 neighbour".rjust(48) + "\n")


def test_raw_events_are_shown_as_in_the_output_file(shown):
    screen, close = shown
    screen.raw = True
    screen.show("22:01:45.901000", "", "settings:a=b\ndegree:127.0.0.1:5001=>3")
    assert close() == "22:01:45.901 settings:a=b\n22:01:45.901 degree:127.0.0.1:5001=>3\n"


def test_a_text_that_is_too_long_for_its_lines_says_so(shown):
    screen, close = shown
    screen.show("22:01:45.901000", "", f"unknown:{'x' * 1000}")
    *lines, last, end = close().split("\n")
    assert len(lines) == SENTENCE_LIMIT - 1 and last.endswith("x…") and end == ""
    assert {columns(line) for line in [*lines, last]} == {79}


def test_a_failure_is_in_the_output_file_and_events_are_shown_as_they_are(
        shown, monkeypatch, tmp_path):
    monkeypatch.setattr(Words, "tell", Mock(side_effect=KeyError("x")))
    screen, close = shown
    output = open_output(tmp_path, "peer", parse_address(OWN), 0, screen)
    output.write("connected:127.0.0.1:5003")
    wait_until(lambda: len(lines_of(output.path)) == 2)
    output.write("disconnected:127.0.0.1:5003:left")
    screen.typed(("typed", 5))
    output.close()
    failed, later = [line[13:] for line in close().splitlines()]
    assert failed == lines_of(output.path)[1] and failed.startswith("failed:screen:KeyError:'x' (")
    assert later == "disconnected:127.0.0.1:5003:left"
