"""The lines of monitoring: reports, kicks, and what seeds tell one another. Pure.

ENTRY is `IP#PORT=EXPECTED,MISSING,FIRST,CORRUPT,FORBIDDEN`; START and KEY of the tree have 24 hex
digits; AGE is in seconds; SIDE is `about` or `by`, see rows.py. The README tells which node says
each line, and what is answered.
"""

import functools
from typing import NamedTuple

from gossip.addresses import Address
from gossip.wire.fields import (
    LINES_OR_PREFIXES, LISTED, NUMBER, NUMBER_OR_0, PEER, Field, WireError, declare_bare,
    declare_kind, number_in, pair, words)

ENTRIES_LIMIT = 68  # neighbours in one report, and in a line of rows: 60 places and 8 spare
COUNT_LIMIT = 1_000_000_000  # of anything in one period
REPORTS_KEPT = 6  # periods for which a peer keeps a report, to say it again to another seed
SECONDS_LIMIT = 999_999_999.0  # 31 years; a longer time is sent as this
SEEDS_LIMIT = 1_000  # in a tree
JUDGED_LIMIT = 500  # of each kind in a line of verdicts, so that it stays below LINE_LIMIT
QUANTILES = 15  # keys in a load
ABOUT, BY = "about", "by"  # the sides of a row


class Entry(NamedTuple):
    """The messages that a peer saw of a neighbour in a period."""

    peer: Address
    expected: int  # messages that it was judged by
    missing: int  # of the expected, that it never sent
    first: int  # that it was the first to bring
    corrupt: int  # copies
    forbidden: int  # copies

    def __str__(self) -> str:
        return f"{self.peer.listed}={','.join(map(str, self[1:]))}"


# Fields.

def _seconds(seconds: float) -> str:
    """Show seconds with three decimals. A rounding error below 0 is 0."""
    return f"{min(max(0.0, seconds), SECONDS_LIMIT):.3f}"


def _entry(word: bytes) -> Entry:
    peer, counts = word.split(b"=")
    entry = Entry(LISTED.read(peer), *map(_COUNT.read, counts.split(b",")))
    if max(entry.missing, entry.first) > entry.expected:
        raise WireError("MISSING or FIRST is above EXPECTED")
    return entry


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
_START = pair(LISTED, b"=", _KEY)  # but a tree has the key first, because it is sorted by keys
_STARTS = words(Field(_START.pattern, lambda word: _START.read(word)[::-1],
                      lambda start: _START.show(start[::-1])),
                SEEDS_LIMIT, "a seed", _check_starts)


# Lines: the class of the value, and the function that makes the line from its fields.

_declare = functools.partial(declare_kind, kinds=LINES_OR_PREFIXES)

# The observations of a peer in a period of its run: report:START:PERIOD:ENTRY ENTRY …
Report, report = _declare("report", "report:%s:%s:%s", start=NUMBER, period=NUMBER,
                          entries=_ENTRIES)
# Entries of a report that is `age` seconds old, filed on one side; the same, lent to the seed that
# decides about their subject: rows:AGE:SIDE:IP:PORT:START:PERIOD:ENTRY …
_FILED = {"age": _SECONDS, "side": _SIDE, "reporter": PEER, "start": NUMBER, "period": NUMBER,
          "entries": _ENTRIES}
Rows, rows = _declare("rows", "rows:%s:%s:%s:%s:%s:%s", **_FILED)
Part, part = _declare("part", "part:%s:%s:%s:%s:%s:%s", **_FILED)
# The first key of each seed's interval, in order; the author: tree:VERSION:IP:PORT:IP#PORT=START …
Tree, tree = _declare("tree", "tree:%s:%s:%s", version=NUMBER_OR_0, author=PEER, starts=_STARTS)
# How many rows a seed holds, and keys that cut them into equal shares: load:ROWS:KEY KEY …
Load, load = _declare("load", "load:%s:%s", rows=_COUNT,
                      keys=words(_KEY, QUANTILES, check=_check_keys))
# Anybody asks for the tree and how many rows each seed holds: loads:IP#PORT=ROWS …
ASK_TREE = declare_bare("ask_tree", "ask tree")
Loads, loads = _declare("loads", "loads:%s",
                        rows=words(pair(LISTED, b"=", _COUNT), SEEDS_LIMIT, "a seed"))
# The findings of a seed in a period: how many messages there were to know, subjects and their
# badness, reporters that are not believed, pairs of a peer and a neighbour that rarely names it.
Verdicts, verdicts = _declare(
    "verdicts", "verdicts:%s:%s|%s|%s", known=NUMBER_OR_0,
    judged=words(pair(LISTED, b"=", _BADNESS), JUDGED_LIMIT, "a peer"),
    void=words(LISTED, JUDGED_LIMIT, "a void reporter"),
    unconfirmed=words(pair(LISTED, b">", LISTED), JUDGED_LIMIT, "a pair"))
# A malicious peer, which may be shut out for `seconds`, or as long as the receiver likes (None).
Kick, kick = _declare("kick", "kick:%s:%s%s", address=PEER, badness=_BADNESS, seconds=_UNTIL)
# A neighbour that rarely names the receiver of this line.
Unconfirmed, unconfirmed = _declare("unconfirmed", "unconfirmed:%s", address=PEER)
# A seed introduces itself to another, which dials it and asks: did you say that to me? Yes.
SeedHello, seed_hello = _declare("seed_hello", "seed:%s:to %s:%s", address=PEER, to=PEER,
                                 nonce=_NONCE)
SeedCheck, seed_check = _declare("seed_check", "seed check:%s:%s", address=PEER, nonce=_NONCE)
SeedChecked, seed_checked = _declare("seed_checked", "seed checked:%s", nonce=_NONCE)
