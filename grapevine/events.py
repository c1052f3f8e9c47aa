"""Events: the lines of output files, parsed. Pure.

`received:127.0.0.1:5002:gmessage:…` is of the kind `received`, about 127.0.0.1:5002. What others
sent stands escaped in them (output.py), and `unescape` returns it.
"""

import re

ADDRESS = r"(?:[0-9.]+|\[[^\]]*\]):[0-9]+"
# Who has ended a link with a neighbour: this node; the other end, which has said so; or neither,
# so that misses are counted
HERE, THERE, BROKEN = "here", "there", "broken"
RENEWED = "duplicate"  # why a link ends beside which a newer one stands, or soon will
_ABOUT = re.compile(ADDRESS)
_LINE = re.compile(rf"gmessage:([0-9.]+):({ADDRESS}):([0-9]+):([0-9]+):(.*)", re.DOTALL)
_ESCAPED = re.compile(r"\\(?:\\|x([0-9a-f]{2})|u([0-9a-f]{4})|U(00(?:0[0-9a-f]|10)[0-9a-f]{4}))")


def parted(event: str) -> tuple[str, str, str]:
    """Return an event's kind, its address or "", and the rest."""
    kind, _, rest = event.partition(":")
    return kind, *about(rest)


def about(rest: str) -> tuple[str, str]:
    """Return the address that begins a text or "", and the rest."""
    match = _ABOUT.match(rest)
    return (match[0], rest[match.end():].removeprefix(":")) if match else ("", rest)


def end_of_link(rest: str) -> tuple[str, str]:
    """Return REASON and HERE, THERE or BROKEN of the end of `disconnected:PEER:REASON:WHO`."""
    reason, _, who = rest.rpartition(":")
    return reason, who


def gossip_fields(line: str) -> tuple[float, str, int, int, str] | None:
    """Return the time, origin, START, number and text of `gmessage:…`, or None."""
    match = _LINE.fullmatch(line)
    return match and (float(match[1]), match[2], int(match[3]), int(match[4]), match[5])


def unescape(text: str) -> str:
    """Return a text as it was before it was escaped."""
    def meant(match: re.Match) -> str:
        code = match[1] or match[2] or match[3]
        return chr(int(code, 16)) if code else "\\"

    return _ESCAPED.sub(meant, text)
