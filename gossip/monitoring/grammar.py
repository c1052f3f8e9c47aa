"""The lines of monitoring: reports, what seeds tell one another, kicks.

    report:START:PERIOD:ENTRY ENTRY …          a peer to a seed that lists it, once a period
    unconfirmed:IP:PORT                        a seed to a peer: this neighbour never names you
    kick:IP:PORT:BADNESS                       a seed to peers: this peer is malicious
    kick:IP:PORT:BADNESS:SECONDS               the same with the seconds for which it is shut out
    seed:IP:PORT:to IP:PORT:NONCE              a seed introduces itself to another
    seed check:IP:PORT:NONCE                   the other dials it and asks: did you say that to me?
    seed checked:NONCE                         yes
    tree:VERSION:IP:PORT:IP#PORT=START …       which keys each seed holds; the tree's author
    load:ROWS:KEY KEY …                        how many rows a seed holds; quantiles of their keys
    rows:AGE:SIDE:IP:PORT:START:PERIOD:ENTRY … rows on their way to the owner of their keys
    part:AGE:SIDE:IP:PORT:START:PERIOD:ENTRY … rows lent to the seed that decides about a peer
    verdicts:T:JUDGED|VOID|UNCONFIRMED         what a seed has found in this period
    ask tree                                   anyone asks a seed, which answers `tree:` and:
    loads:IP#PORT=ROWS …                       how many rows each seed holds

ENTRY is `IP#PORT=EXPECTED,MISSING,FIRST,CORRUPT,FORBIDDEN`; START and KEY of the tree have 24 hex
digits; AGE is in seconds; SIDE is `about` or `by`, see monitoring/rows.py. JUDGED is
`IP#PORT=BADNESS …`, VOID `IP#PORT …`, UNCONFIRMED `IP#PORT>IP#PORT …`; all may be empty. Pure.

The values come first, then the fields, then the lines.
"""

import functools
from typing import NamedTuple

from gossip.addresses import Address
from gossip.wire.fields import (
    LINES_OR_PREFIXES, LISTED, NUMBER, NUMBER_OR_0, PEER, Field, WireError, declare,
    declare_bare, number_in, pair, words)

ENTRIES_LIMIT = 68  # neighbours in one report, and in a line of rows: 60 places and 8 spare
COUNT_LIMIT = 1_000_000_000  # of anything in one period
SECONDS_LIMIT = 999_999_999.0  # 31 years; a longer time is sent as this
SEEDS_LIMIT = 1_000  # in a tree
JUDGED_LIMIT = 500  # of each kind in a line of verdicts, so that it stays below LINE_LIMIT
QUANTILES = 15  # keys in a load
ABOUT, BY = "about", "by"  # the sides of a row


class Entry(NamedTuple):
    """The observations of a peer about a neighbour in a period, in messages."""

    peer: Address
    expected: int  # messages that it was judged by
    missing: int  # of the expected, that it never sent
    first: int  # that it was the first to bring
    corrupt: int  # copies
    forbidden: int  # copies

    def __str__(self) -> str:
        return (f"{self.peer.listed}={self.expected},{self.missing},{self.first},{self.corrupt},"
                f"{self.forbidden}")


class Report(NamedTuple):
    """The observations of a peer in a period of its run; periods count from 1."""

    start: int
    period: int
    entries: tuple[Entry, ...]
    kind = "report"


class Rows(NamedTuple):
    """Entries of a report that is `age` seconds old, all filed on one side."""

    age: float
    side: str
    reporter: Address
    start: int
    period: int
    entries: tuple[Entry, ...]
    kind = "rows"


class Part(Rows):
    """Rows that are lent to the seed that decides about their subject."""

    kind = "part"


class Tree(NamedTuple):
    """The first key of each seed's interval, in order; the author."""

    version: int
    author: Address
    starts: tuple[tuple[int, Address], ...]
    kind = "tree"


class Load(NamedTuple):
    """How many rows a seed holds, and keys that cut them into equal shares."""

    rows: int
    keys: tuple[int, ...]
    kind = "load"


class Verdicts(NamedTuple):
    """The findings of a seed in a period."""

    known: int  # messages that there were to know
    judged: tuple[tuple[Address, float], ...]  # subjects, and their badness
    void: tuple[Address, ...]  # reporters that are not believed
    unconfirmed: tuple[tuple[Address, Address], ...]  # (peer, neighbour that never names it)
    kind = "verdicts"


class Kick(NamedTuple):
    """A malicious peer, which may be shut out for `seconds`."""

    address: Address
    badness: float
    seconds: float | None = None
    kind = "kick"


class Unconfirmed(NamedTuple):
    """A neighbour that never names the receiver of this line."""

    address: Address
    kind = "unconfirmed"


class SeedHello(NamedTuple):
    """The introduction of a seed to another."""

    address: Address
    to: Address
    nonce: str
    kind = "seed_hello"


