"""Events: what an output file says after the time, taken apart for whoever reads along.

Pure. `received:127.0.0.1:5002:gmessage:…` is of the kind `received`, about 127.0.0.1:5002.
"""

import re

ADDRESS = r"(?:[0-9.]+|\[[^\]]*\]):[0-9]+"
ROTATED = r"(?:[.-][0-9][0-9-]*)?(?:\.gz)?"  # what logrotate and others put behind a file's name
_ABOUT = re.compile(ADDRESS)
_LINE = re.compile(rf"gmessage:([0-9.]+):({ADDRESS}):([0-9]+):([0-9]+):(.*)", re.DOTALL)


def parted(event: str) -> tuple[str, str, str]:
    """Return the kind of an event, the address that it is about or "", and what follows."""
    kind, _, rest = event.partition(":")
    return kind, *about(rest)


def about(rest: str) -> tuple[str, str]:
    """Return the address with which a text begins or "", and what follows."""
    match = _ABOUT.match(rest)
    return (match[0], rest[match.end():].removeprefix(":")) if match else ("", rest)


def gossip_fields(line: str) -> tuple[float, str, int, int, str] | None:
    """Return the time, origin, START, number and text of a line `gmessage:…`; None if it is
    another line."""
    match = _LINE.fullmatch(line)
    if match is None:
        return None
    return float(match[1]), match[2], int(match[3]), int(match[4]), match[5]
