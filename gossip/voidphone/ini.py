"""The configuration of the gossip module, section [gossip] of an .ini file.

Other sections, and keys before the first, are ignored, because other modules use them.
"""

import configparser
import re
import socket
from typing import NamedTuple

from gossip.addresses import Address, address_of, can_be_dialled

SECTION, PREAMBLE = "gossip", "keys before the first section"
MOST_NEIGHBOURS = 10_000  # a 505 (peer response) has room for 10,921 addresses
_DIGITS = re.compile("[0-9]{1,20}")


class Config(NamedTuple):
    """The values of the file, with names resolved to addresses."""

    cache_size: int  # known addresses besides neighbours; remembered messages, if over 65,536
    degree: int  # places of the view; the module dials while a place is free
    p2p_address: Address  # where other peers find this module
    api_address: tuple[Address, ...]  # where modules find it, the first that works
    p2p_ttl: int = 5  # hops that a PUSH travels
    bootstrapper: Address | None = None  # None if this is the bootstrapper
    pow_bits: int = 24  # zero bits at the beginning of a proof of work
    max_connections: int = 0  # neighbours at most; a newcomer beyond them replaces a neighbour
    min_degree: int = 0  # neighbours below which the module asks for more


def read_ini(path) -> Config:
    """Read a file. ValueError or OSError if that fails."""
    with open(path, encoding="utf-8-sig", errors="replace") as file:  # other modules may err
        return parse_ini(file.read())


def parse_ini(text: str) -> Config:
    """Return the configuration in a text. ValueError names a wrong key."""
    # without spaces, because keys may be indented; other sections may have lines without a key
    lines = [line for line in map(str.strip, text.split("\n")) if not line.startswith(("=", ":"))]
    parser = configparser.RawConfigParser(strict=False, allow_no_value=True, default_section="")
    try:
        parser.read_string("\n".join([f"[{PREAMBLE}]", *lines]))
    except configparser.Error as error:
        raise ValueError(str(error).splitlines()[0]) from None
    if not parser.has_section(SECTION):
        raise ValueError(f"no section [{SECTION}]")
    section = parser[SECTION]
    degree = _number(section, "degree", 1, 1000)
    p2p_address, *_ = _addresses(section, "p2p_address")
    bootstrapper = p2p_address  # no second lookup, which may lead to another address
    if "bootstrapper" in section:
        bootstrapper, *_ = _addresses(section, "bootstrapper")
    return Config(
        cache_size=_number(section, "cache_size", 1, 10_000_000),
        degree=degree, p2p_address=p2p_address,
        api_address=_addresses(section, "api_address", of_peers=False),
        p2p_ttl=_number(section, "p2p_ttl", 1, 255, 5),
        bootstrapper=None if bootstrapper == p2p_address else bootstrapper,
        pow_bits=_number(section, "pow_bits", 0, 64, 24),
        max_connections=_number(section, "max_connections", 1, MOST_NEIGHBOURS, 2 * degree),
        min_degree=_number(section, "min_degree", 1, degree, max(1, degree // 2)))


def _value(section, key: str, expected: str, usual: int | str = "") -> str:
    value = (section.get(key, str(usual)) or "").strip()
    if not value:
        raise ValueError(f"{key} is missing; expected is {expected}")
    return value.strip('"')


def _number(section, key: str, low: int, high: int, usual: int | str = "") -> int:
    expected = f"a whole number from {low} to {high}"
    value = _value(section, key, expected, usual)
    if not _DIGITS.fullmatch(value) or not low <= int(value) <= high:
        raise ValueError(f"{key} = {value}: expected is {expected}")
    return int(value)


def _addresses(section, key: str, of_peers: bool = True) -> tuple[Address, ...]:
    """Return the addresses of a host and port, IPv4 first (or alone)."""
    expected = ("an IPv4 address, or a name that has one, and a port: 127.0.0.1:6001" if of_peers
                else "an address or a name and a port: 127.0.0.1:7001, [::1]:7001")
    value = _value(section, key, expected)
    host, _, port = value.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if (not host or not _DIGITS.fullmatch(port) or not 1 <= int(port) <= 65535
            or bracketed != (":" in host)):
        raise ValueError(f"{key} = {value}: expected is {expected}")
    host = host[1:-1] if bracketed else host
    try:
        found = socket.getaddrinfo(host, int(port), socket.AF_INET if of_peers else 0,
                                   socket.SOCK_STREAM)
        found.sort(key=lambda entry: entry[0] != socket.AF_INET)
        addresses = tuple(dict.fromkeys([address_of(entry[4][0], int(port)) for entry in found]))
    except (OSError, ValueError):
        raise ValueError(f"{key} = {host}: expected is {expected}") from None
    if of_peers and not can_be_dialled(addresses[0]):
        raise ValueError(f"{key} = {addresses[0]}: expected is an address that others can dial")
    return addresses
