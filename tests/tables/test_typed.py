"""What people write: files, keyboards and pipes are read by one rule."""

import os
import threading

import pytest

from grapevine import typed
from grapevine.terminal.command_line import show
from grapevine.typed import Keyboard, lines_of, plain_lines

MARK = b"\xef\xbb\xbf"


@pytest.mark.parametrize("data, lines", [
    (b"one\ntwo\n", [(1, "one"), (2, "two")]), (b"one\ntwo", [(1, "one"), (2, "two")]),
    (MARK + b"one\r\n\r\n\ttwo \r\n", [(1, "one"), (3, "two")]), (b"", []), (MARK, []),
    (b" \n\t\r\n", []), ("\u00a0ä\u2003".encode(), [(1, "ä")]), (b"a b # c", [(1, "a b")]),
    (b"# all\nb#c", [(2, "b")])])
def test_lines_of_a_file_are_those_in_which_something_stands(data, lines):
    assert list(lines_of(data, "#")) == lines


def test_a_line_that_is_no_text_is_named():
    with pytest.raises(ValueError, match="line 3: not UTF-8 text"):
        list(lines_of(b"a\n\n\xff\n"))


def test_plain_lines_keep_their_blanks():
    assert plain_lines(MARK + b" a \r\nb\r\r\n") == [b" a ", b"b", b""]


class Pipe:
    """A pipe, and a keyboard at its end."""

    def __init__(self):
        self.end, self.source = os.pipe()
        self.keyboard = Keyboard(self.end)

    def type(self, data: bytes) -> None:
        os.write(self.source, data)

    def close(self) -> None:
        os.close(self.source)


@pytest.fixture
def pipe():
    pipe = Pipe()
    yield pipe
    os.close(pipe.end)


def test_input_is_cut_into_lines_and_what_is_pasted_together_comes_together(pipe):
    pipe.type(MARK + b"5001\r\nsay a \r\n")
    assert pipe.keyboard.line() == b"5001"
    assert pipe.keyboard.lines() == [b"say a "]
    pipe.type(b"half")
    pipe.type(b" a line\n" + MARK + b"\nthe end")
    assert pipe.keyboard.lines() == [b"half a line", MARK]
    pipe.close()
    assert pipe.keyboard.lines() == [b"the end"]
    assert pipe.keyboard.lines() is None and pipe.keyboard.line() is None


def test_a_console_of_windows_is_read_and_written_in_utf_8(pipe, capfd, monkeypatch):
    """Its file translates that; `os.read` and `os.write` have bytes of its code page."""
    pipe.type("größer\n".encode())
    read, write = os.read, os.write
    monkeypatch.setattr(os, "read", lambda *where: read(*where).decode().encode("cp437"))
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(
        descriptor, bytes(data).decode("cp437").encode()))
    assert pipe.keyboard.lines() == ["größer".encode()]
    show("größer")
    assert capfd.readouterr().out == "größer\n"


def test_who_makes_the_input_non_blocking_does_not_end_it(pipe):
    """It does so for all that share it."""
    os.set_blocking(pipe.end, False)
    said = threading.Timer(0.1, pipe.type, (b"hello\n",))
    said.start()
    assert pipe.keyboard.lines() == [b"hello"]
    said.join()
    pipe.close()
    assert pipe.keyboard.lines() is None


def test_a_long_line_loses_its_end_and_not_its_middle(pipe, monkeypatch):
    monkeypatch.setattr(typed, "LONGEST", 10)
    writer = threading.Thread(target=pipe.type, args=(b"a" * 200_000 + b"b\nnext\n",))
    writer.start()
    assert pipe.keyboard.line() == b"a" * 10 and pipe.keyboard.line() == b"next"
    writer.join()
    pipe.close()


def test_an_input_that_is_closed_has_ended():
    end, source = os.pipe()
    os.close(end)
    os.close(source)
    assert Keyboard(end).line() is None
