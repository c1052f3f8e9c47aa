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
    rows:AGE:SIDE:IP:PORT:START:PERIOD:ENTRY … rows on their way to who owns their keys
    part:AGE:SIDE:IP:PORT:START:PERIOD:ENTRY … rows lent to the seed that decides about a peer
    verdicts:T:JUDGED|VOID|UNCONFIRMED         what a seed has found in this period
    ask tree                                   anyone asks a seed, which answers with two lines:
    loads:IP#PORT=ROWS …                       the second; the first is `tree:`

ENTRY is `IP#PORT=EXPECTED,MISSING,FIRST,CORRUPT,FORBIDDEN`; START and KEY of the tree have 24 hex
digits; AGE is in seconds; SIDE is `about` or `by`, see monitoring/rows.py. JUDGED is
`IP#PORT=BADNESS …`, VOID `IP#PORT …`, UNCONFIRMED `IP#PORT>IP#PORT …`; all may be empty. Pure.
"""

import functools
import re
from typing import Any, NamedTuple

from gossip.addresses import Address
from gossip.wire.fields import ADDRESS, IP, WireError, address_in
from gossip.wire.gossip_line import NUMBER_LIMIT

ENTRIES_LIMIT = 68  # neighbours in one report, and in a line of rows: 60 places and 8 spare
COUNT_LIMIT = 1_000_000_000  # of anything in one period
SECONDS_LIMIT = 999_999_999.0  # 31 years; longer is said as this
SEEDS_LIMIT = 1_000  # in a tree
JUDGED_LIMIT = 500  # of each kind in a line of verdicts; more of the longest pass LINE_LIMIT
QUANTILES = 15  # keys in a load
ABOUT, BY = "about", "by"  # the sides of a row

_LISTED = IP + rb"#[1-9][0-9]{0,4}"
_COUNT = rb"(?:0|[1-9][0-9]{0,9})"
_SECONDS = rb"(?:0|[1-9][0-9]{0,8})\.[0-9]{3}"
_BADNESS = rb"(?:0\.[0-9]{3}|1\.000)"
_KEY = rb"[0-9a-f]{24}"
_NONCE = rb"[0-9a-f]{32}"
_NUMBER = rb"[1-9][0-9]{0,18}"
_NUMBER_OR_0 = b"(0|" + _NUMBER + b")"
_ENTRY = _LISTED + b"=" + b",".join([_COUNT] * 5)


def _words(word: bytes, limit: int = ENTRIES_LIMIT) -> bytes:
    """A group of at most `limit` words with blanks between."""
    return rb"((?:%b(?: %b){0,%d})?)" % (word, word, limit - 1)


class Entry(NamedTuple):
    """What a peer saw of a neighbour in a period, in messages."""

    peer: Address
    expected: int  # that it was judged by
    missing: int  # of these, that it never sent
    first: int  # that it was the first to bring
    corrupt: int  # copies
    forbidden: int  # copies

    def __str__(self) -> str:
        return (f"{self.peer.listed}={self.expected},{self.missing},{self.first},{self.corrupt},"
                f"{self.forbidden}")


class Report(NamedTuple):
    """What a peer has seen in a period of its run; periods count from 1."""

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
    """Where the interval of each seed starts, in order; its author."""

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
    """What a seed has found in a period."""

    known: int  # messages that there were to know
    judged: tuple[tuple[Address, float], ...]  # subjects, and their badness
    void: tuple[Address, ...]  # reporters that are not believed
    unconfirmed: tuple[tuple[Address, Address], ...]  # (peer, neighbour that never names it)
    kind = "verdicts"


class Kick(NamedTuple):
    """A peer is malicious, and may be shut out for so many seconds."""

    address: Address
    badness: float
    seconds: float | None
    kind = "kick"


class Unconfirmed(NamedTuple):
    """A neighbour that never names the receiver of this line."""

    address: Address
    kind = "unconfirmed"


class SeedHello(NamedTuple):
    """A seed introduces itself to another."""

    address: Address
    to: Address
    nonce: str
    kind = "seed_hello"


class SeedCheck(NamedTuple):
    """A seed asks another: did you introduce yourself to me with this nonce?"""

    address: Address
    nonce: str
    kind = "seed_check"


class SeedChecked(NamedTuple):
    """Yes."""

    nonce: str
    kind = "seed_checked"


class AskTree(NamedTuple):
    """Somebody asks for the tree and the loads."""

    kind = "ask_tree"


class Loads(NamedTuple):
    """How many rows each seed holds."""

    rows: tuple[tuple[Address, int], ...]
    kind = "loads"


# Writing: each of these makes a line, with its `\n`.

ASK_TREE = b"ask tree\n"


def report(start: int, period: int, entries) -> bytes:
    return f"report:{start}:{period}:{_joined(entries)}\n".encode()


def rows(age: float, side: str, reporter: Address, start: int, period: int, entries,
         word: str = "rows") -> bytes:
    return (f"{word}:{_seconds(age)}:{side}:{reporter}:{start}:{period}:"
            f"{_joined(entries)}\n").encode()


def part(*fields) -> bytes:
    return rows(*fields, "part")


def tree(version: int, author: Address, starts) -> bytes:
    shown = _joined(f"{seed.listed}={start:024x}" for start, seed in starts)
    return f"tree:{version}:{author}:{shown}\n".encode()


def load(held: int, keys) -> bytes:
    return f"load:{held}:{_joined(f'{key:024x}' for key in keys)}\n".encode()


def loads(held) -> bytes:
    """`held` has (seed, rows)."""
    return f"loads:{_joined(f'{seed.listed}={count}' for seed, count in held)}\n".encode()


def verdicts(known: int, judged, void, unconfirmed) -> bytes:
    bad = _joined(f"{peer.listed}={badness:.3f}" for peer, badness in judged)
    pairs = _joined(f"{peer.listed}>{other.listed}" for peer, other in unconfirmed)
    return f"verdicts:{known}:{bad}|{_joined(p.listed for p in void)}|{pairs}\n".encode()


def kick(address: Address, badness: float, seconds: float | None = None) -> bytes:
    until = "" if seconds is None else f":{_seconds(seconds)}"
    return f"kick:{address}:{badness:.3f}{until}\n".encode()


def unconfirmed(address: Address) -> bytes:
    return f"unconfirmed:{address}\n".encode()


def seed_hello(own: Address, to: Address, nonce: str) -> bytes:
    return f"seed:{own}:to {to}:{nonce}\n".encode()


def seed_check(own: Address, nonce: str) -> bytes:
    return f"seed check:{own}:{nonce}\n".encode()


def seed_checked(nonce: str) -> bytes:
    return f"seed checked:{nonce}\n".encode()


def _seconds(seconds: float) -> str:
    """Show seconds with three decimals; a rounding error below 0 is 0."""
    return f"{min(max(0.0, seconds), SECONDS_LIMIT):.3f}"


def _joined(words) -> str:
    return " ".join(map(str, words))


# Reading.

def _split(field: bytes) -> list[bytes]:
    return field.split(b" ") if field else []


def _listed(field: bytes) -> Address:
    return address_in(field, "#")


def _distinct(values: list, what: str) -> tuple:
    if len(set(values)) < len(values):
        raise WireError(f"{what} twice in one line")
    return tuple(values)


def _by_address(field: bytes, value, what: str) -> tuple[tuple[Address, Any], ...]:
    """The pairs `IP#PORT=VALUE …`, with each address once."""
    words = [word.split(b"=") for word in _split(field)]
    _distinct([address for address, _ in words], what)
    return tuple((_listed(address), value(text)) for address, text in words)


def _count(field: bytes) -> int:
    count = int(field)
    if count > COUNT_LIMIT:
        raise WireError(f"a count above {COUNT_LIMIT}")
    return count


def _counts(field: bytes) -> list[int]:
    expected, missing, first, *broken = map(_count, field.split(b","))
    if max(missing, first) > expected:
        raise WireError("MISSING or FIRST is above EXPECTED")
    return [expected, missing, first, *broken]


def _entries(field: bytes) -> tuple[Entry, ...]:
    return tuple(Entry(peer, *counts)
                 for peer, counts in _by_address(field, _counts, "a neighbour"))


def _bounded(field: bytes) -> int:
    number = int(field)
    if number > NUMBER_LIMIT:
        raise WireError("a number above 2^63-1")
    return number


def _rows(make, match):
    return make(float(match[1]), match[2].decode(), address_in(match[3]), _bounded(match[4]),
                _bounded(match[5]), _entries(match[6]))


def _tree(match) -> Tree:
    starts = [(start, seed) for seed, start in _by_address(match[3], _key, "a seed")]
    if not starts or starts[0][0] or any(one[0] >= other[0]
                                         for one, other in zip(starts, starts[1:])):
        raise WireError("STARTs that do not grow from 0")
    return Tree(_bounded(match[1]), address_in(match[2]), tuple(starts))


def _key(field: bytes) -> int:
    return int(field, 16)


def _load(match) -> Load:
    keys = tuple(map(_key, _split(match[2])))
    if list(keys) != sorted(keys):
        raise WireError("quantiles that do not grow")
    return Load(_count(match[1]), keys)


def _verdicts(match) -> Verdicts:
    judged = _by_address(match[2], float, "a peer")
    void = _distinct(list(map(_listed, _split(match[3]))), "a void reporter")
    pairs = [tuple(map(_listed, word.split(b">"))) for word in _split(match[4])]
    return Verdicts(_bounded(match[1]), judged, void, _distinct(pairs, "a pair"))


_ROWS = re.compile(rb"(%b):(about|by):%b:(%b):(%b):%b"
                   % (_SECONDS, ADDRESS, _NUMBER, _NUMBER, _words(_ENTRY)))
MONITORING = {  # first word of a line: (pattern of the rest, its match to a value)
    b"report": (re.compile(rb"(%b):(%b):%b" % (_NUMBER, _NUMBER, _words(_ENTRY))),
                lambda m: Report(_bounded(m[1]), _bounded(m[2]), _entries(m[3]))),
    b"rows": (_ROWS, functools.partial(_rows, Rows)),
    b"part": (_ROWS, functools.partial(_rows, Part)),
    b"tree": (re.compile(rb"%b:%b:%b" % (
        _NUMBER_OR_0, ADDRESS, _words(_LISTED + b"=" + _KEY, SEEDS_LIMIT))), _tree),
    b"load": (re.compile(rb"(%b):%b" % (_COUNT, _words(_KEY, QUANTILES))), _load),
    b"loads": (re.compile(_words(_LISTED + b"=" + _COUNT, SEEDS_LIMIT)),
               lambda m: Loads(_by_address(m[1], _count, "a seed"))),
    b"verdicts": (re.compile(rb"%b:%b\|%b\|%b" % (
        _NUMBER_OR_0, _words(_LISTED + b"=" + _BADNESS, JUDGED_LIMIT),
        _words(_LISTED, JUDGED_LIMIT), _words(_LISTED + b">" + _LISTED, JUDGED_LIMIT))), _verdicts),
    b"kick": (re.compile(rb"%b:(%b)(?::(%b))?" % (ADDRESS, _BADNESS, _SECONDS)),
              lambda m: Kick(address_in(m[1]), float(m[2]), None if m[3] is None else float(m[3]))),
    b"unconfirmed": (re.compile(ADDRESS), lambda m: Unconfirmed(address_in(m[1]))),
    b"seed": (re.compile(rb"%b:to %b:(%b)" % (ADDRESS, ADDRESS, _NONCE)),
              lambda m: SeedHello(address_in(m[1]), address_in(m[2]), m[3].decode())),
    b"seed check": (re.compile(rb"%b:(%b)" % (ADDRESS, _NONCE)),
                    lambda m: SeedCheck(address_in(m[1]), m[2].decode())),
    b"seed checked": (re.compile(b"(" + _NONCE + b")"), lambda m: SeedChecked(m[1].decode())),
}
