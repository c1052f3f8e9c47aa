"""Events: parsing lines of output files, and showing text that others sent.

Pure. `received:127.0.0.1:5002:gmessage:…` is of the kind `received`, about 127.0.0.1:5002.

Printable characters are shown as they are, except that a backslash is doubled, so that two texts
never look the same. Everything else is shown as its code: control characters, which would end a
line or control a terminal; marks that reverse the direction of text; invisible characters; unusual
spaces; and bytes that are no text (halves of a surrogate pair).
"""

import re

ADDRESS = r"(?:[0-9.]+|\[[^\]]*\]):[0-9]+"
ROTATED = r"(?:[.-][0-9][0-9-]*)?(?:\.gz)?"  # what logrotate and others put behind a file's name
RENEWED = {"replaced", "duplicate"}  # ends of links beside which a newer one stands, or soon will
_ABOUT = re.compile(ADDRESS)
_LINE = re.compile(rf"gmessage:([0-9.]+):({ADDRESS}):([0-9]+):([0-9]+):(.*)", re.DOTALL)
_ESCAPED = re.compile(r"\\(?:\\|x(..)|u(....)|U(........))")


def parted(event: str) -> tuple[str, str, str]:
    """Return an event's kind, its address or "", and the rest."""
    kind, _, rest = event.partition(":")
    return kind, *about(rest)


def about(rest: str) -> tuple[str, str]:
    """Return the address that begins a text or "", and the rest."""
    match = _ABOUT.match(rest)
    return (match[0], rest[match.end():].removeprefix(":")) if match else ("", rest)


def gossip_fields(line: str) -> tuple[float, str, int, int, str] | None:
    """Return the time, origin, START, number and text of `gmessage:…`, or None."""
    match = _LINE.fullmatch(line)
    return match and (float(match[1]), match[2], int(match[3]), int(match[4]), match[5])


def escape(text: str) -> str:
    """Double backslashes, and show unprintable characters as `\\x1b` or `\\U000e0001`."""
    return text if text.isprintable() and "\\" not in text else "".join(map(_shown, text))


def unescape(text: str) -> str:
    def meant(match: re.Match) -> str:
        code = match[1] or match[2] or match[3]
        return chr(int(code, 16)) if code else "\\"

    return _ESCAPED.sub(meant, text)


def _shown(character: str) -> str:
    if character.isprintable():
        return character.replace("\\", "\\\\")
    if character.isascii():
        return f"\\x{ord(character):02x}"
    return character.encode("ascii", "backslashreplace").decode()
