"""Addresses: where a node listens. Values, in the order of the ring: by IP as a number, then port.

An address is written `127.0.0.1:5001` or `[::1]:5001`, in lists `127.0.0.1#5001`. Seeds may also
have a name, which leads to an address when it is looked up. Ports cost nothing and IPs do, so a
draw among many addresses goes by IP first (`sample`). Of IPv6, a network of 2^64 addresses is what
costs something: whoever has one has them all. So it counts as one IP (`Address.host`).
"""

import collections
import functools
import ipaddress
import random
import re
import socket
from collections.abc import Iterable
from typing import NamedTuple

CACHED = 32_768  # addresses in the cache: more than a peer knows

_PORT = re.compile("[1-9][0-9]{0,4}")
_TYPED = re.compile(  # blanks alone may stand behind an IPv6 address that ends with `::`
    r"\[?([^\s,\[\]]+?)\]?(?:\s*[:,](?!(?<=::)\s)\s*|\s+)([0-9]{1,5})")
_ELSEWHERE = re.compile("%|^::ffff:")  # an IPv6 address of one interface alone; an IPv4 one in it
_HOST = re.compile(r"(?![0-9.]*$)(?!.{254})[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?")


class Address(NamedTuple):
    """An IP and a port. Made by `address_of` alone, so that equal ones are the same object."""

    number: int  # the IP as a number
    port: int
    ip: str
    text: str  # IP:PORT
    listed: str  # IP#PORT, the form in peer lists

    def __str__(self) -> str:
        return self.text

    @property
    def file_part(self) -> str:
        """The form in the names of output files."""
        return f"{self.ip.replace(':', '-')}_{self.port}"

    @property
    def family(self) -> socket.AddressFamily:
        return socket.AF_INET6 if ":" in self.ip else socket.AF_INET

    @property
    def host(self) -> str:
        """The unit of shares and limits of an IP: the IP itself, or the /64 of an IPv6 one."""
        return f"{self.number >> 64:x}/64" if ":" in self.ip else self.ip

    @property
    def is_loopback(self) -> bool:
        return self.ip.startswith("127.") or self.ip == "::1"


class Name(NamedTuple):
    """A host name and a port, which lead to an address at the moment of each dial."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


Target = Address | Name  # what can be dialled


@functools.lru_cache(maxsize=CACHED)
def address_of(ip: str, port: int) -> Address:
    """Return the address of an IP in any spelling; ValueError if it is none."""
    value = ipaddress.ip_address(ip)
    if "%" in ip or getattr(value, "ipv4_mapped", None):
        raise ValueError(f"{ip!r} is not a plain IP")
    if not 1 <= port <= 65535:
        raise ValueError(f"port {port} is not between 1 and 65535")
    host = f"[{value}]" if value.version == 6 else str(value)
    return Address(int(value), port, str(value), f"{host}:{port}", f"{host}#{port}")


def parse_address(text: str) -> Address:
    """Parse `IP:PORT` in its one spelling; ValueError says what is wrong."""
    host, _, port = text.rpartition(":")
    if not _PORT.fullmatch(port):
        raise ValueError(f"{text!r} is not IP:PORT")
    is_bracketed = host.startswith("[") and host.endswith("]")
    try:
        address = address_of(host[1:-1] if is_bracketed else host, int(port))
    except ValueError as error:
        raise ValueError(f"{text!r}: {error}") from None
    if address.text != text:
        raise ValueError(f"{text!r} is a strange spelling of {address}")
    return address


def parse_target(text: str) -> Target:
    """Parse what a person typed: `HOST:PORT`, `HOST,PORT` or `HOST PORT`. ValueError if it is not
    that, or leads to nobody, as 0.0.0.0 does."""
    match = _TYPED.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not HOST:PORT")
    host, port = match[1], int(match[2])
    if _HOST.fullmatch(host) and ":" not in host and 1 <= port <= 65535:
        return Name(host.lower(), port)
    address = address_of(host, port)
    if not can_be_dialled(address):
        raise ValueError(f"{text!r} is no address that can be dialled")
    return address


def can_be_dialled(address: Address) -> bool:
    """Tell whether one node may listen there: not 0.0.0.0, `::`, multicast or broadcast."""
    ip = ipaddress.ip_address(address.ip)
    return not (ip.is_unspecified or ip.is_multicast or address.ip == "255.255.255.255")


def look_up(target: Target, own: Address | None = None) -> list[Address]:
    """Return where a target is now, one address at least: of a name those of the family of `own`,
    the lowest first, but those on loopback before all others if `own` is, else last. Without `own`,
    IPv4 comes first. OSError if there is none. May take seconds."""
    if isinstance(target, Address):
        return [target]
    family, at_home = (own.family, own.is_loopback) if own else (socket.AF_UNSPEC, False)
    found = socket.getaddrinfo(target.host, target.port, family, socket.SOCK_STREAM)
    addresses = {address_of(entry[4][0], target.port) for entry in found
                 if not _ELSEWHERE.search(entry[4][0])}
    if not addresses:
        raise OSError(f"{target.host} has no address")
    return sorted(addresses, key=lambda one: (one.is_loopback != at_home, one.family, one))


def by_ip(addresses: Iterable[Address]) -> dict[str, list[Address]]:
    """Return the addresses of each IP, or IPv6 network, in the order given."""
    of_ip: dict[str, list[Address]] = collections.defaultdict(list)
    for address in addresses:
        of_ip[address.host].append(address)
    return of_ip


def sample(of_ip: dict[str, list[Address]], most: int, rng) -> list[Address]:
    """Draw `most` addresses at random, equally many of each IP that has so many."""
    drawn, rng = [], random.Random(rng.random())  # the system's own chance takes a call for each
    ips = sorted(rng.sample(list(of_ip), min(most, len(of_ip))), key=lambda ip: len(of_ip[ip]))
    for left, ip in zip(range(len(ips), 0, -1), ips):
        drawn += rng.sample(of_ip[ip], min((most - len(drawn)) // left, len(of_ip[ip])))
    return drawn
