"""Escaping: how text that others sent is shown in files and on screens.

What is printable stays as it is, but for the backslash, which is doubled: so what was said can be
told from what was escaped, and two different texts never look the same. Everything else becomes
its code: control characters, which would end a line or speak to a terminal; marks that reverse the
direction of what follows; invisible characters; spaces that are none on a keyboard; and bytes that
are no text (halves of a surrogate pair).
"""

_PLAIN = bytes({*range(32, 127)} - {ord("\\")}) + b"\n"


def escape(text: str) -> str:
    """Show each character that is not printable as `\\x1b`, `\\u202e` or `\\U000e0001`, and the
    backslash as two."""
    if text.isprintable() and "\\" not in text:
        return text
    return "".join(map(_shown, text))


def escape_lines(text: str) -> str:
    """Lines with `\\n` between them, each of them escaped. Most are plain ASCII, which is found out
    at once."""
    if text.isascii() and not text.encode().translate(None, _PLAIN):
        return text
    return "\n".join(map(escape, text.split("\n")))


def _shown(character: str) -> str:
    if character == "\\":
        return "\\\\"
    if character.isprintable():
        return character
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
