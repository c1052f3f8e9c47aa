"""The lines of the assignment: their values, what makes them, and how gossip lines are read. Pure.

Every kind of line with fields has a class; its `kind` names the method `on_<kind>` of the part
that answers it. A line is checked in full, so that what a node forwards is valid for all.

The gossip line is `gmessage:TIME:IP:PORT:START:NUMBER:TEXT`. `IP:PORT:START` is the run, one life
of a peer; run and number are the key of a message. Prefixes before `gmessage:`, e.g. `rumor:`,
belong to a way of spreading, not to the message. A peer forwards a line byte for byte, and parses
it only if it is new, together with adjacent lines of its run.
"""

import functools
import itertools
import operator
import re
from typing import NamedTuple

from gossip.addresses import Address
from gossip.wire.fields import (
    ADDRESSES, LINES, NUMBER, NUMBER_LIMIT, PEER, TEXT, TIME, Answer, Field, WireError, address_in,
    declare_bare, declare_kind, text_in)

NAMED_LIMIT = 300  # bytes of the address that a peer names, valid or not
GOSSIP_LIMIT = 65_536  # bytes of a line from `gmessage:` on
RUNS_KEPT = 2_000  # runs cached that were checked last

GOSSIP = b"gmessage:"
SIGNED = b"signed:"  # begins a cover, see signing/grammar.py
RUMOR = b"rumor:"  # a prefix: the receiver answers `took` or `knew`

RUN = b"%b:%b" % (PEER.pattern, NUMBER.pattern)  # a pattern without groups

_RUN = re.compile(b"(%b):(%b)" % (PEER.pattern, NUMBER.pattern))
_GOSSIP = re.compile(b"gmessage:%b:(%b):(%b):" % (TIME.pattern, RUN, NUMBER.pattern))
_LINE = re.compile(rb"(?m:^)" + _GOSSIP.pattern + rb".*\n")


def _named(field: bytes) -> Address | str:
    """Return the address that a peer names, or what is wrong."""
    try:
        return address_in(field)
    except WireError as error:
        return str(error)


# Each kind of line has a class of its values, and a function that makes it from its fields.

# A peer asks a seed to list it. The seed has listed it, or has not.
Register, register = declare_kind(
    "register", "register:%s", address=Field(rb"(?s:.{0,%d})" % NAMED_LIMIT, _named))
REGISTERED = declare_bare("registered", "registered successfully")
RegistrationRefused, registration_refused = declare_kind(
    "registration_refused", "registration refused:%s", reason=TEXT)
# Anybody asks a seed for its list, and is told it, or a sample, without itself; 2,500 fit.
ASK_PEER_LIST = declare_bare("ask_peer_list", "peer list")
PeerList, peer_list = declare_kind("peer_list", "peer list:%s", addresses=ADDRESSES)
# A peer that no seed answers asks a neighbour, which tells some of the peers that it knows, and the
# asker's successors on the ring.
ASK_KNOWN_PEERS = declare_bare("ask_known_peers", "known peers")
KnownPeers, known_peers = declare_kind(
    "known_peers", "known peers:%s", made=Answer, addresses=ADDRESSES)
# A peer ends gracefully.
Leave, leave = declare_kind("leave", "leave:%s", address=PEER)
# A peer asks another to become its neighbour, which accepts or refuses; a neighbour that ends the
# link later says the last line, too.
Connect, connect = declare_kind("connect", "Connection with Peer:%s", address=PEER)
Accepted, accepted = declare_kind("accepted", "connection accepted:%s", address=PEER)
Refused, refused = declare_kind("refused", "connection refused:%s:%s", address=PEER, reason=TEXT)
# A peer or seed asks whether a peer is alive, which repeats time and address, and adds its own.
LivenessRequest, liveness_request = declare_kind(
    "liveness_request", "Liveness Request:%s:%s", time=TIME, address=PEER)
LivenessReply, liveness_reply = declare_kind(
    "liveness_reply", "Liveness Reply:%s:%s:%s", made=Answer, time=TIME, asker=PEER, replier=PEER)

# A peer reports a death. The time, in the reporter's spelling, is that of the report.
DeadNode, dead_node = declare_kind(
    "dead_node", "Dead Node:%s:%s:%s", dead=PEER, time=TIME, reporter=PEER)


# Gossip lines.

def is_gossip(line: bytes) -> bool:
    """Return whether a line is gossip: `gmessage:`, perhaps behind prefixes. A word of
    LINES_OR_PREFIXES counts as a prefix, because no line that it begins contains gossip."""
    return line.startswith(GOSSIP) or (
        b":gmessage:" in line and line.partition(b":")[0] not in LINES)


class Gossip(NamedTuple):
    """A parsed gossip line."""

    run: bytes  # IP:PORT:START
    number: int
    shown: str  # the line from `gmessage:` on


class Block(NamedTuple):
    """Parsed consecutive gossip lines of a run."""

    run: bytes
    first: int  # number
    last: int
    shown: str  # the lines as output files show them, with `\n` between them


def gossip(time: str, own: Address, start: int, number: int, text: str) -> bytes:
    """Make a gossip line without `\\n`; a last `\\r` goes, because neighbours drop it."""
    return f"gmessage:{time}:{own}:{start}:{number}:{text}".rstrip("\r").encode()


@functools.lru_cache(maxsize=RUNS_KEPT)
def check_run(run: bytes) -> Address:
    """Return the address of a run. WireError if it is none."""
    match = _RUN.fullmatch(run)
    if not match or int(match[2]) > NUMBER_LIMIT:
        raise WireError("START is not between 1 and 2^63-1")
    return address_in(match[1])


def gossip_part(line: bytes) -> bytes:
    """Return the line without prefixes. A message's hash covers this."""
    return line if line.startswith(GOSSIP) else line[line.index(GOSSIP):]


def covered(lines: list[bytes], covers: list[bytes]) -> list[bytes]:
    """Return gossip lines grouped behind their covers, if any. `covers` has that of each line."""
    if not covers:
        return lines
    groups: dict[bytes, list[bytes]] = {}
    for cover, pairs in itertools.groupby(zip(covers, lines), operator.itemgetter(0)):
        groups.setdefault(cover, [cover]).extend(map(operator.itemgetter(1), pairs))
    return list(itertools.chain.from_iterable(groups.values()))


def rumors(lines: list[bytes]) -> bytes:
    """Return gossip lines as rumors, with `\\n`. Covers stay the same."""
    return b"".join([(line if line.startswith(SIGNED) else RUMOR + gossip_part(line)) + b"\n"
                     for line in lines])


def gossip_key(line: bytes) -> tuple[bytes, int]:
    return gossip_fields(line)[:2]


def gossip_time(line: bytes) -> float:
    """Return the TIME of a checked gossip line without prefixes."""
    return float(line.split(b":", 2)[1])


def gossip_fields(line: bytes) -> tuple[bytes, int, bytes]:
    """Return the run, number and text of a checked gossip line."""
    line = gossip_part(line)
    match = _GOSSIP.match(line)
    return match[1], int(match[2]), line[match.end():]


def parse_block(lines: list[bytes]) -> Block | None:
    """Check and parse gossip lines at once, which is faster. Return None unless all are valid,
    without prefix, of one run, and have consecutive numbers."""
    data, count = b"\n".join(lines), len(lines)
    heads = _LINE.findall(data + b"\n")
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
    """Parse a gossip line. `check_run` checks its run, once for all its lines."""
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
