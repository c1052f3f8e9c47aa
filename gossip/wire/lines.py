"""The grammar of the wire: one line in, one value out, or a WireError; and back.

Pure. Lines are bytes without their `\n`. Every kind of line is a class here; its `kind` names
the method `on_<kind>` that handles it. What a line may hold is checked in full by `parse`, so
that whatever is passed on is accepted by the next.

Gossip lines are special: they are forwarded byte for byte, may carry prefixes (fields in front
of `gmessage:` that later systems define), and are parsed by `parse_gossip` only when new.
"""

import functools
import re
from typing import NamedTuple

from gossip.addresses import Address, parse_address
from gossip.intervals import Intervals, Range, format_ranges

LINE_LIMIT = 131_072  # bytes of a line
GOSSIP_LIMIT = 65_536  # bytes of a line from `gmessage:` on
NUMBER_LIMIT = 2**63 - 1  # the largest START and NUMBER
RANGES_LIMIT = 8_000  # ranges in one status line
SHORT_ENTRY = 64  # bytes of an entry of a status line that is kept in mind once it is parsed
PARTS = 64  # of a digest, each 32 bits long
STATUS_TARGET = 50_000  # bytes after which a list of status entries goes on in the next line

GOSSIP = b"gmessage:"
RUMOR = b"rumor:"  # the prefix of gossip that is to be answered with `took` or `knew`

_IP = rb"(?:[0-9.]{7,15}|\[[0-9a-f:.]{2,45}\])"
_ADDRESS = rb"(" + _IP + rb":[1-9][0-9]{0,4})"
_LISTED = re.compile(_IP + rb"#[1-9][0-9]{0,4}")
_LIST = re.compile(rb"%b(?::%b)*" % (_LISTED.pattern, _LISTED.pattern))
_TIME = rb"([0-9]{1,12}\.[0-9]{6})"
_RUN = re.compile(_ADDRESS + rb":([1-9][0-9]{0,18})")
_GOSSIP = re.compile(rb"gmessage:[0-9]{1,12}\.[0-9]{6}:(" + _IP +
                     rb":[1-9][0-9]{0,4}:[1-9][0-9]{0,18}):([1-9][0-9]{0,18}):")
_ENTRY = re.compile(rb"(" + _IP + rb":[1-9][0-9]{0,4}:[1-9][0-9]{0,18})=([0-9,-]+)")
_RANGE = re.compile(rb"([1-9][0-9]{0,18})(?:-([1-9][0-9]{0,18}))?")


class WireError(ValueError):
    """The other end broke the grammar, or a rule about who may say what."""


class Register(NamedTuple):
    """A peer asks a seed to list it."""

    address: Address
    kind = "register"


class Registered(NamedTuple):
    """A seed has listed the asker."""

    kind = "registered"


class RegistrationRefused(NamedTuple):
    """A seed has not listed the asker."""

    reason: str
    kind = "registration_refused"


class AskPeerList(NamedTuple):
    """Somebody asks a seed for its list."""

    kind = "ask_peer_list"


class PeerList(NamedTuple):
    """A seed's list, without the asker."""

    addresses: frozenset
    kind = "peer_list"


class AskKnownPeers(NamedTuple):
    """A peer without a seed asks a neighbour whom it knows."""

    kind = "ask_known_peers"


class KnownPeers(NamedTuple):
    """Some of whom a peer knows, the asker's successors on the ring among them."""

    addresses: frozenset
    kind = "known_peers"


class DeadNode(NamedTuple):
    """A death: who, when it was found (as written by the reporter), by whom."""

    dead: Address
    time: str
    reporter: Address
    kind = "dead_node"

    @property
    def line(self) -> str:
        return f"Dead Node:{self.dead}:{self.time}:{self.reporter}"


class Leave(NamedTuple):
    """A peer ends gracefully."""

    address: Address
    kind = "leave"


class Connect(NamedTuple):
    """A peer asks another to become neighbours."""

    address: Address
    kind = "connect"


class Accepted(NamedTuple):
    """The peer that was asked takes the asker as a neighbour."""

    address: Address
    kind = "accepted"


class Refused(NamedTuple):
    """The peer that was asked does not; or, later, a neighbour gives the link up."""

    address: Address
    reason: str
    kind = "refused"