class SeedCheck(NamedTuple):
    """A question to a seed: did you introduce yourself to me with this nonce?"""

    address: Address
    nonce: str
    kind = "seed_check"


class SeedChecked(NamedTuple):
    """The answer: yes."""

    nonce: str
    kind = "seed_checked"


class AskTree(NamedTuple):
    """A request for the tree and the loads."""

    kind = "ask_tree"


class Loads(NamedTuple):
    """How many rows each seed holds."""

    rows: tuple[tuple[Address, int], ...]
    kind = "loads"


# Fields.

def _seconds(seconds: float) -> str:
    """Show seconds with three decimals; a rounding error below 0 is 0."""
    return f"{min(max(0.0, seconds), SECONDS_LIMIT):.3f}"


def _entry(word: bytes) -> Entry:
    peer, counts = word.split(b"=")
    entry = Entry(LISTED.read(peer), *map(_COUNT.read, counts.split(b",")))
    if max(entry.missing, entry.first) > entry.expected:
        raise WireError("MISSING or FIRST is above EXPECTED")
    return entry


def _start(word: bytes) -> tuple[int, Address]:
    seed, key = word.split(b"=")
    return _KEY.read(key), LISTED.read(seed)


def _check_starts(starts: tuple) -> None:
    if not starts or starts[0][0] or any(one[0] >= other[0]
                                         for one, other in zip(starts, starts[1:])):
        raise WireError("STARTs that do not grow from 0")


def _check_keys(keys: tuple) -> None:
    if list(keys) != sorted(keys):
        raise WireError("quantiles that do not grow")


_COUNT = Field(rb"(?:0|[1-9][0-9]{0,9})", functools.partial(
    number_in, limit=COUNT_LIMIT, wrong=f"a count above {COUNT_LIMIT}"))
_SECONDS = Field(rb"(?:0|[1-9][0-9]{0,8})\.[0-9]{3}", float, _seconds)
_UNTIL = Field(b"(?::%b)?" % _SECONDS.pattern,  # the only field that a line may lack
               lambda field: float(field[1:]) if field else None,
               lambda seconds: "" if seconds is None else f":{_seconds(seconds)}")
_BADNESS = Field(rb"(?:0\.[0-9]{3}|1\.000)", float, "{:.3f}".format)
_SIDE = Field(b"(?:about|by)", bytes.decode)
_KEY = Field(rb"[0-9a-f]{24}", lambda field: int(field, 16), "{:024x}".format)
_NONCE = Field(rb"[0-9a-f]{32}", bytes.decode)
_ENTRIES = words(Field(LISTED.pattern + b"=" + b",".join([_COUNT.pattern] * 5), _entry),
                 ENTRIES_LIMIT, "a neighbour")
_STARTS = words(Field(LISTED.pattern + b"=" + _KEY.pattern, _start,
                      lambda start: f"{start[1].listed}={start[0]:024x}"),
                SEEDS_LIMIT, "a seed", _check_starts)


# Lines.

ASK_TREE = declare_bare("ask tree", AskTree())
_line = functools.partial(declare, kinds=LINES_OR_PREFIXES)

_ROWS = _SECONDS, _SIDE, PEER, NUMBER, NUMBER, _ENTRIES
report = _line(Report, "report:%s:%s:%s", NUMBER, NUMBER, _ENTRIES)
rows = _line(Rows, "rows:%s:%s:%s:%s:%s:%s", *_ROWS)
part = _line(Part, "part:%s:%s:%s:%s:%s:%s", *_ROWS)
tree = _line(Tree, "tree:%s:%s:%s", NUMBER_OR_0, PEER, _STARTS)
load = _line(Load, "load:%s:%s", _COUNT, words(_KEY, QUANTILES, check=_check_keys))
loads = _line(Loads, "loads:%s", words(pair(LISTED, b"=", _COUNT), SEEDS_LIMIT, "a seed"))
verdicts = _line(Verdicts, "verdicts:%s:%s|%s|%s", NUMBER_OR_0,
                 words(pair(LISTED, b"=", _BADNESS), JUDGED_LIMIT, "a peer"),
                 words(LISTED, JUDGED_LIMIT, "a void reporter"),
                 words(pair(LISTED, b">", LISTED), JUDGED_LIMIT, "a pair"))
kick = _line(Kick, "kick:%s:%s%s", PEER, _BADNESS, _UNTIL)
unconfirmed = _line(Unconfirmed, "unconfirmed:%s", PEER)
seed_hello = _line(SeedHello, "seed:%s:to %s:%s", PEER, PEER, _NONCE)
seed_check = _line(SeedCheck, "seed check:%s:%s", PEER, _NONCE)
seed_checked = _line(SeedChecked, "seed checked:%s", _NONCE)
