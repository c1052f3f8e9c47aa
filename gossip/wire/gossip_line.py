"""The gossip line, its fields, its prefixes and its key.

Pure. Gossip lines are forwarded byte for byte, may carry prefixes (fields in front of `gmessage:`
that later systems define), and are parsed by `parse_gossip` only when new.
"""

import re
from typing import NamedTuple

from gossip.addresses import Address
from gossip.wire.fields import ADDRESS, IP, WireError, address_in, text_in

GOSSIP_LIMIT = 65_536  # bytes of a line from `gmessage:` on
NUMBER_LIMIT = 2**63 - 1  # the largest START and NUMBER

GOSSIP = b"gmessage:"
RUMOR = b"rumor:"  # the prefix of gossip that is to be answered with `took` or `knew`

_RUN = re.compile(ADDRESS + rb":([1-9][0-9]{0,18})")
_GOSSIP = re.compile(rb"gmessage:[0-9]{1,12}\.[0-9]{6}:(" + IP +
                     rb":[1-9][0-9]{0,4}:[1-9][0-9]{0,18}):([1-9][0-9]{0,18}):")


class Gossip(NamedTuple):
    """What a new gossip line says; `run` is its `IP:PORT:START`, `shown` its text from
    `gmessage:` on."""

    run: bytes
    number: int
    shown: str


def gossip(time: str, own: Address, start: int, number: int, text: str) -> bytes:
    """One gossip line, without its `\n`."""
    return f"gmessage:{time}:{own}:{start}:{number}:{text}".encode()


def check_run(run: bytes) -> None:
    """WireError unless this is the `IP:PORT:START` of an origin, spelled as it has to be."""
    match = _RUN.fullmatch(run)
    if not match or int(match[2]) > NUMBER_LIMIT:
        raise WireError("START is not between 1 and 2^63-1")
    address_in(match[1])


def gossip_part(line: bytes) -> bytes:
    """The line from `gmessage:` on: what is hashed, shown and kept apart by."""
    return line if line.startswith(GOSSIP) else line[line.index(GOSSIP):]


def rumors(lines: list[bytes]) -> bytes:
    """These gossip lines as rumors (with their `\n`), without any other prefix."""
    return b"".join([RUMOR + gossip_part(line) + b"\n" for line in lines])


def gossip_key(line: bytes) -> tuple[bytes, int]:
    """Run and number of a gossip line that was checked before."""
    return gossip_fields(line)[:2]


def gossip_fields(line: bytes) -> tuple[bytes, int, bytes]:
    """Run, number and text of a gossip line that was checked before."""
    line = gossip_part(line)
    match = _GOSSIP.match(line)
    return match[1], int(match[2]), line[match.end():]


def parse_gossip(line: bytes) -> Gossip:
    """Check a gossip line in full (its run aside: `check_run`, once per run)."""
    match = _GOSSIP.match(line)
    if match is None:
        at = line.find(b":" + GOSSIP) + 1
        match = _GOSSIP.match(line, at) if at and line.find(GOSSIP) == at else None
        if match is None:
            raise WireError("malformed gmessage line")
        text_in(line[:at])
        line = line[at:]
    if len(line) > GOSSIP_LIMIT:
        raise WireError(f"gmessage line longer than {GOSSIP_LIMIT} bytes")
    number = int(match[2])
    if number > NUMBER_LIMIT:
        raise WireError("NUMBER is not between 1 and 2^63-1")
    return Gossip(match[1], number, text_in(line))