class LivenessRequest(NamedTuple):
    """Are you there?"""

    time: str
    address: Address
    kind = "liveness_request"


class LivenessReply(NamedTuple):
    """I am: time and address as asked, then the replier's."""

    time: str
    asker: Address
    replier: Address
    kind = "liveness_reply"


class Status(NamedTuple):
    """A line of anti-entropy: a verb, and a digest, parts (numbers) or entries (run, ranges).

    digest   a digest of all that the sender knows; when one's own differs, `parts` goes back,
             or, by who knows of few runs only, `seen` and `show` at once
    parts    the same digest in 64 parts, by runs; `seen` and `show` for what differs go back
    show     asks for `seen` (64 bits: of which parts); not when two meet: both tell unasked
    seen     what the sender knows of these runs
    want     asks for texts, which come in number order, as many as make a portion; then
    gone     names those of them that the sender no longer holds; then
    sent     ends the portion: time to ask for the next
    took     answers a rumor: it was new here (now and then with a `digest`)
    knew     answers a rumor: it was not

    `digest`, `parts` and `seen` begin with `meet ` when two have just become neighbours: then
    what a peer only knows to be gone counts as not known, for the new neighbour may hold it.
    """

    verb: str
    meeting: bool = False
    digest: str = ""
    parts: tuple = ()
    entries: tuple | list = ()
    kind = "status"


class Gossip(NamedTuple):
    """What a new gossip line says; `run` is its `IP:PORT:START`, `shown` its text from
    `gmessage:` on."""

    run: bytes
    number: int
    shown: str


# What is said, in the words of the wire (with the `\n`).


def register(own: Address) -> bytes:
    return f"register:{own}\n".encode()


REGISTERED = b"registered successfully\n"
ASK_PEER_LIST = b"peer list\n"
ASK_KNOWN_PEERS = b"known peers\n"


def registration_refused(reason: str) -> bytes:
    return f"registration refused:{reason}\n".encode()


def peer_list(addresses, word: str = "peer list") -> bytes:
    """The longest list that fits into a line; the caller shuffles when that is not all."""
    line = word + ":" + ":".join([address.listed for address in addresses])
    if len(line) >= LINE_LIMIT:
        last = line.rindex("#", 0, LINE_LIMIT - len("#65535"))
        line = line[:line.index(":", last)]  # an IPv6 address has colons, too
    return f"{line}\n".encode()


def known_peers(addresses) -> bytes:
    return peer_list(addresses, "known peers")


def dead_node(report: DeadNode) -> bytes:
    return f"{report.line}\n".encode()


def leave(own: Address) -> bytes:
    return f"leave:{own}\n".encode()


def connect(own: Address) -> bytes:
    return f"Connection with Peer:{own}\n".encode()


def accepted(own: Address) -> bytes:
    return f"connection accepted:{own}\n".encode()


def refused(own: Address, reason: str) -> bytes:
    return f"connection refused:{own}:{reason}\n".encode()


def format_time(seconds: float) -> str:
    """TIME: Unix seconds with six decimals."""
    return f"{seconds:.6f}"


def liveness_request(time: str, own: Address) -> bytes:
    return f"Liveness Request:{time}:{own}\n".encode()


def liveness_reply(request: LivenessRequest, own: Address) -> bytes:
    return f"Liveness Reply:{request.time}:{request.address}:{own}\n".encode()


def gossip(time: str, own: Address, start: int, number: int, text: str) -> bytes:
    """One gossip line, without its `\n`."""
    return f"gmessage:{time}:{own}:{start}:{number}:{text}".encode()


def status(verb: str, body: str = "") -> bytes:
    return f"status:{verb}{':' if body else ''}{body}\n".encode()


def status_parts(verb: str, parts: list[int]) -> bytes:
    """The parts of a digest."""
    return status(verb, "".join([f"{part:08x}" for part in parts]))


def status_show(verb: str, parts: int) -> bytes:
    """A question for what is seen in some parts of the digest, a bit each."""
    return status(verb, f"{parts:016x}")


def status_entry(run: bytes, ranges: list[Range]) -> bytes:
    """One entry in the words of the wire: `RUN=NUMBERS`."""
    return run + b"=" + format_ranges(ranges).encode()


