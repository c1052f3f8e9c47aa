"""Events: their kind, what they are about, and the fields of a gossip line; and escaping: what
others sent cannot do anything to a file or a screen."""

import random
import sys
import unicodedata

import pytest

from gossip.events import about, escape, gossip_fields, parted, unescape


@pytest.mark.parametrize("event, parts", [
    ("connected:127.0.0.1:5002", ("connected", "127.0.0.1:5002", "")),
    ("disconnected:[::1]:5002:left", ("disconnected", "[::1]:5002", "left")),
    ("refused:127.0.0.1:5002:a:b", ("refused", "127.0.0.1:5002", "a:b")),
    ("stopped:quit", ("stopped", "", "quit")), ("late", ("late", "", ""))])
def test_an_event_has_a_kind_an_address_and_a_rest(event, parts):
    assert parted(event) == parts and about(event.partition(":")[2]) == parts[1:]


def test_a_gossip_line_has_a_time_an_origin_a_start_a_number_and_a_text():
    assert gossip_fields("gmessage:12.500000:[::1]:5:7:3:a:b\n") == (12.5, "[::1]:5", 7, 3, "a:b\n")
    assert gossip_fields("gmessage:12.5:somewhere") is None
    assert gossip_fields("x gmessage:12.500000:127.0.0.1:5:7:3:a") is None


@pytest.mark.parametrize("text, shown", [
    ("message 1: größer, 日本語, 🍇", "message 1: größer, 日本語, 🍇"),
    ("\x1b[2J", r"\x1b[2J"),
    ("\x9b2J\x7f", r"\x9b2J\x7f"),
    ("a\nb\r\u2028\u2029\x85", r"a\x0ab\x0d\u2028\u2029\x85"),
    ("\u202egpj.exe", r"\u202egpj.exe"),  # would be read from right to left
    ("\u200b\ufeff\xad", r"\u200b\ufeff\xad"),  # nobody sees them
    ("\xa0\u3000", r"\xa0\u3000"),  # spaces that are none on a keyboard
    ("\U000e0041\U0010ffff", r"\U000e0041\U0010ffff"),
    ("\udc9b", r"\udc9b"),  # a byte that is no text
    ("C:\\x1b", r"C:\\x1b"),
])
def test_what_is_not_printable_is_shown_as_its_code_and_the_backslash_as_two(text, shown):
    assert escape(text) == shown


def test_nothing_that_is_escaped_is_of_a_kind_that_no_eye_can_see():
    shown = escape("".join(map(chr, range(sys.maxunicode + 1))))
    assert shown.isprintable()
    assert not {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"} & set(map(unicodedata.category, shown))


def test_different_texts_are_never_shown_the_same():
    texts = ["\x1b", "\\x1b", "\\\\x1b", "\u202e", "\\u202e", "\\\x1b", "\U000e0041", "\\"]
    assert len({escape(text) for text in texts}) == len(texts)


def test_what_was_escaped_is_got_back():
    chance = random.Random(3)
    characters = "\\xuU0123456789abcdef\n\x1b\u202e\udc9b\U000e0041漢😀 "
    for _ in range(20_000):
        text = "".join(chance.choice(characters) for _ in range(chance.randrange(12)))
        assert unescape(escape(text)) == text
