"""The lines of monitoring: reports, kicks, and what seeds say to one another. Pure.

ENTRY is `IP#PORT=EXPECTED,MISSING,FIRST,CORRUPT,FORBIDDEN`; KEY has 24 hex digits, NONCE 32; SIDE
is `about` or `by`, see rows.py. The README says who says each line.
"""

import operator
import re
from collections.abc import Callable
from typing import NamedTuple

from grapevine import wire
from grapevine.addresses import Address
from grapevine.monitoring.evidence import parse_contradiction
from grapevine.signing import grammar as signing
from grapevine.tools import ProtocolError

ENTRIES = 68  # neighbours in one report, and in a line of rows: 60 places and 8 spare
SECONDS_LIMIT = 999_999_999.0  # 31 years; a longer time is sent as this
SEEDS_LIMIT = 1_000  # in a tree
JUDGED_LIMIT = 500  # of each kind in a line of verdicts, so that it stays below LINE_LIMIT
QUANTILES = 15  # keys in a load
ABOUT, BY = "about", "by"  # the sides of a row


class Entry(NamedTuple):
    """The observations of a neighbour in a period, in messages."""

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
    """The number of rows that a seed holds, and keys that cut them into equal parts."""

    rows: int
    keys: tuple[int, ...]


_read_address = wire.FIELDS["ADDRESS"][1]


# Fields: pattern, reader and writer, of which larger ones are made.

class _Field(NamedTuple):
    pattern: bytes
    read: Callable
    write: Callable = str


def _joined(sign: str, *fields: _Field) -> _Field:
    """Return the field of a tuple, whose parts stand with a sign between them that none has."""
    return _Field(
        re.escape(sign.encode()).join([field.pattern for field in fields]),
        lambda word: tuple([field.read(part) for field, part
                            in zip(fields, word.split(sign.encode()))]),
        lambda values: sign.join([field.write(value) for field, value in zip(fields, values)]))


def _are_different(words: list[bytes]) -> bool:
    """Tell whether no two words are about the same."""
    return len({word.partition(b"=")[0] for word in words}) == len(words)


def _are_cuts(words: list[bytes]) -> bool:
    """Tell whether the keys of different seeds grow from 0."""
    keys = [int(word[-24:], 16) for word in words]
    return keys[:1] == [0] and keys == sorted(set(keys)) and _are_different(words)


def _words(field: _Field, limit: int, are_valid=_are_different) -> _Field:
    """Return the field of a tuple of any length, as words with blanks between them."""
    def read(line: bytes) -> tuple:
        words = line.split(b" ") if line else []
        if len(words) > limit or not are_valid(words):
            raise ProtocolError("too many words, or some that do not go together")
        return tuple(map(field.read, words))

    return _Field(b"(?:%b(?: %b)*)?" % (field.pattern, field.pattern), read,
                  lambda values: " ".join(map(field.write, values)))


def _read_entry(word: bytes) -> Entry:
    peer, counts = _ENTRY.read(word)
    entry = Entry(peer, *counts)
    if max(entry.missing, entry.first) > entry.expected:
        raise ProtocolError("MISSING or FIRST is above EXPECTED")
    return entry


_LISTED = _Field(wire.LISTED, lambda word: _read_address(word.replace(b"#", b":")),
                 operator.attrgetter("listed"))
_COUNT = _Field(b"(?:0|[1-9][0-9]{0,8}|1000000000)", int)  # of anything in one period
_BADNESS = _Field(rb"(?:0\.[0-9]{3}|1\.000)", float, "{:.3f}".format)
_KEY = _Field(b"[0-9a-f]{24}", lambda word: int(word, 16), "{:024x}".format)
_ENTRY = _joined("=", _LISTED, _joined(",", *[_COUNT] * 5))
_START = _joined("=", _LISTED, _KEY)
RATES = _words(_joined("=", _LISTED, _BADNESS), JUDGED_LIMIT)  # pairs of a peer and a share

_FIELDS = wire.FIELDS | {
    "COUNT": _COUNT,
    "NUMBER": _Field(rb"(?:0|[1-9][0-9]{0,18})", int),
    "ORDINAL": _Field(rb"[1-9][0-9]{0,18}", int),
    "BADNESS": _BADNESS,
    "SECONDS": _Field(rb"(?:0|[1-9][0-9]{0,8})\.[0-9]{3}", float,  # a rounding error below 0 is 0
                      lambda seconds: f"{min(max(0.0, seconds), SECONDS_LIMIT):.3f}"),
    "SIDE": _Field(b"(?:about|by)", bytes.decode),
    "NONCE": _Field(rb"[0-9a-f]{32}", bytes.decode),
    "ENTRIES": _words(_Field(_ENTRY.pattern, _read_entry), ENTRIES),
    "STARTS": _words(_Field(_START.pattern, lambda word: _START.read(word)[::-1],
                            lambda start: _START.write(start[::-1])), SEEDS_LIMIT, _are_cuts),
    "KEYS": _words(_KEY, QUANTILES, lambda keys: keys == sorted(keys)),
    "LOADS": _words(_joined("=", _LISTED, _COUNT), SEEDS_LIMIT),
    "FOUND": _joined("|", RATES, _words(_LISTED, JUDGED_LIMIT),
                     _words(_joined(">", _LISTED, _LISTED), JUDGED_LIMIT)),
    "CONTRADICTION": _Field(rb"[^\n]*", parse_contradiction, operator.attrgetter("text")),
}
_FORMS = {kind: wire.Form(spelling, _FIELDS) for kind, spelling in {
    "report": "report:ORDINAL:ORDINAL:ENTRIES",
    "kick": "kick:ADDRESS:BADNESS:SECONDS",
    "unconfirmed": "unconfirmed:ADDRESS",
    "contradiction": "contradiction:CONTRADICTION",
    "listen": "seed listens:ADDRESS",
    "is_it_you": "seed asks:NONCE",
    "it_is_me": "seed confirms:NONCE",
    "ask_tree": "ask tree",
    "tree": "tree:NUMBER:ADDRESS:STARTS",
    "load": "load:COUNT:KEYS",
    "loads": "loads:LOADS",
    "rows": "rows:SECONDS:SIDE:ADDRESS:ORDINAL:ORDINAL:ENTRIES",
    "verdicts": "verdicts:NUMBER:FOUND",
    "charged": "charged:ADDRESS:COUNT:SECONDS",
}.items()}
_BY_WORD = {form.word.encode(): kind for kind, form in _FORMS.items()}


def parse(line: bytes) -> tuple[str, tuple]:
    """Parse any line but gossip, as wire.parse does."""
    kind = _BY_WORD.get(line.partition(b":")[0])
    return signing.parse(line) if kind is None else (kind, _FORMS[kind].read(line))


def say(kind: str, *values) -> bytes:
    """Make a line of monitoring, with its `\\n`."""
    return _FORMS[kind].say(*values)


def say_verdicts(known: int, *found) -> bytes:
    """Make lines of verdicts, as few as possible. `found` are subjects with their badness, void
    reporters, and pairs of a peer and a neighbour that never names it."""
    size = JUDGED_LIMIT
    return b"".join([say("verdicts", known, [part[at:at + size] for part in found])
                     for at in range(0, max(1, *map(len, found)), size)])
