"""The fields of a line: address, time, text, bytes; and how long a line may be.

Pure. A wrong field raises WireError.
"""

import binascii
import functools
import re

from gossip.addresses import KEPT, Address, parse_address

LINE_LIMIT = 131_072  # bytes of a line

IP = rb"(?:[0-9.]{7,15}|\[[0-9a-f:.]{2,45}\])"
ADDRESS = rb"(" + IP + rb":[1-9][0-9]{0,4})"
_LISTED = re.compile(IP + rb"#[1-9][0-9]{0,4}")
_LIST = re.compile(rb"%b(?::%b)*" % (_LISTED.pattern, _LISTED.pattern))
TIME = rb"([0-9]{1,12}\.[0-9]{6})"
BASE64 = rb"[A-Za-z0-9_-]"  # a character of it
_TO_URL, _FROM_URL = bytes.maketrans(b"+/", b"-_"), bytes.maketrans(b"-_", b"+/")


class WireError(ValueError):
    """The other end broke the grammar, or a rule about who may say what."""


class Answer(bytes):
    """Lines that the other end has asked for. They may wait there for as long as it likes to read
    slowly: nobody makes fewer messages because of them."""


def format_time(seconds: float) -> str:
    """TIME: Unix seconds with six decimals, e.g. `1700000000.123456`."""
    return f"{seconds:.6f}"


def address_in(field: bytes, separator: str = ":") -> Address:
    """The address in a field; each has one spelling: `[::1]:5001`, but not `[0::1]:5001`."""
    text = text_in(field)
    try:
        address = parse_address(text, separator)
    except ValueError as error:
        raise WireError(str(error)) from None
    if text != (str(address) if separator == ":" else address.listed):
        raise WireError(f"{text} is a strange spelling of {address}")
    return address


def text_in(field: bytes) -> str:
    """The text of a field; WireError unless it is UTF-8."""
    try:
        return field.decode()
    except UnicodeDecodeError:
        raise WireError("not UTF-8") from None


def parse_list(word: bytes, body: bytes) -> frozenset:
    """The addresses of a list `IP#PORT:IP#PORT:…`, which may be empty."""
    if body and not _LIST.fullmatch(body):
        raise WireError(f"{word.decode()} with something else than IP#PORT in it")
    return frozenset(map(_listed, _LISTED.findall(body)))


@functools.lru_cache(maxsize=KEPT)
def _listed(field: bytes) -> Address:
    return address_in(field, "#")


def to_base64(data: bytes) -> bytes:
    """Bytes as a field: base64url without padding."""
    return binascii.b2a_base64(data, newline=False).translate(_TO_URL).rstrip(b"=")


def from_base64(field: bytes) -> bytes:
    """The bytes of a field; WireError unless it is the canonical spelling of them."""
    try:
        data = binascii.a2b_base64(field.translate(_FROM_URL) + b"==")
    except ValueError:
        raise WireError("not base64url") from None
    if to_base64(data) != field:
        raise WireError("base64url in a strange spelling")
    return data