def status_entries(verb: str, entries: list[tuple[bytes, list[Range]]]) -> list[bytes]:
    """These entries as as many lines as they need."""
    return status_lines(verb, [status_entry(run, ranges) for run, ranges in entries])


def status_lines(verb: str, entries: list[bytes]) -> list[bytes]:
    """Entries that are in the words of the wire, as as many lines as they need."""
    line = b" ".join(entries)
    if len(line) <= STATUS_TARGET and _ranges_of(line) <= RANGES_LIMIT:
        return [b"status:%b:%b\n" % (verb.encode(), line)] if line else []
    parts, first, size, ranges = [], 0, 0, 0
    for at, entry in enumerate(entries):
        size += len(entry) + 1
        ranges += _ranges_of(entry)
        if at > first and (size > STATUS_TARGET or ranges > RANGES_LIMIT):
            parts.append(entries[first:at])
            first, size, ranges = at, len(entry) + 1, _ranges_of(entry)
    parts.append(entries[first:])
    return [b"status:%b:%b\n" % (verb.encode(), b" ".join(part)) for part in parts]


def entries(keys: list[tuple[bytes, int]]) -> list[tuple[bytes, list[Range]]]:
    """The entries of a status line that name these messages (run and number each)."""
    runs: dict[bytes, Intervals] = {}
    for run, number in keys:
        runs.setdefault(run, Intervals()).add(number)
    return [(run, numbers.ranges()) for run, numbers in runs.items()]


def _ranges_of(entries: bytes) -> int:
    """How many ranges a line with these entries has."""
    return entries.count(b",") + entries.count(b" ") + 1


# What is heard.


def _address(field: bytes, separator: str = ":") -> Address:
    """An address in the one spelling that the wire knows."""
    text = field.decode("ascii")
    try:
        address = parse_address(text, separator)
    except ValueError as error:
        raise WireError(str(error)) from None
    if text != (str(address) if separator == ":" else address.listed):
        raise WireError(f"{text} is a strange spelling of {address}")
    return address


def _text(field: bytes) -> str:
    try:
        return field.decode()
    except UnicodeDecodeError:
        raise WireError("not UTF-8") from None


def _parse_list(word: bytes, body: bytes) -> frozenset:
    if body and not _LIST.fullmatch(body):
        raise WireError(f"{word.decode()} with something else than IP#PORT in it")
    return frozenset(map(_listed, _LISTED.findall(body)))


@functools.lru_cache(maxsize=16_384)
def _listed(field: bytes) -> Address:
    return _address(field, "#")


def check_run(run: bytes) -> None:
    """WireError unless this is the `IP:PORT:START` of an origin, spelled as it has to be."""
    match = _RUN.fullmatch(run)
    if not match or int(match[2]) > NUMBER_LIMIT:
        raise WireError("START is not between 1 and 2^63-1")
    _address(match[1])


def _parse_ranges(text: bytes) -> list[Range]:
    ranges = []
    for part in text.split(b","):
        match = _RANGE.fullmatch(part)
        if not match:
            raise WireError("status with a bad range")
        first, last = int(match[1]), int(match[2] or match[1])
        if not first <= last <= NUMBER_LIMIT:
            raise WireError("status with a bad range")
        ranges.append((first, last))
    return Intervals(ranges).ranges()


def _parse_status(body: bytes) -> Status:
    verb, _, rest = body.partition(b":")
    meeting = verb.startswith(b"meet ")
    if meeting:
        verb = verb[len(b"meet "):]
    if verb in _HEX_STATUS and not (meeting and verb == b"show"):
        return _parse_hex_status(verb.decode(), meeting, rest)
    if verb == b"sent" and not meeting and not rest:
        return Status("sent")
    if verb not in _ENTRY_STATUS or (meeting and verb != b"seen"):
        raise WireError("unknown kind of status")
    if _ranges_of(rest) > RANGES_LIMIT:
        raise WireError(f"status with more than {RANGES_LIMIT} ranges")
    entries = [_parse_short_entry(entry) if len(entry) <= SHORT_ENTRY else _parse_entry(entry)
               for entry in rest.split(b" ")]
    if len({run for run, _ in entries}) < len(entries):
        raise WireError("status with a run named twice")
    return Status(verb.decode(), meeting, entries=entries)


