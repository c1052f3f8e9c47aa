"""The lines of monitoring: reports, kicks, and what seeds say to one another. Pure.

ENTRY is `IP#PORT=EXPECTED,MISSING,FIRST,CORRUPT,FORBIDDEN`; KEY has 24 hex digits, NONCE 32; SIDE
is `about` or `by`, see rows.py. The README says who says each line.
"""

from typing import NamedTuple

from grapevine import wire
from grapevine.addresses import Address
from grapevine.monitoring.evidence import Contradiction, parse_contradiction
from grapevine.signing import grammar as signing
from grapevine.tools import ProtocolError

ENTRIES = 68  # neighbours in one report, and in a line of rows: 60 places and 8 spare
COUNT_LIMIT = 1_000_000_000  # of anything in one period
SECONDS_LIMIT = 999_999_999.0  # 31 years; a longer time is sent as this
SEEDS_LIMIT = 1_000  # in a tree
JUDGED_LIMIT = 500  # of each kind in a line of verdicts, so that it stays below LINE_LIMIT
QUANTILES = 15  # keys in a load
KEY_LIMIT = 1 << 96
ABOUT, BY = "about", "by"  # the sides of a row


class Entry(NamedTuple):
    """What a peer saw of a neighbour in a period, in messages."""

    peer: Address
    expected: int  # by which it was judged
    missing: int  # of these, that it never brought
    first: int  # of these, that it was the first to bring
    corrupt: int  # lines that nobody has signed
    forbidden: int  # with a word of the filter

    def __str__(self) -> str:
        return f"{self.peer.listed}={','.join(map(str, self[1:]))}"


class Tree(NamedTuple):
    """The first key of each seed, in order; the author and its version."""

    version: int
    author: Address
    starts: tuple[tuple[int, Address], ...]


class Load(NamedTuple):
    """How many rows a seed holds, and keys that cut them into equal parts."""

    rows: int
    keys: tuple[int, ...]


class Verdicts(NamedTuple):
    """What a seed has found."""

    known: int  # how many messages there were
    judged: tuple[tuple[Address, float], ...]  # subjects and their badness
    void: tuple[Address, ...]  # reporters that are not believed
    unconfirmed: tuple[tuple[Address, Address], ...]  # a peer, and a neighbour that never names it


_COUNT = b"(?:0|[1-9][0-9]{0,9})"
_BADNESS = rb"(?:0\.[0-9]{3}|1\.000)"
_read_address = wire.FIELDS["ADDRESS"][1]


def _read_listed(word: bytes) -> Address:
    return _read_address(word.replace(b"#", b":"))


def _read_count(field: bytes) -> int:
    if int(field) > COUNT_LIMIT:
        raise ProtocolError(f"a count above {COUNT_LIMIT}")
    return int(field)


def _read_entry(word: bytes) -> Entry:
    peer, counts = word.split(b"=")
    entry = Entry(_read_listed(peer), *map(_read_count, counts.split(b",")))
    if max(entry.missing, entry.first) > entry.expected:
        raise ProtocolError("MISSING or FIRST is above EXPECTED")
    return entry


def _read_pair(word: bytes) -> tuple[Address, Address]:
    one, other = word.split(b">")
    return _read_listed(one), _read_listed(other)


def _read_judged(word: bytes) -> tuple[Address, float]:
    peer, badness = word.split(b"=")
    return _read_listed(peer), float(badness)


def _read_load(word: bytes) -> tuple[Address, int]:
    peer, rows = word.split(b"=")
    return _read_listed(peer), _read_count(rows)


def _read_start(word: bytes) -> tuple[int, Address]:
    seed, key = word.split(b"=")
    return int(key, 16), _read_listed(seed)


def _words(pattern: bytes, read, write, limit: int, name=lambda value: value) -> tuple:
    """Return the field of words with blanks between them, no two of which have the same name."""
    def read_words(field: bytes) -> tuple:
        values = tuple(map(read, field.split(b" "))) if field else ()
        if len(values) > limit or name and len(set(map(name, values))) < len(values):
            raise ProtocolError("too many words, or one twice")
        return values

    def write_words(values) -> str:
        return " ".join(map(write, values))
    return b"(?:%b(?: %b)*)?" % (pattern, pattern), read_words, write_words


def _read_starts(field: bytes) -> tuple:
    starts = _STARTS[1](field)
    keys = [key for key, _ in starts]
    if keys[:1] != [0] or any(one >= other for one, other in zip(keys, keys[1:])):
        raise ProtocolError("the keys of a tree grow from 0")
    return starts


def _read_keys(field: bytes) -> tuple:
    keys = _KEYS[1](field)
    if list(keys) != sorted(keys):
        raise ProtocolError("the keys of a load grow")
    return keys


def _first(value: tuple):
    return value[0]


