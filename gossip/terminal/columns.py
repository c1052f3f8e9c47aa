"""Columns: how much room a text takes on a terminal, and how it is cut into lines. Pure.

A wide character (Chinese, most emoji) takes two columns, a mark above another character none.
"""

import unicodedata
from collections.abc import Iterator


def width_of(character: str) -> int:
    """The columns of one printable character: 0, 1 or 2."""
    if character.isascii():
        return 1
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def columns(text: str) -> int:
    """The columns of a printable text."""
    return len(text) if text.isascii() else sum(map(width_of, text))


def cut(text: str, room: int) -> str:
    """The beginning of a text that fits into so many columns."""
    if text.isascii():
        return text[:max(0, room)]
    taken = 0
    for place, character in enumerate(text):
        taken += width_of(character)
        if taken > room:
            return text[:place]
    return text


def fold(text: str, room: int, indent: int = 0, whole: bool = False) -> Iterator[str]:
    """The lines of a text, broken between words where there is no room; what follows a break is
    indented. A word that is too long is cut, or stays `whole`, like the address of a page."""
    for line in text.split("\n"):
        begin = min(len(line) - len(line.lstrip(" ")), room // 3)
        line = " " * begin + line.strip(" ")
        while len(part := cut(line, room) or line[:1]) < len(line):
            at = len(part) if line[len(part)] == " " else part.rfind(" ", begin)
            if whole and at < 0 and (at := line.find(" ", len(part))) < 0:
                break
            if not whole and at <= (begin + len(part)) // 2:
                at = max(len(part), begin + 1)
            yield line[:at]
            begin = min(indent, room - 1)
            line = " " * begin + line[at:].lstrip(" ")
        yield line
