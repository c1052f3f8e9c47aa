"""The configuration of a gossip module: section [gossip] of an .ini file, as people typed it.

Other sections, and keys before the first, are ignored, because other programs use them. `=` or `:`
stands between a key and its value; of a key that stands twice, the last counts.
"""

import re
from typing import NamedTuple

from grapevine.addresses import Address, Name, address_of, can_be_dialled, look_up
from grapevine.typed import plain_lines

MOST_NEIGHBOURS = 10_000  # a 505 (peer response) has room for 10,921 addresses
IPV4 = address_of("0.0.0.0", 1)  # any address of the family that modules have
_DIGITS = re.compile("[0-9]{1,20}")
_HOST_AND_PORT = re.compile(r"(?:\[(.*:.*)\]|([^:\[\]]+)):([0-9]{1,20})")  # IPv6 has brackets
_ENTRY = re.compile(r"([^=:]+?)\s*[=:]\s*(.*)")


class Config(NamedTuple):
    """The values of the file, with names resolved to addresses."""

    cache_size: int  # known addresses besides neighbours; remembered messages, if over 65,536
    degree: int  # places of the view; the module dials while a place is free
    p2p_address: Address  # where other modules find this one
    api_address: Address  # where clients find it
    p2p_ttl: int = 5  # hops that a PUSH travels
    bootstrapper: Address | None = None  # None if this is the bootstrapper
    pow_bits: int = 24  # zero bits at the beginning of a proof of work
    max_connections: int = 0  # neighbours at most; a newcomer beyond them replaces a neighbour
    min_degree: int = 0  # neighbours below which the module asks for more


def parse_ini(data: bytes) -> Config:
    """Return the configuration in a file. ValueError names a wrong key."""
    section = _section_of(data)
    degree = _number(section, "degree", 1, 1000)
    most = _number(section, "max_connections", 1, MOST_NEIGHBOURS, 2 * degree)
    p2p_address = _address(section, "p2p_address")
    bootstrapper = _address(section, "bootstrapper") if section.get("bootstrapper") else p2p_address
    return Config(
        cache_size=_number(section, "cache_size", 1, 10_000_000),
        degree=min(degree, most),  # else it would dial and replace neighbours for ever
        p2p_address=p2p_address,
        api_address=_address(section, "api_address", is_of_peers=False),
        p2p_ttl=_number(section, "p2p_ttl", 1, 255, 5),
        bootstrapper=None if bootstrapper == p2p_address else bootstrapper,
        pow_bits=_number(section, "pow_bits", 0, 64, 24),
        max_connections=most,
        min_degree=min(most, _number(section, "min_degree", 1, degree, max(1, degree // 2))))


def _section_of(data: bytes) -> dict[str, str]:
    """Return keys and values of the section [gossip]. ValueError if there is none."""
    sections, name = {"": {}}, ""
    for raw in plain_lines(data):
        line = raw.decode(errors="replace").strip()  # other programs may err
        if header := re.match(r"\[(.+)\]", line):
            name = header[1]
            sections.setdefault(name, {})
        elif line[:1] not in (";", "#") and (entry := _ENTRY.fullmatch(line)):
            sections[name][entry[1].lower()] = entry[2].strip('"')
    if "gossip" not in sections:
        raise ValueError("no section [gossip]")
    return sections["gossip"]


def _value(section: dict[str, str], key: str, expected: str, usual: int | str = "") -> str:
    if value := section.get(key, str(usual)):
        return value
    raise ValueError(f"{key} is {'empty' if key in section else 'missing'}; expected is {expected}")


def _number(section: dict[str, str], key: str, low: int, high: int, usual: int | str = "") -> int:
    expected = f"a whole number from {low} to {high}"
    value = _value(section, key, expected, usual)
    if not _DIGITS.fullmatch(value) or not low <= int(value) <= high:
        raise ValueError(f"{key} = {value}: expected is {expected}")
    return int(value)


def _address(section: dict[str, str], key: str, is_of_peers: bool = True) -> Address:
    """Return the address of a host and port: IPv4, or else, if it is for clients, IPv6."""
    expected = ("an IPv4 address, or a name that has one, and a port: 127.0.0.1:6001" if is_of_peers
                else "an address or a name and a port: 127.0.0.1:7001, [::1]:7001")
    value = _value(section, key, expected)
    match = _HOST_AND_PORT.fullmatch(value)
    if match is None or not 1 <= int(match[3]) <= 65535:
        raise ValueError(f"{key} = {value}: expected is {expected}")
    host, port = match[1] or match[2], int(match[3])
    try:
        address = look_up(Name(host, port), IPV4 if is_of_peers else None)[0]
    except (OSError, ValueError):
        raise ValueError(f"{key} = {host}: expected is {expected}") from None
    if is_of_peers and not can_be_dialled(address):
        raise ValueError(f"{key} = {address}: expected is an address that others can dial")
    return address
