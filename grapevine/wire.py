"""The wire: every line that nodes say, parsed and made. Pure. WIRE.md says what they mean.

A line ends in `\\n`, which is not part of it here. LINES declares all lines but gossip and
`status`: words in capitals are fields, and say how they are read and written. `parse` turns a line
into its kind and values, `say` turns these into the bytes of a line. Gossip is
`gmessage:TIME:IP:PORT:START:NUMBER:TEXT`; IP:PORT:START is its run, one life of its origin, and run
and number name the message. `status:VERB:…` is what anti-entropy says.
"""

import functools
import itertools
import operator
import re
from collections.abc import Iterable
from typing import NamedTuple

from grapevine.addresses import Address, parse_address
from grapevine.intervals import Intervals, Range
from grapevine.tools import ProtocolError

LINE_LIMIT = 131_072  # bytes of a line
GOSSIP_LIMIT = 65_536  # bytes of a gossip line, from `gmessage:` on
NUMBER_LIMIT = 2**63 - 1  # the largest START and NUMBER

LINES = {
    "register": "register:TEXT",
    "registered": "registered successfully",
    "registration_refused": "registration refused:TEXT",
    "ask_peer_list": "peer list",
    "peer_list": "peer list:LIST",
    "dead_node": "Dead Node:ADDRESS:TIME:ADDRESS",
    "leave": "leave:ADDRESS",
    "connect": "Connection with Peer:ADDRESS",
    "accepted": "connection accepted:ADDRESS",
    "refused": "connection refused:ADDRESS:TEXT",
    "liveness_request": "Liveness Request:TIME:ADDRESS",
    "liveness_reply": "Liveness Reply:TIME:ADDRESS:ADDRESS",
    "ask_known_peers": "known peers",
    "known_peers": "known peers:LIST",
}

_IP = rb"(?:[0-9.]{7,15}|\[[0-9a-f:.]{2,45}\])"
_PEER = _IP + rb":[1-9][0-9]{0,4}"
LISTED = _IP + rb"#[1-9][0-9]{0,4}"
_NUMBER = rb"[1-9][0-9]{0,18}"
_RUN = _PEER + b":" + _NUMBER
_TIME = rb"[0-9]{1,12}\.[0-9]{6}"


