"""Columns: how much room a text takes on a terminal, and how it is cut into lines. Pure.

A wide character (Chinese, most emoji) takes two columns, a mark above another character none.
"""

import unicodedata


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


def fold(text: str, room: int, most: int) -> list[str]:
    """Cut a text into at most so many lines that fit, between words where there are any; what is
    left out then becomes `…`."""
    lines, at = [], 0
    while len(lines) < most - 1:
        part = text[at:at + 4 * room + 4]  # marks take no room, but few letters have many
        line = cut(part, room) or part[:1]
        if at + len(line) >= len(text):
            return [*lines, line]
        at_blank = line.rfind(" ") if part[len(line):len(line) + 1] != " " else len(line)
        if at_blank > len(line) // 2:
            line = line[:at_blank]
        lines.append(line)
        at += len(line)
        while text.startswith(" ", at):
            at += 1
    rest = text[at:at + 4 * room + 4]
    whole = at + len(rest) >= len(text) and columns(rest) <= room
    return [*lines, rest if whole else cut(rest, room - 1) + "…"]
