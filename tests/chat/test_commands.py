"""The lines of the chat console: which are understood, and what is said of the others."""

import pytest

from gossip.chat.console import parse_command


@pytest.mark.parametrize("line, command", [
    ("0 start 4 10000", ("start", 0, 4, 10000)),
    (" 3\tstart  4 \t65535 ", ("start", 3, 4, 65535)),
    ("0 msg 0 Text with spaces", ("msg", 0, "msg 0 Text with spaces")),
    ("12 msg 007  two blanks, one trailing ",
     ("msg", 12, "msg 007  two blanks, one trailing ")),
    ("0 msg 1 a\x0bb\u2028c\udcff", ("msg", 0, "msg 1 a\x0bb\u2028c\udcff")),
    ("3 get chatLog", ("get", 3, "get chatLog")),
    ("3 get  chatLog ", ("get", 3, "get chatLog")),
    ("1 crash", ("crash", 1, "crash")),
])
def test_lines_are_understood(line, command):
    assert parse_command(line) == command


@pytest.mark.parametrize("line, hint", [
    ("start 0 4 10000", "ID start N PORT"), ("hello", "ID start N PORT"),
    ("0", "or exit"), ("0 quit", "or exit"), ("exit now", "or exit"), ("-1 crash", "or exit"),
    ("\u0661 crash", "or exit"), ("0 crashed", "or exit"), ("123456 crash", "or exit"),
    ("0 start", "0 start 4 10000"), ("0 start 4", "0 start 4 10000"),
    ("0 start 4 10000 x", "0 start 4 10000"), ("0 start x 10000", "0 start 4 10000"),
    ("4 start 4 10000", "5 or more"), ("0 start 0 10000", "1 or more"),
    ("0 start 4 0", "not a port"), ("0 start 4 65536", "not a port"), ("0 start 4 x", "not a port"),
    ("0 msg", "for example"), ("0 msg Text", "for example"), ("0 msg 1", "for example"),
    ("0 msg 1 ", "for example"), ("0 msg -1 a", "for example"), ("0 msg \u0661 a", "for example"),
    ("2 get", "2 get chatLog"), ("2 get chatlog", "2 get chatLog"),
    ("2 get chatLog now", "2 get chatLog"), ("2 crash now", "it is: 2 crash"),
    ("0 msg 1 " + "x" * 131_065, "131,072"),
])
def test_a_wrong_line_gets_a_sentence_that_helps(line, hint):
    with pytest.raises(ValueError, match=".") as caught:
        parse_command(line)
    assert hint in str(caught.value) and "\n" not in str(caught.value)


def test_the_longest_line_is_counted_in_bytes():
    assert parse_command("0 msg 1 " + "x" * 131_064)[2].endswith("x")
    with pytest.raises(ValueError):
        parse_command("0 msg 1 " + "\u00e4" * 70_000)