def text_of(data: bytes) -> str:
    """Decode UTF-8; ProtocolError if it is none."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise ProtocolError("not UTF-8") from None


@functools.lru_cache(maxsize=32_768)
def _address(field: bytes) -> Address:
    try:
        return parse_address(text_of(field))
    except ValueError as error:
        raise ProtocolError(str(error)) from None


def _list(field: bytes) -> tuple[Address, ...]:
    """Return the addresses in a list, in the order said, each once."""
    words = re.findall(_PEER, field.replace(b"#", b":"))
    return tuple(dict.fromkeys(map(_address, words)))


FIELDS = {  # name -> pattern, reader, writer
    "ADDRESS": (_PEER, _address, str),
    "TIME": (_TIME, text_of, str),
    "TEXT": (rb"(?s:.*)", text_of, str),
    "LIST": (rb"(?:%b(?::%b)*)?" % (LISTED, LISTED), _list,
             lambda addresses: ":".join([address.listed for address in addresses])),
}


class Form:
    """The form of a kind of line, which reads and makes it; `fields` has those in its spelling."""

    def __init__(self, spelling: str, fields: dict[str, tuple] = FIELDS):
        self.word, *names = spelling.split(":")
        chosen = [fields[name] for name in names]
        self._pattern = re.compile(b":".join(
            [re.escape(self.word.encode()), *(b"(%b)" % pattern for pattern, _, _ in chosen)]))
        self._readers = [reader for _, reader, _ in chosen]
        self._writers = [writer for _, _, writer in chosen]

    def read(self, line: bytes) -> tuple:
        """Return the values of a line. ProtocolError if it is malformed."""
        match = self._pattern.fullmatch(line)
        if match is None:
            raise ProtocolError(f"malformed line {self.word!r}")
        return tuple([read(field) for read, field in zip(self._readers, match.groups())])

    def say(self, *values) -> bytes:
        """Make a line, with its `\\n`."""
        fields = [write(value) for write, value in zip(self._writers, values, strict=True)]
        return (":".join([self.word, *fields]) + "\n").encode()


_FORMS = {kind: Form(spelling) for kind, spelling in LINES.items()}
_KINDS = {(form.word.encode(), b":" if ":" in LINES[kind] else b""): kind
          for kind, form in _FORMS.items()}


def parse(line: bytes) -> tuple[str, tuple]:
    """Parse any line but gossip into its kind and values. ProtocolError if it is malformed."""
    word, colon, body = line.partition(b":")
    if colon and word == b"status":
        return "status", (parse_status(body),)
    kind = _KINDS.get((word, colon))
    if kind is None:
        raise ProtocolError(f"unknown line {line[:40]!r}")
    return kind, _FORMS[kind].read(line)


def say(kind: str, *values) -> bytes:
    """Make a line, with its `\\n`, of a kind in LINES and the values of its fields."""
    return _FORMS[kind].say(*values)


def format_time(seconds: float) -> str:
    return f"{seconds:.6f}"


# Gossip.

GOSSIP, RUMOR = b"gmessage:", b"rumor:"
_RUMORS = re.compile(b"(?:%b)*" % RUMOR)
_is_plain = operator.methodcaller("startswith", GOSSIP)
HEAD = re.compile(b"gmessage:%b:(%b):(%b):" % (_TIME, _RUN, _NUMBER))  # before TEXT
_GOSSIP_LINE = re.compile(rb"^%b.*$" % HEAD.pattern, re.MULTILINE)


def gossip_form(line: bytes) -> bytes | None:
    """Return GOSSIP or RUMOR if a line is gossip, perhaps behind other prefixes; else None."""
    if line.startswith(GOSSIP):
        return GOSSIP
    word = line.partition(b":")[0]  # that of another kind of line may have any text behind it
    if b":" + GOSSIP not in line or word == b"status" or (word, b":") in _KINDS:
        return None
    if not line.startswith(RUMOR):
        return GOSSIP
    return RUMOR if gossip_form(rumor_told(line)) == GOSSIP else None  # it is passed on without


def rumor_told(line: bytes) -> bytes:
    """Return the gossip line in a rumor."""
    return line[_RUMORS.match(line).end():]


def by_form(lines: list[bytes]):
    """Yield adjacent lines of the same form together, behind this form: GOSSIP, RUMOR or None."""
    if all(map(_is_plain, lines)):  # as nearly always; this is much faster
        yield GOSSIP, lines
    else:
        for form, group in itertools.groupby(lines, gossip_form):
            yield form, list(group)


def gossip_part(line: bytes) -> bytes:
    """Return a gossip line from `gmessage:` on. Files show this part, and its hash names it."""
    return line if line.startswith(GOSSIP) else line[line.index(GOSSIP):]


def make_gossip(time: str, run: str, number: int, text: str) -> bytes:
    """Make a gossip line; a last `\\r` goes, because readers drop it. ValueError for a text that is
    not one line, or that makes the line too long."""
    line = f"gmessage:{time}:{run}:{number}:{text}".rstrip("\r").encode(errors="replace")
    if b"\n" in line:
        raise ValueError("a message is one line, without a line end")
    if len(line) > GOSSIP_LIMIT:
        raise ValueError(f"too long by {len(line) - GOSSIP_LIMIT} bytes; nothing was sent")
    return line


@functools.lru_cache(maxsize=4_096)
def origin_of(run: bytes) -> Address:
    """Return the address of a run. ProtocolError if it, or START, is none."""
    address, _, start = run.rpartition(b":")
    if int(start) > NUMBER_LIMIT:
        raise ProtocolError("START is above 2^63-1")
    return _address(address)


Key = tuple[bytes, int]  # the run and the number of a message


def parse_gossip(line: bytes) -> Key:
    """Check a gossip line in full, because it is forwarded as it is; return its run and number."""
    part = gossip_part(line)
    match = HEAD.match(part)
    if match is None or len(part) > GOSSIP_LIMIT or int(match[2]) > NUMBER_LIMIT:
        raise ProtocolError("malformed line 'gmessage'")
    origin_of(match[1])
    text_of(line)
    return match[1], int(match[2])


def gossip_key(line: bytes) -> Key:
    """Return the run and the number of a checked gossip line."""
    match = HEAD.match(gossip_part(line))
    return match[1], int(match[2])


def runs_of(lines: list[bytes]) -> list[bytes]:
    """Return the run of each checked gossip line; of many without prefixes all at once."""
    heads = _GOSSIP_LINE.findall(b"\n".join(lines)) if len(lines) > 1 else []
    if len(heads) == len(lines):
        return [run for run, _ in heads]
    return [gossip_key(line)[0] for line in lines]


def gossip_text(line: bytes) -> str:
    """Return the TEXT of a checked gossip line."""
    part = gossip_part(line)
    return part[HEAD.match(part).end():].decode()


def parse_block(lines: list[bytes]) -> tuple[bytes, int, int] | None:
    """Check many gossip lines at once. Return their run, first and last number; None unless they
    are valid, without prefixes, and continue one run. Bursts come so, and this is much faster."""
    data = b"\n".join(lines)
    heads = _GOSSIP_LINE.findall(data)
    if len(heads) != len(lines) or max(map(len, lines)) > GOSSIP_LIMIT:
        return None
    run, first = heads[0][0], int(heads[0][1])
    last = first + len(lines) - 1
    if last > NUMBER_LIMIT or heads != [(run, b"%d" % at) for at in range(first, last + 1)]:
        return None
    try:
        data.decode()
    except UnicodeDecodeError:
        return None
    return run, first, last


# Status: what anti-entropy says.

SLICES = 64  # of a digest
ALL_SLICES = (1 << SLICES) - 1  # as a mask
RANGES_LIMIT = 8_000  # ranges in one status line
LINE_TARGET = 50_000  # bytes after which further entries go into another line
SHORT, ENTRIES_CACHED = 64, 4_096  # bytes of an entry; how many as short are kept as parsed
RANGE_COST = LINE_TARGET // RANGES_LIMIT + 1  # bytes that a range counts for at least

Entries = list[tuple[bytes, list[Range]]]  # runs, each once, and numbers

_HEX_DIGITS = {"digest": 32, "parts": 8 * SLICES, "show": SLICES // 4}  # of these verbs
_WITH_ENTRIES = {"seen", "want", "gone", "took", "knew", "prune", "graft"}
_RANGE = rb"%b(?:-%b)?" % (_NUMBER, _NUMBER)
_ENTRY = re.compile(rb"(%b)=(%b(?:,%b)*)" % (_RUN, _RANGE, _RANGE))


class Status(NamedTuple):
    verb: str
    digest: str = ""  # of `digest`
    slices: tuple[int, ...] = ()  # of `parts`; of `show` one mask
    entries: Entries = []

    def named_among(self, keys: Iterable[Key]) -> list[Key]:
        """Return which of these messages the entries name."""
        named = {run: Intervals(ranges) for run, ranges in self.entries}
        return [(run, number) for run, number in keys if run in named and number in named[run]]


def parse_status(body: bytes) -> Status:
    """Parse what stands behind `status:`. ProtocolError if it is malformed."""
    if body == b"sent":
        return Status("sent")
    name, colon, rest = body.removeprefix(b"meet ").partition(b":")  # some say this first
    verb = name.decode(errors="replace")
    if verb in _HEX_DIGITS:
        if len(rest) != _HEX_DIGITS[verb] or not re.fullmatch(b"[0-9a-f]+", rest):
            raise ProtocolError(f"malformed line 'status:{verb}'")
        size = 8 if verb == "parts" else len(rest)
        numbers = [int(rest[at:at + size], 16) for at in range(0, len(rest), size)]
        return Status(verb, rest.decode(), tuple(numbers))
    if (verb not in _WITH_ENTRIES or not colon
            or rest.count(b",") + rest.count(b" ") >= RANGES_LIMIT):
        raise ProtocolError("malformed line 'status'")
    entries = [_parse_short_entry(word) if len(word) <= SHORT else _parse_entry(word)
               for word in rest.split(b" ")] if rest else []
    if len({run for run, _ in entries}) < len(entries):
        raise ProtocolError("'status' names a run twice")
    return Status(verb, entries=entries)


def _parse_entry(word: bytes) -> tuple[bytes, list[Range]]:
    match = _ENTRY.fullmatch(word)
    if match is None:
        raise ProtocolError("'status' has a malformed entry")
    origin_of(match[1])
    ranges = [(int(first), int(last or first)) for first, _, last in
              (field.partition(b"-") for field in match[2].split(b","))]
    if not all(first <= last <= NUMBER_LIMIT for first, last in ranges):
        raise ProtocolError("'status' has a malformed range")
    if any(last + 1 >= first for (_, last), (first, _) in zip(ranges, ranges[1:])):
        ranges = Intervals(ranges).ranges()  # they touch, or are in no order
    return match[1], ranges


# Neighbours tell again and again of runs that have not changed. Nobody changes what it returns.
_parse_short_entry = functools.lru_cache(maxsize=ENTRIES_CACHED)(_parse_entry)


def say_digest(digest: str) -> bytes:
    return f"status:digest:{digest}\n".encode()


def say_slices(verb: str, slices: list[int]) -> bytes:
    """Make `status:parts` of the last 32 bits of all slices, or `status:show` of one mask."""
    digits = _HEX_DIGITS[verb] // len(slices)
    shown = "".join([f"{one & (1 << 4 * digits) - 1:0{digits}x}" for one in slices])
    return f"status:{verb}:{shown}\n".encode()


def entry(run: bytes, ranges: list[Range]) -> bytes:
    """Return `RUN=NUMBERS`, as in `127.0.0.1:5001:7=1-10,12`."""
    shown = [str(first) if first == last else f"{first}-{last}" for first, last in ranges]
    return run + b"=" + ",".join(shown).encode()


def say_entries(verb: str, entries: list[bytes]) -> bytes:
    """Make the status lines of entries, as many as are needed; without entries, an empty one."""
    lines, room = [[]], LINE_TARGET
    for one in entries:
        cost = max(len(one) + 1, (one.count(b",") + 1) * RANGE_COST)
        if cost > room and lines[-1]:
            lines.append([])
            room = LINE_TARGET
        room -= cost
        lines[-1].append(one)
    return b"".join([b"status:%b:%b\n" % (verb.encode(), b" ".join(line)) for line in lines])
