"""The lines of monitoring: what peers report, what seeds tell one another, and who is shut out.

    report:START:PERIOD:ENTRY ENTRY …          a peer to a seed that lists it, once a period
    unconfirmed:IP:PORT                        a seed to a peer: this neighbour never names you
    kick:IP:PORT:BADNESS                       a seed to peers: this peer is malicious
    kick:IP:PORT:BADNESS:SECONDS               the same with the seconds for which it is shut out
    seed:IP:PORT:NONCE                         a seed introduces itself to another
    seed check:NONCE                           the other dials it and asks: did you say that?
    seed checked:NONCE                         yes
    tree:VERSION:IP:PORT:IP#PORT=START …       which keys each seed holds; the tree's author
    load:ROWS:KEY KEY …                        how many rows a seed holds; quantiles of their keys
    rows:AGE:SIDE:IP:PORT:START:PERIOD:ENTRY … rows on their way to who owns their keys
    part:AGE:SIDE:IP:PORT:START:PERIOD:ENTRY … rows lent to the seed that decides about a peer
    rejected:AGE:IP:PORT:IP:PORT:IP:PORT       accuser, accused, seed: a death reported in vain
    verdicts:T:JUDGED|VOID|UNCONFIRMED         what a seed has found in this period
    ask tree                                   anyone asks a seed, which answers with two lines:
    loads:IP#PORT=ROWS …                       the second; the first is `tree:`

ENTRY is `IP#PORT=EXPECTED,MISSING,FIRST,CORRUPT,FORBIDDEN`; START and KEY of the tree have 24 hex
digits; AGE is in seconds; SIDE is `about` or `by`, see monitoring/rows.py. JUDGED is
`IP#PORT=BADNESS …`, VOID `IP#PORT …`, UNCONFIRMED `IP#PORT>IP#PORT …`; all may be empty. Pure.
"""

import re
from typing import NamedTuple

from gossip.addresses import Address
from gossip.wire.fields import ADDRESS, IP, WireError, address_in
from gossip.wire.gossip_line import NUMBER_LIMIT

ENTRIES_LIMIT = 200  # neighbours in one report, and in a line of rows
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
    """A group of at most so many words with blanks between; it may be empty."""
    return rb"((?:%b(?: %b){0,%d})?)" % (word, word, limit - 1)


class Entry(NamedTuple):
    """What one peer has seen of one neighbour in one period, in messages: how many it was judged
    by, how many of those it never sent, how many it was the first to bring, and how many copies
    were corrupt, or forbidden."""

    peer: Address
    expected: int
    missing: int
    first: int
    corrupt: int
    forbidden: int

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
    """Entries of a report that is `age` seconds old, each a row; all are filed on one side."""

    age: float
    side: str
    reporter: Address
    start: int
    period: int
    entries: tuple[Entry, ...]
    kind = "rows"


class Part(NamedTuple):
    """The same, lent to the seed that decides about their subject."""

    age: float
    side: str
    reporter: Address
    start: int
    period: int
    entries: tuple[Entry, ...]
    kind = "part"


class RejectedDeath(NamedTuple):
    """A death that was reported in vain, `age` seconds ago, and which seed found that out."""

    age: float
    accuser: Address
    accused: Address
    seed: Address
    kind = "rejected_death"


class Tree(NamedTuple):
    """Where the interval of each seed starts, in the order of the keys, and who made it so."""

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
    """What a seed has found: how many messages there were to know, the badness of each subject
    that it could judge, reporters that nobody believes, and (peer, neighbour that never names
    it)."""

    known: int
    judged: tuple[tuple[Address, float], ...]
    void: tuple[Address, ...]
    unconfirmed: tuple[tuple[Address, Address], ...]
    kind = "verdicts"


class Kick(NamedTuple):
    """A peer is malicious; for how many seconds it is shut out, where that is said."""

    address: Address
    badness: float
    seconds: float | None
    kind = "kick"


class Unconfirmed(NamedTuple):
    """A neighbour that never names the one to whom this is said."""

    address: Address
    kind = "unconfirmed"


class SeedHello(NamedTuple):
    """A seed introduces itself."""

    address: Address
    nonce: str
    kind = "seed_hello"


class SeedCheck(NamedTuple):
    """Did you introduce yourself with this?"""

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


def part(age: float, side: str, reporter: Address, start: int, period: int, entries) -> bytes:
    return rows(age, side, reporter, start, period, entries, "part")


def rejected_death(age: float, accuser: Address, accused: Address, seed: Address) -> bytes:
    return f"rejected:{_seconds(age)}:{accuser}:{accused}:{seed}\n".encode()


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


def seed_hello(own: Address, nonce: str) -> bytes:
    return f"seed:{own}:{nonce}\n".encode()


def seed_check(nonce: str) -> bytes:
    return f"seed check:{nonce}\n".encode()


def seed_checked(nonce: str) -> bytes:
    return f"seed checked:{nonce}\n".encode()


def _seconds(seconds: float) -> str:
    """With three decimals; what lies a rounding error below 0 is 0."""
    return f"{min(max(0.0, seconds), SECONDS_LIMIT):.3f}"


def _joined(words) -> str:
    return " ".join(map(str, words))


# Reading.

def _split(field: bytes) -> list[bytes]:
    return field.split(b" ") if field else []


