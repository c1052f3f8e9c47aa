"""Addresses: the IP and port on which a node listens. Pure values.

Lines and files write an address as `127.0.0.1:5001` or `[::1]:5001`, peer lists as `127.0.0.1#5001`
or `[::1]#5001`. People may also give a seed by name. Because ports cost nothing and IPs do, a
choice among many addresses goes by IP first, then by port.
"""

import collections
import functools
import ipaddress
import itertools
import random
import re
import socket
from collections.abc import Iterable
from typing import NamedTuple

KEPT = 32_768  # entries of each cache of addresses; a peer knows far fewer

_PORT = re.compile(r"[1-9][0-9]{0,4}")
_TYPED = re.compile(r"([^\s,]+?)(?:\s*[:,]\s*|\s+)([0-9]+)")  # as people write it
_LABEL = "[A-Za-z0-9_-]{1,63}"
_HOST_NAME = re.compile(rf"(?![0-9.]*$)(?!.{{254}}){_LABEL}(\.{_LABEL})*\.?")


class Address(NamedTuple):
    """An address. Addresses are ordered by IP as a number, then by port."""

    number: int
    port: int
    ip: str

    @functools.lru_cache(maxsize=KEPT)
    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def host(self) -> str:
        """The IP as written before a port, IPv6 in brackets."""
        return f"[{self.ip}]" if ":" in self.ip else self.ip

    @property
    @functools.lru_cache(maxsize=KEPT)
    def listed(self) -> str:
        """The form in peer lists."""
        return f"{self.host}#{self.port}"

    @property
    def file_part(self) -> str:
        """The form in the names of output files."""
        return f"{self.ip.replace(':', '-')}_{self.port}"

    @property
    def family(self) -> socket.AddressFamily:
        return socket.AF_INET6 if ":" in self.ip else socket.AF_INET

    @property
    def dial(self) -> tuple[str, int]:
        """The pair that a socket connects to, or is bound to."""
        return self.ip, self.port


class Name(NamedTuple):
    """A host name and a port, which lead to changing addresses."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def dial(self) -> tuple[str, int]:
        return self.host, self.port


Target = Address | Name  # what can be dialled; a name is looked up first


@functools.lru_cache(maxsize=KEPT)
def address_of(ip: str, port: int) -> Address:
    """Return the address for an IP in any spelling. ValueError if it is none. Equal calls return
    the same object, so that many copies of a long list take little memory."""
    if "%" in ip:
        raise ValueError(f"{ip!r} names an interface; give the plain IP")
    value = ipaddress.ip_address(ip)
    if getattr(value, "ipv4_mapped", None):
        raise ValueError(f"write {value.ipv4_mapped} instead of {ip}")
    if not 1 <= port <= 65535:
        raise ValueError(f"port {port} is not between 1 and 65535")
    return Address(int(value), port, str(value))


@functools.lru_cache(maxsize=KEPT)
def parse_address(text: str, separator: str = ":") -> Address:
    """Parse `IP:PORT`, or the same with another separator. ValueError says what is wrong."""
    host, found, port = text.rpartition(separator)
    if not found or not _PORT.fullmatch(port):
        raise ValueError(f"{text!r} is not IP{separator}PORT")
    bracketed = host.startswith("[") and host.endswith("]")
    if bracketed != (":" in host):
        raise ValueError(f"{text!r} is not IP{separator}PORT; an IPv6 address, and only that, "
                         "stands in brackets")
    try:
        return address_of(host[1:-1] if bracketed else host, int(port))
    except ValueError as error:
        raise ValueError(f"{text!r}: {error}") from None


def typed_ip(text: str) -> str:
    return "127.0.0.1" if text.lower() == "localhost" else text


def is_host_name(text: str) -> bool:
    return _HOST_NAME.fullmatch(text) is not None


def parse_typed(text: str) -> Target:
    """Parse `HOST:PORT`, `HOST,PORT` or `HOST PORT` (IP or host name). ValueError says why not."""
    match = _TYPED.fullmatch(text)
    if match is None:
        return parse_address(text)
    host, port = typed_ip(match[1]), match[2]
    if not is_host_name(host):
        return parse_address(f"{host}:{port}")
    return Name(host.lower(), address_of("0.0.0.0", int(port)).port)


def can_be_dialled(target: Target) -> bool:
    """Return False for 0.0.0.0, `::`, multicast and broadcast."""
    if isinstance(target, Name):
        return True
    ip = ipaddress.ip_address(target.ip)
    return not (ip.is_unspecified or ip.is_multicast or target.ip == "255.255.255.255")


@functools.lru_cache(maxsize=KEPT)
def is_loopback(target: Target) -> bool:
    """Return whether it is a loopback address. Names may lead elsewhere."""
    return isinstance(target, Address) and ipaddress.ip_address(target.ip).is_loopback


def in_turns(addresses: Iterable[Address]) -> list[Address]:
    """Return the first of each IP, then the second, and so on."""
    turns = collections.defaultdict(itertools.count)  # IP -> counts its addresses
    return sorted(addresses, key=lambda address: next(turns[address.ip]))


def sample(addresses: Iterable[Address], most: int, rng: random.Random) -> list[Address]:
    """Draw `most` addresses, equally many of each IP, unless it has fewer."""
    of_ip = collections.defaultdict(list)
    for address in addresses:
        of_ip[address.ip].append(address)
    drawn: list[Address] = []
    ips = sorted(rng.sample(list(of_ip), min(most, len(of_ip))), key=lambda ip: len(of_ip[ip]))
    for left, ip in zip(range(len(ips), 0, -1), ips):
        share = (most - len(drawn)) // left
        drawn += rng.sample(of_ip[ip], min(share, len(of_ip[ip])))
    return drawn
