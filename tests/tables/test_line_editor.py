"""The line that is typed: its keys, its window, and how wide characters are."""

import itertools

import pytest

from grapevine.terminal.prompt import LINE_LIMIT, LineEditor, window
from grapevine.terminal.screen import columns, fold

UP, DOWN, RIGHT, LEFT = b"\x1b[A", b"\x1b[B", b"\x1b[C", b"\x1b[D"
MARKED = "e\u0301"  # a letter, and a mark above it


def typed(*keys):
    """The line after these keys, `|` where the cursor is."""
    editor = LineEditor()
    for key in keys:
        editor.feed(key)
    return f"{editor.before}|{editor.after}"


@pytest.mark.parametrize("keys, line", [
    ([b"abc"], "abc|"), ([b"abc", LEFT, LEFT, b"X"], "aX|bc"), ([b"ab", LEFT, RIGHT, RIGHT], "ab|"),
    ([b"abc", b"\x7f"], "ab|"), ([b"abc", LEFT, b"\x08"], "a|c"), ([b"\x7f", b"a"], "a|"),
    ([b"abc", b"\x1b[H", b"\x1b[3~"], "|bc"), ([b"abc", b"\x1b[3~"], "abc|"),
    ([b"abc", b"\x1b[1~", b"X"], "X|abc"), ([b"abc", b"\x1b[1~", b"\x1b[4~"], "abc|"),
    ([b"abc", b"\x1b[7~", b"\x1b[8~"], "abc|"), ([b"abc", b"\x1bOH"], "|abc"),
    ([b"abc", b"\x1bOH", b"\x1bOF"], "abc|"), ([b"abc", b"\x01"], "|abc"),
    ([b"abc", b"\x01", b"\x05"], "abc|"), ([b"abc", b"\x02", b"\x02", b"\x06"], "ab|c"),
    ([b"a bc", LEFT, b"\x15"], "|c"), ([b"a bc", LEFT, b"\x0b"], "a b|"),
    ([b"a bc  ", b"\x17"], "a |"), ([b"a bc", LEFT, b"\x17"], "a |c"), ([b"a", b"\x17"], "|"),
    ([b"ab", LEFT, b"\x04"], "a|"),
    ([b"ab", b"\x1b[1;5D", b"X"], "aX|b"), ([b"ab", b"\x1b[3;2~"], "ab|"),
    # The cursor steps over a letter with its marks.
    ([f"a{MARKED}b".encode(), LEFT, LEFT], f"a|{MARKED}b"),
    ([f"a{MARKED}b".encode(), LEFT, b"\x7f"], "a|b"),
    ([f"a{MARKED}b".encode(), b"\x01", RIGHT, RIGHT, b"X"], f"a{MARKED}X|b"),
    # These have no meaning, and leave no trace.
    *(([b"ab", LEFT, key, b"c"], "ac|b") for key in [
        b"\x1b[15~", b"\x1b[[A", b"\x1b[200~", b"\x1b[?1;2c", b"\x1b[1;5P", b"\x1bOP", b"\x1bx",
        b"\x1b", b"\x1b\x1b", b"\x00", b"\x07", b"\x1b[" + b"1" * 500 + b"~"])
], ids=repr)
def test_keys_move_and_delete(keys, line):
    assert typed(*keys) == line


@pytest.mark.parametrize("keys", [b"ab\x1b[1;5DX", "日本\x1b[DX".encode(), b"ab\x1bOHX",
                                  b"ab\x1b[3~X\x7f"])
def test_keys_that_come_in_pieces_are_the_same_keys(keys):
    assert typed(*[bytes([byte]) for byte in keys]) == typed(keys)


def test_enter_hands_lines_out_and_what_was_pasted_together_comes_together():
    editor = LineEditor()
    assert editor.feed(b"one") == []
    assert editor.feed(b" line\ntwo\rthr") == [b"one line", b"two"]
    assert (editor.before, editor.after) == ("thr", "")
    assert editor.feed(b"ee\n") == [b"three"]


def test_the_end_of_input_is_quit_on_an_empty_line_only():
    editor = LineEditor()
    assert editor.feed(b"\x04") == [b"quit"]
    assert editor.feed(b"a\x04") == [] and editor.before == "a"


def test_bytes_that_are_no_text_come_out_as_they_were():
    editor = LineEditor()
    assert editor.feed(b"\xff\xe4x") == []
    assert editor.view() == ("  x", 3)
    assert editor.feed(b"\n") == [b"\xff\xe4x"]
    assert editor.feed(b"a\tb") == [] and editor.view() == ("a b", 3)


def test_a_line_has_a_limit():
    editor = LineEditor()
    editor.feed(b"x" * (LINE_LIMIT + 10))
    assert len(editor.before) == LINE_LIMIT and not editor.after


def test_arrow_up_finds_earlier_lines_and_arrow_down_what_was_typed():
    editor = LineEditor()
    editor.feed(b"first\nsecond\nsecond\n\ndraft")
    seen = []
    for key in (UP, UP, UP, DOWN, DOWN, DOWN):
        editor.feed(key)
        seen.append(editor.before)
    assert seen == ["second", "first", "first", "second", "draft", "draft"]
    assert editor.feed(UP + b"!\n") == [b"second!"]
    editor.feed(UP)
    assert editor.before == "second!"


@pytest.mark.parametrize("cursor", range(12))
@pytest.mark.parametrize("room", [2, 3, 5, 9, 10, 40])
def test_the_window_fits_and_has_the_cursor(cursor, room):
    text = "ab日本語cde\u0301fgh"
    shown, before = window(text, cursor, room)
    assert shown in text and columns(shown) <= room and 0 <= before <= columns(shown)
    start = text.index(shown) if shown else cursor
    assert any(columns(text[at:cursor]) == before for at in (start, start + 1))


@pytest.mark.parametrize("text, room, lines", [
    ("one two three", 7, ["one two", "three"]), ("one two three", 8, ["one two", "three"]),
    ("abcdefgh", 3, ["abc", "def", "gh"]), ("a bcdefgh", 5, ["a bcd", "efgh"]), ("", 3, [""]),
    ("日本語", 3, ["日", "本", "語"]), ("日本", 1, ["日", "本"]), ("ab  ", 2, ["ab"])])
def test_texts_are_folded_between_words_and_a_word_that_is_too_long_is_cut(text, room, lines):
    assert list(fold(text, room)) == lines


@pytest.mark.parametrize("room", range(2, 20))
@pytest.mark.parametrize("indent", [0, 1, 8, 30])
def test_a_text_is_folded_whole_however_narrow_the_terminal(room, indent):
    text = "  日本 ab語 abcdefgh x"
    lines = itertools.islice(fold(text, room, indent), 99)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