def _pairs(field: bytes, mark: bytes) -> list[list[bytes]]:
    return [word.split(mark) for word in _split(field)]


def _listed(field: bytes) -> Address:
    return address_in(field, "#")


def _distinct(values: list, what: str) -> tuple:
    if len(set(values)) < len(values):
        raise WireError(f"{what} twice in one line")
    return tuple(values)


def _count(field: bytes) -> int:
    count = int(field)
    if count > COUNT_LIMIT:
        raise WireError(f"a count above {COUNT_LIMIT}")
    return count


def _entry(word: bytes) -> Entry:
    peer, _, counts = word.partition(b"=")
    entry = Entry(_listed(peer), *map(_count, counts.split(b",")))
    if max(entry.missing, entry.first) > entry.expected:
        raise WireError("MISSING or FIRST is above EXPECTED")
    return entry


def _entries(field: bytes) -> tuple[Entry, ...]:
    entries = tuple(map(_entry, _split(field)))
    _distinct([entry.peer for entry in entries], "a neighbour")
    return entries


def _bounded(field: bytes) -> int:
    number = int(field)
    if number > NUMBER_LIMIT:
        raise WireError("a number above 2^63-1")
    return number


def _rows(make):
    def read(match):
        return make(float(match[1]), match[2].decode(), address_in(match[3]), _bounded(match[4]),
                    _bounded(match[5]), _entries(match[6]))
    return read


def _tree(match) -> Tree:
    starts = [(int(start, 16), _listed(seed)) for seed, start in _pairs(match[3], b"=")]
    _distinct([seed for _, seed in starts], "a seed")
    if not starts or starts[0][0] or any(one[0] >= other[0]
                                         for one, other in zip(starts, starts[1:])):
        raise WireError("STARTs that do not grow from 0")
    return Tree(_bounded(match[1]), address_in(match[2]), tuple(starts))


def _load(match) -> Load:
    keys = tuple(int(key, 16) for key in _split(match[2]))
    if list(keys) != sorted(keys):
        raise WireError("quantiles that do not grow")
    return Load(_count(match[1]), keys)


def _loads(match) -> Loads:
    rows = [(_listed(seed), _count(held)) for seed, held in _pairs(match[1], b"=")]
    _distinct([seed for seed, _ in rows], "a seed")
    return Loads(tuple(rows))


def _verdicts(match) -> Verdicts:
    judged = [(_listed(peer), float(badness)) for peer, badness in _pairs(match[2], b"=")]
    _distinct([peer for peer, _ in judged], "a peer")
    void = _distinct(list(map(_listed, _split(match[3]))), "a void reporter")
    pairs = [(_listed(one), _listed(other)) for one, other in _pairs(match[4], b">")]
    return Verdicts(_bounded(match[1]), tuple(judged), void, _distinct(pairs, "a pair"))


_ROWS = re.compile(rb"(%b):(about|by):%b:(%b):(%b):%b"
                   % (_SECONDS, ADDRESS, _NUMBER, _NUMBER, _words(_ENTRY)))
MONITORING = {  # first word of a line: (pattern of the rest, its match to a value)
    b"report": (re.compile(rb"(%b):(%b):%b" % (_NUMBER, _NUMBER, _words(_ENTRY))),
                lambda m: Report(_bounded(m[1]), _bounded(m[2]), _entries(m[3]))),
    b"rows": (_ROWS, _rows(Rows)),
    b"part": (_ROWS, _rows(Part)),
    b"rejected": (re.compile(b":".join([b"(%b)" % _SECONDS, ADDRESS, ADDRESS, ADDRESS])),
                  lambda m: RejectedDeath(float(m[1]), *map(address_in, m.group(2, 3, 4)))),
    b"tree": (re.compile(rb"%b:%b:%b" % (
        _NUMBER_OR_0, ADDRESS, _words(_LISTED + b"=" + _KEY, SEEDS_LIMIT))), _tree),
    b"load": (re.compile(rb"(%b):%b" % (_COUNT, _words(_KEY, QUANTILES))), _load),
    b"loads": (re.compile(_words(_LISTED + b"=" + _COUNT, SEEDS_LIMIT)), _loads),
    b"verdicts": (re.compile(rb"%b:%b\|%b\|%b" % (
        _NUMBER_OR_0, _words(_LISTED + b"=" + _BADNESS, JUDGED_LIMIT),
        _words(_LISTED, JUDGED_LIMIT), _words(_LISTED + b">" + _LISTED, JUDGED_LIMIT))), _verdicts),
    b"kick": (re.compile(rb"%b:(%b)(?::(%b))?" % (ADDRESS, _BADNESS, _SECONDS)),
              lambda m: Kick(address_in(m[1]), float(m[2]), None if m[3] is None else float(m[3]))),
    b"unconfirmed": (re.compile(ADDRESS), lambda m: Unconfirmed(address_in(m[1]))),
    b"seed": (re.compile(ADDRESS + b":(" + _NONCE + b")"),
              lambda m: SeedHello(address_in(m[1]), m[2].decode())),
    b"seed check": (re.compile(b"(" + _NONCE + b")"), lambda m: SeedCheck(m[1].decode())),
    b"seed checked": (re.compile(b"(" + _NONCE + b")"), lambda m: SeedChecked(m[1].decode())),
}
