"""The status line: no line is wider than the terminal, and the last one stays."""

import os

import pytest

from grapevine.terminal import screen
from grapevine.terminal.command_line import USUAL_WIDTH, complain
from grapevine.terminal.screen import SPARE, StatusLine, columns, folded
from tests.tools.terminals import ERASE


@pytest.fixture
def wide(monkeypatch):
    """Sets the width of the terminal."""
    def set_width(width):
        monkeypatch.setattr(screen, "terminal_width", lambda: width)
    set_width(40)
    return set_width


@pytest.mark.parametrize("width", [200, 80, 40, 10, 3, 1])
@pytest.mark.parametrize("left", ["", "short", "x" * 300, "日本語" * 40])
@pytest.mark.parametrize("right", ["", "12.3 s"])
def test_a_status_line_is_never_wider_than_the_terminal(wide, width, left, right, capfd):
    wide(width)
    StatusLine().update(left, right)
    shown = capfd.readouterr().out.removeprefix(ERASE)
    assert columns(shown) <= max(width - SPARE, len(right)) and shown.endswith(right)


def test_a_line_is_cut_to_the_width_of_the_moment(wide, capfd):
    line = StatusLine()
    for width in (40, 20, 60):
        wide(width)
        line.update("x" * 100)
        assert capfd.readouterr().out == ERASE + "x" * (width - SPARE)


def test_the_end_is_on_a_line_of_its_own(wide, capfd):
    line = StatusLine()
    line.update("one")
    line.update("two")
    line.end()
    line.end()
    out = capfd.readouterr().out
    assert [shown.rpartition(ERASE)[2] for shown in out.split("\n")] == ["two", ""]


@pytest.mark.parametrize("text, indent, lines", [
    ("one two three", 0, ["one two", "three"]), ("one two three", 2, ["one two", "  three"]),
    ("  a  b", 4, ["  a  b"]), ("      a b", 4, ["   a b"]), ("", 0, [""]),
    ("a\n\nb", 0, ["a", "", "b"]),
    ("see http://127.0.0.1/ now", 0, ["see", "http://127.0.0.1/", "now"]),
    ("日本語 日本", 0, ["日本語", "日本"]), ("12345678 1", 9, ["12345678", "   1"])])
def test_long_lines_are_folded_between_words(wide, text, indent, lines):
    wide(9)
    assert folded(text, indent).split("\n") == lines


def test_a_terminal_that_does_not_tell_its_width_has_the_usual_one(monkeypatch, capfd):
    """NUL of Windows says that it is a terminal, and has no width."""
    def refuse(descriptor):
        raise OSError
    monkeypatch.setattr(os, "get_terminal_size", refuse)
    monkeypatch.setattr(os, "isatty", lambda descriptor: True)
    assert screen.terminal_width() == USUAL_WIDTH
    complain("x " * USUAL_WIDTH)
    assert max(map(len, capfd.readouterr().err.split("\n"))) == USUAL_WIDTH - 1


@pytest.mark.parametrize("system, kind, obeys", [
    ("posix", "xterm", True), ("posix", "dumb", False), ("nt", "", False)])
def test_no_escape_sequence_is_written_where_it_may_be_shown(system, kind, obeys, monkeypatch):
    with monkeypatch.context() as changed:
        changed.setattr(os, "isatty", lambda descriptor: True)
        changed.setattr(os, "name", system)
        changed.setenv("TERM", kind)
        assert screen.obeys() is obeys
