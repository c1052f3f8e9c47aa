"""The fields of lines, the declaration of lines by fields, and `parse`. Pure."""

import binascii
import collections
import functools
import operator
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from gossip.addresses import KEPT, Address, parse_address

LINE_LIMIT = 131_072  # bytes of a line
NUMBER_LIMIT = 2**63 - 1  # the largest START and NUMBER

IP = rb"(?:[0-9.]{7,15}|\[[0-9a-f:.]{2,45}\])"
_TO_URL, _FROM_URL = bytes.maketrans(b"+/", b"-_"), bytes.maketrans(b"-_+/", b"+/!!")


class WireError(ValueError):
    """The error of the other end, which broke the grammar or a rule."""


class Answer(bytes):
    """Requested lines, whose backlog does not pause the making of new messages."""


def format_time(seconds: float) -> str:
    """Return TIME, in Unix seconds with six decimals, e.g. `1700000000.123456`."""
    return f"{seconds:.6f}"


def address_in(field: bytes, separator: str = ":") -> Address:
    """Return the address in a field. WireError if its spelling is not canonical (`[0::1]:5001`)."""
    text = text_in(field)
    try:
        address = parse_address(text, separator)
    except ValueError as error:
        raise WireError(str(error)) from None
    if text != (str(address) if separator == ":" else address.listed):
        raise WireError(f"{text} is a strange spelling of {address}")
    return address


def text_in(field: bytes) -> str:
    try:
        return field.decode()
    except UnicodeDecodeError:
        raise WireError("not UTF-8") from None


def number_in(field: bytes, limit: int = NUMBER_LIMIT, wrong: str = "a number above 2^63-1") -> int:
    """Return the number in a field. WireError with the text `wrong` above the limit."""
    if int(field) > limit:
        raise WireError(wrong)
    return int(field)


def to_base64(data: bytes) -> bytes:
    """Return bytes in base64url, without padding."""
    return binascii.b2a_base64(data, newline=False).translate(_TO_URL).rstrip(b"=")


def from_base64(field: bytes) -> bytes:
    """Return the bytes of a field. WireError unless its spelling is canonical."""
    plain = field.translate(_FROM_URL)
    try:
        data = binascii.a2b_base64(plain + b"==")
    except ValueError:
        raise WireError("not base64url") from None
    if binascii.b2a_base64(data, newline=False).rstrip(b"=") != plain:
        raise WireError("base64url in a strange spelling")
    return data


class Field(NamedTuple):
    """A field: its spelling, its reader, and its writer."""

    pattern: bytes  # without groups
    read: Callable[[bytes], Any]
    show: Callable[[Any], str] = str


def pair(one: Field, mark: bytes, other: Field) -> Field:
    """Return the field of two fields with a mark between them."""
    def read(word: bytes) -> tuple[Any, Any]:
        first, second = word.split(mark)
        return one.read(first), other.read(second)

    return Field(one.pattern + mark + other.pattern, read,
                 lambda pair: f"{one.show(pair[0])}{mark.decode()}{other.show(pair[1])}")


def words(word: Field, limit: int, what: str = "", check=lambda values: None) -> Field:
    """Return the field of at most `limit` words, separated by blanks. If `what` names the words,
    they must differ in the part before their `=`. `check` gets all values."""
    def read(field: bytes) -> tuple:
        words = field.split(b" ") if field else []
        if what and len({one.partition(b"=")[0] for one in words}) < len(words):
            raise WireError(f"{what} twice in one line")
        values = tuple(map(word.read, words))
        check(values)
        return values

    return Field(rb"(?:%b(?: %b){0,%d})?" % (word.pattern, word.pattern, limit - 1), read,
                 lambda values: " ".join(map(word.show, values)))


TEXT = Field(rb"(?s:.*)", text_in)
TIME = Field(rb"[0-9]{1,12}\.[0-9]{6}", bytes.decode)
NUMBER = Field(rb"[1-9][0-9]{0,18}", number_in)
NUMBER_OR_0 = Field(rb"(?:0|[1-9][0-9]{0,18})", number_in)
PEER = Field(IP + rb":[1-9][0-9]{0,4}", functools.lru_cache(maxsize=KEPT)(address_in))
LISTED = Field(IP + rb"#[1-9][0-9]{0,4}", functools.partial(address_in, separator="#"),
               operator.attrgetter("listed"))
_in_list = functools.lru_cache(maxsize=KEPT)(LISTED.read)
ADDRESSES = Field(rb"(?:%b(?::%b)*)?" % (LISTED.pattern, LISTED.pattern),
                  lambda field: frozenset(map(_in_list, re.findall(LISTED.pattern, field))),
                  lambda addresses: ":".join(map(LISTED.show, addresses)))


LINES: dict[bytes, Callable[[bytes], Any]] = {}  # first word -> reads what follows the `:`
LINES_OR_PREFIXES: dict[bytes, Callable[[bytes], Any]] = {}  # of words that may be prefixes, too
BARE: dict[bytes, "Bare"] = {}  # line without a `:` -> its value


def declare_kind(kind: str, spelling: str, made: type = bytes, kinds=LINES, **fields: Field
                 ) -> tuple[type, Callable[..., bytes]]:
    """Declare a line. Return the class of its values, and what makes the line with its `\\n`. A
    value shows itself as a `line`, without its `\\n`. Requested lines are `made` an Answer."""
    name = kind.title().replace("_", "")
    value = type(name, (collections.namedtuple(name, fields),), {"kind": kind, "__slots__": ()})
    word, rest = spelling.encode().split(b":", 1)
    pattern = (rest.replace(b"|", rb"\|")
               % tuple(b"(%b)" % field.pattern for field in fields.values()))

    def read(body: bytes):
        match = re.fullmatch(pattern, body)  # compiled when a node first needs it
        if match is None:
            raise WireError(f"malformed {word.decode()} line")
        return value(*[field.read(part) for field, part in zip(fields.values(), match.groups())])

    def write(*values) -> bytes:
        shown = [field.show(part) for field, part in zip(fields.values(), value(*values))]
        return made((spelling % tuple(shown)).encode() + b"\n")

    kinds[word] = read
    value.line = property(lambda message: write(*message).decode().rstrip("\n"))
    return value, write


class Bare(NamedTuple):
    """A line without fields."""

    kind: str


def declare_bare(kind: str, line: str) -> bytes:
    """Declare a line without fields. Return it, with its `\\n`."""
    BARE[line.encode()] = Bare(kind)
    return line.encode() + b"\n"


def parse(line: bytes):
    """Parse a line that is not gossip, without its `\\n`. WireError if it is invalid."""
    word, colon, body = line.partition(b":")
    if not colon and line in BARE:
        return BARE[line]
    read = LINES.get(word) or LINES_OR_PREFIXES.get(word)
    if not colon or read is None:
        raise WireError("'gmessage' is expected from neighbours only"
                        if b":gmessage:" in b":" + line else f"unknown line {line[:40]!r}")
    return read(body)
