"""The fields that lines are made of: an address, a time, a text; and the limit of a line.

Pure. A field that is wrong is a WireError.
"""

import functools
import re

from gossip.addresses import Address, parse_address

LINE_LIMIT = 131_072  # bytes of a line

IP = rb"(?:[0-9.]{7,15}|\[[0-9a-f:.]{2,45}\])"
ADDRESS = rb"(" + IP + rb":[1-9][0-9]{0,4})"
_LISTED = re.compile(IP + rb"#[1-9][0-9]{0,4}")
_LIST = re.compile(rb"%b(?::%b)*" % (_LISTED.pattern, _LISTED.pattern))
TIME = rb"([0-9]{1,12}\.[0-9]{6})"


class WireError(ValueError):
    """The other end broke the grammar, or a rule about who may say what."""


def format_time(seconds: float) -> str:
    """TIME: Unix seconds with six decimals."""
    return f"{seconds:.6f}"


def address_in(field: bytes, separator: str = ":") -> Address:
    """An address in the one spelling that the wire knows."""
    text = field.decode("ascii")
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


def parse_list(word: bytes, body: bytes) -> frozenset:
    if body and not _LIST.fullmatch(body):
        raise WireError(f"{word.decode()} with something else than IP#PORT in it")
    return frozenset(map(_listed, _LISTED.findall(body)))


@functools.lru_cache(maxsize=16_384)
def _listed(field: bytes) -> Address:
    return address_in(field, "#")