def _show_seconds(seconds: float) -> str:
    """Show seconds with three decimals. A rounding error below 0 is 0."""
    return f"{min(max(0.0, seconds), SECONDS_LIMIT):.3f}"


_JUDGED = _words(wire.LISTED + b"=" + _BADNESS, _read_judged,
                 lambda judged: f"{judged[0].listed}={judged[1]:.3f}", JUDGED_LIMIT, _first)
_VOID = _words(wire.LISTED, _read_listed, lambda peer: peer.listed, JUDGED_LIMIT)
_PAIRS = _words(wire.LISTED + b">" + wire.LISTED, _read_pair,
                lambda pair: f"{pair[0].listed}>{pair[1].listed}", JUDGED_LIMIT)
_FOUND = _JUDGED, _VOID, _PAIRS  # in a line of verdicts, with `|` between them
_STARTS = _words(wire.LISTED + b"=[0-9a-f]{24}", _read_start,
                 lambda start: f"{start[1].listed}={start[0]:024x}", SEEDS_LIMIT,
                 lambda start: start[1])
_KEYS = _words(b"[0-9a-f]{24}", lambda word: int(word, 16), "{:024x}".format, QUANTILES, None)

_FIELDS = wire.FIELDS | {
    "COUNT": (_COUNT, _read_count, str),
    "NUMBER": (rb"(?:0|[1-9][0-9]{0,18})", int, str),
    "ORDINAL": (rb"[1-9][0-9]{0,18}", int, str),
    "BADNESS": (_BADNESS, float, "{:.3f}".format),
    "SECONDS": (rb"(?:0|[1-9][0-9]{0,8})\.[0-9]{3}", float, _show_seconds),
    "SIDE": (b"(?:about|by)", bytes.decode, str),
    "NONCE": (rb"[0-9a-f]{32}", bytes.decode, str),
    "ENTRIES": _words(wire.LISTED + b"=" + b",".join([_COUNT] * 5), _read_entry, str, ENTRIES,
                      _first),
    "STARTS": (_STARTS[0], _read_starts, _STARTS[2]),
    "KEYS": (_KEYS[0], _read_keys, _KEYS[2]),
    "LOADS": _words(wire.LISTED + b"=" + _COUNT, _read_load,
                    lambda load: f"{load[0].listed}={load[1]}", SEEDS_LIMIT, _first),
    "FOUND": (rb"%b\|%b\|%b" % tuple(pattern for pattern, _, _ in _FOUND),
              lambda field: tuple(read(part) for (_, read, _), part
                                  in zip(_FOUND, field.split(b"|"))),
              lambda found: "|".join(write(part) for (_, _, write), part in zip(_FOUND, found))),
    "CONTRADICTION": (rb"[^\n]*", parse_contradiction, lambda proof: proof.text),
}
_FORMS = {kind: wire.Form(spelling, _FIELDS) for kind, spelling in {
    "report": "report:ORDINAL:ORDINAL:ENTRIES",
    "kick": "kick:ADDRESS:BADNESS:SECONDS",
    "unconfirmed": "unconfirmed:ADDRESS",
    "contradiction": "contradiction:CONTRADICTION",
    "listen": "seed listens:ADDRESS",
    "is_it_you": "seed asks:NONCE",
    "it_is_me": "seed confirms:NONCE",
    "tree": "tree:NUMBER:ADDRESS:STARTS",
    "load": "load:COUNT:KEYS",
    "loads": "loads:LOADS",
    "rows": "rows:SECONDS:SIDE:ADDRESS:ORDINAL:ORDINAL:ENTRIES",
    "verdicts": "verdicts:NUMBER:FOUND",
}.items()}
_BY_WORD = {form.word.encode(): kind for kind, form in _FORMS.items()}
ASK_TREE = b"ask tree"


def parse(line: bytes) -> tuple[str, tuple]:
    """Parse any line but gossip, as wire.parse does."""
    kind = _BY_WORD.get(line.partition(b":")[0])
    if kind is not None:
        return kind, _FORMS[kind].read(line)
    return ("ask_tree", ()) if line == ASK_TREE else signing.parse(line)


def say(kind: str, *values) -> bytes:
    """Make a line of monitoring, with its `\\n`."""
    return _FORMS[kind].say(*values)


def say_contradiction(proof: Contradiction) -> bytes:
    return say("contradiction", proof)


def say_verdicts(found: Verdicts) -> bytes:
    """Make lines of verdicts, as few as possible."""
    parts, size = found[1:], JUDGED_LIMIT
    return b"".join([say("verdicts", found.known, [part[at:at + size] for part in parts])
                     for at in range(0, max(1, *map(len, parts)), size)])


def show_rates(rates) -> str:
    """Show pairs of a peer and a share, in words."""
    return _JUDGED[2](rates)