_HEX_STATUS = {b"digest": 32, b"parts": 8 * PARTS, b"show": PARTS // 4}  # verb -> hex digits
_ENTRY_STATUS = {b"seen", b"want", b"gone", b"took", b"knew"}
_HEX = re.compile(rb"[0-9a-f]+")


def _parse_hex_status(verb: str, meeting: bool, rest: bytes) -> Status:
    if len(rest) != _HEX_STATUS[verb.encode()] or not _HEX.fullmatch(rest):
        raise WireError(f"status with a bad {verb}")
    if verb == "digest":
        return Status(verb, meeting, digest=rest.decode())
    size = 8 if verb == "parts" else len(rest)
    return Status(verb, meeting, parts=tuple(int(rest[at:at + size], 16)
                                             for at in range(0, len(rest), size)))


def _parse_entry(entry: bytes) -> tuple[bytes, list[Range]]:
    match = _ENTRY.fullmatch(entry)
    if not match:
        raise WireError("status with a bad entry")
    check_run(match[1])
    return match[1], _parse_ranges(match[2])


_parse_short_entry = functools.lru_cache(maxsize=16_384)(_parse_entry)  # neighbours agree mostly


_KINDS = {  # the word a line starts with: (pattern of the rest, what it means)
    b"register": (re.compile(_ADDRESS), lambda m: Register(_address(m[1]))),
    b"registration refused": (
        re.compile(rb"(.*)", re.DOTALL), lambda m: RegistrationRefused(_text(m[1]))),
    b"Dead Node": (
        re.compile(_ADDRESS + b":" + _TIME + b":" + _ADDRESS),
        lambda m: DeadNode(_address(m[1]), m[2].decode(), _address(m[3]))),
    b"leave": (re.compile(_ADDRESS), lambda m: Leave(_address(m[1]))),
    b"Connection with Peer": (re.compile(_ADDRESS), lambda m: Connect(_address(m[1]))),
    b"connection accepted": (re.compile(_ADDRESS), lambda m: Accepted(_address(m[1]))),
    b"connection refused": (
        re.compile(_ADDRESS + rb":(.*)", re.DOTALL),
        lambda m: Refused(_address(m[1]), _text(m[2]))),
    b"Liveness Request": (
        re.compile(_TIME + b":" + _ADDRESS),
        lambda m: LivenessRequest(m[1].decode(), _address(m[2]))),
    b"Liveness Reply": (
        re.compile(_TIME + b":" + _ADDRESS + b":" + _ADDRESS),
        lambda m: LivenessReply(m[1].decode(), _address(m[2]), _address(m[3]))),
}


_LISTS = {b"peer list": PeerList, b"known peers": KnownPeers}


def parse(line: bytes):
    """Return the value of any line but a gossip line; WireError when it is none."""
    if line == b"registered successfully":
        return Registered()
    if line == b"peer list":
        return AskPeerList()
    if line == b"known peers":
        return AskKnownPeers()
    word, colon, body = line.partition(b":")
    if colon and word in _LISTS:
        return _LISTS[word](_parse_list(word, body))
    if colon and word == b"status":
        return _parse_status(body)
    pattern, make = _KINDS.get(word, (None, None))
    if not colon or pattern is None:
        raise WireError(f"unknown line {line[:40]!r}")
    match = pattern.fullmatch(body)
    if not match:
        raise WireError(f"malformed {word.decode()} line")
    return make(match)


def is_gossip(line: bytes) -> bool:
    """True when the line is gossip: it starts with `gmessage:`, or prefixes stand before."""
    if line.startswith(GOSSIP):
        return True
    word = line.partition(b":")[0]
    return (b":gmessage:" in line and word not in _KINDS and word not in _LISTS
            and word != b"status")


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
        _text(line[:at])
        line = line[at:]
    if len(line) > GOSSIP_LIMIT:
        raise WireError(f"gmessage line longer than {GOSSIP_LIMIT} bytes")
    number = int(match[2])
    if number > NUMBER_LIMIT:
        raise WireError("NUMBER is not between 1 and 2^63-1")
    return Gossip(match[1], number, _text(line))
