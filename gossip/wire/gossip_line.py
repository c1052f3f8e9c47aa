"""The gossip line: `gmessage:TIME:IP:PORT:START:NUMBER:TEXT`.

Pure. `IP:PORT:START` is the run, one life of a peer; run and number are the key of a message.
Prefixes are fields before `gmessage:`, e.g. `rumor:`; they belong to a way of spreading, or to a
later system, not to the message. A peer forwards a line byte for byte, and parses it only if it is
new: consecutive lines of a run together (`parse_block`), other lines singly (`parse_gossip`).
"""

import itertools
import re
from typing import NamedTuple

from gossip.addresses import Address
from gossip.wire.fields import IP, NUMBER_LIMIT, PEER, WireError, address_in, text_in

GOSSIP_LIMIT = 65_536  # bytes of a line from `gmessage:` on

GOSSIP = b"gmessage:"
SIGNED = b"signed:"  # begins a cover, see signing/grammar.py
RUMOR = b"rumor:"  # a prefix: the receiver answers `took` or `knew`

RUN = IP + rb":[1-9][0-9]{0,4}:[1-9][0-9]{0,18}"  # a pattern without groups

_RUN = re.compile(b"(" + PEER.pattern + rb"):([1-9][0-9]{0,18})")
_GOSSIP = re.compile(rb"gmessage:[0-9]{1,12}\.[0-9]{6}:(" + RUN + rb"):([1-9][0-9]{0,18}):")
_LINE = re.compile(rb"(?m:^)" + _GOSSIP.pattern + rb".*\n")


class Gossip(NamedTuple):
    """A parsed gossip line: run (`IP:PORT:START`), number, and the line from `gmessage:` on."""

    run: bytes
    number: int
    shown: str


class Block(NamedTuple):
    """Parsed consecutive gossip lines of one run."""

    run: bytes
    first: int  # number
    last: int
    shown: str  # the lines as output files show them, with `\n` between them


def gossip(time: str, own: Address, start: int, number: int, text: str) -> bytes:
    """Make a gossip line, without its `\\n`. `\\r` at the end of the text is dropped, because it
    would be taken for the end of the line."""
    return f"gmessage:{time}:{own}:{start}:{number}:{text}".rstrip("\r").encode()


def check_run(run: bytes) -> Address:
    """Return the address of a run, e.g. `127.0.0.1:5001:1700000000000`; WireError if it is none."""
    match = _RUN.fullmatch(run)
    if not match or int(match[2]) > NUMBER_LIMIT:
        raise WireError("START is not between 1 and 2^63-1")
    return address_in(match[1])


def shown(lines: list[bytes]) -> str:
    """Return checked gossip lines as output files show them, with `\\n` between them."""
    return b"\n".join(map(gossip_part, lines)).decode()


def gossip_part(line: bytes) -> bytes:
    """Return the line from `gmessage:` on, without prefixes. A message's hash covers this."""
    return line if line.startswith(GOSSIP) else line[line.index(GOSSIP):]


def covered(lines: list[bytes], covers: list[bytes]) -> list[bytes]:
    """Return gossip lines grouped by cover, each cover (`covers` has that of each line) before its
    lines; without covers, return the lines unchanged."""
    if not covers:
        return lines
    groups: dict[bytes, list[bytes]] = {}
    for cover, line in zip(covers, lines):
        groups.setdefault(cover, [cover]).append(line)
    return list(itertools.chain.from_iterable(groups.values()))


def rumors(lines: list[bytes]) -> bytes:
    """Return gossip lines as rumors, with `\\n`, without other prefixes; covers stay the same."""
    return b"".join([(line if line.startswith(SIGNED) else RUMOR + gossip_part(line)) + b"\n"
                     for line in lines])


def gossip_key(line: bytes) -> tuple[bytes, int]:
    """Return the run and number of a checked gossip line."""
    return gossip_fields(line)[:2]


def gossip_fields(line: bytes) -> tuple[bytes, int, bytes]:
    """Return the run, number and text of a checked gossip line."""
    line = gossip_part(line)
    match = _GOSSIP.match(line)
    return match[1], int(match[2]), line[match.end():]


def parse_block(lines: list[bytes]) -> Block | None:
    """Check and parse gossip lines at once, which is faster. Return None unless all are valid, have
    no prefix, are of one run, and have consecutive numbers."""
    data, count = b"\n".join(lines), len(lines)
    heads = _LINE.findall(data + b"\n") if data.startswith(GOSSIP) else ()
    if not count or len(heads) != count:
        return None
    runs, numbers = zip(*heads)
    first = int(numbers[0])
    last = first + count - 1
    if (runs.count(runs[0]) != count or list(map(int, numbers)) != list(range(first, last + 1))
            or last > NUMBER_LIMIT or max(map(len, lines)) > GOSSIP_LIMIT):
        return None
    try:
        return Block(runs[0], first, last, data.decode())
    except UnicodeDecodeError:
        return None


def parse_gossip(line: bytes) -> Gossip:
    """Check and parse a gossip line. `check_run` checks the run, once for all its lines."""
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
