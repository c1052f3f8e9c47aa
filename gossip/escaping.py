"""Escaping: how text that others sent is shown in files and on screens.

Printable characters stay, except that a backslash is doubled, so that two different texts never
look the same. Everything else becomes its code: control characters, which would end a line or
control a terminal; marks that reverse the direction of text; invisible characters; unusual spaces;
and bytes that are no text (halves of a surrogate pair).
"""

import re

_PLAIN = bytes({*range(32, 127)} - {ord("\\")}) + b"\n"
_ESCAPED = re.compile(r"\\(?:\\|x(..)|u(....)|U(........))")


def escape(text: str) -> str:
    """Double backslashes, and show unprintable characters as `\\x1b` or `\\U000e0001`."""
    if text.isprintable() and "\\" not in text:
        return text
    return "".join(map(_shown, text))


def escape_lines(text: str) -> str:
    """Escape lines with `\\n` between them. Plain ASCII, the usual case, is fast."""
    if text.isascii() and not text.encode().translate(None, _PLAIN):
        return text
    return "\n".join(map(escape, text.split("\n")))


def unescape(text: str) -> str:
    """Return the text that was escaped."""
    return _ESCAPED.sub(_meant, text)


def _meant(match: re.Match) -> str:
    code = match[1] or match[2] or match[3]
    return chr(int(code, 16)) if code else "\\"


def _shown(character: str) -> str:
    if character == "\\":
        return "\\\\"
    if character.isprintable():
        return character
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
