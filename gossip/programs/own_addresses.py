"""The addresses of this machine: which it has, which are free, and from which it reaches the seeds.

An address that a peer announces is dialled by the peers of other machines. So a peer whose seeds
are on other machines has none on loopback, which every machine has for itself.
"""

import collections
import errno
import os
import socket
import time

from gossip.addresses import Address, address_of, is_loopback
from gossip.terminal.command_line import AUTO, FAILED, CommandError, complain

WAY_LIMIT = 30.0  # seconds that a way to the seeds is waited for, because a boot may take that long
LOOK = 0.5  # seconds between two looks for one


class PortTaken(CommandError):
    """Another program listens at an address."""


def is_local(address: Address) -> bool:
    """Return whether this machine can listen on that IP."""
    try:
        with socket.socket(address.family, socket.SOCK_STREAM) as sock:
            sock.bind((address.ip, 0))
    except OSError:
        return False
    return True


def node_at(port: int, seeds: list[Address]) -> Address:
    """Return the node of this machine with that port: a seed of the config, else where a peer would
    be."""
    usual = address_of(host_of(AUTO, seeds, 0.0), port)
    local = [seed for seed in seeds if seed.port == port and is_local(seed)]
    return local[0] if local and usual not in local else usual


def check_free(address: Address) -> None:
    """Raise CommandError if a node cannot listen there: PortTaken if another program does."""
    try:
        with socket.socket(address.family, socket.SOCK_STREAM) as sock:
            if os.name == "posix":
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(address.dial)
            sock.listen()
    except OSError as error:
        raise cannot_listen(address, error) from None


def cannot_listen(address: Address, error: OSError) -> CommandError:
    """Return the error for an address at which a node cannot listen."""
    kind = CommandError
    if error.errno == errno.EADDRINUSE:
        kind, why = PortTaken, f"port {address.port} is in use"
    elif error.errno == errno.EADDRNOTAVAIL:
        why = f"{address.ip} is not an address of this machine"
    else:
        why = error.strerror or str(error)
    return kind(f"cannot listen on {address}: {why}", FAILED)


def check_reachable(seeds: list[Address], own: Address) -> None:
    """Raise CommandError if no seed can be dialled from the peer's address, or none would list
    it."""
    if all(seed.family != own.family for seed in seeds):
        raise CommandError(f"no seed of the config has an address like {own.host}; "
                           f"give an IPv{4 if ':' in own.ip else 6} address, or none")
    if is_loopback(own) and not any(map(is_loopback, seeds)):
        raise CommandError(f"{own.ip} cannot be reached from other machines, where the seeds are; "
                           "give an address in their network, or none")


def host_of(host: str, seeds: list[Address], patience: float = WAY_LIMIT) -> str:
    """Return the IP that a peer announces: `host`, or for `auto` the one from which it reaches most
    seeds. CommandError if there is no way to any for `patience` seconds."""
    if host != AUTO:
        return host
    if all(map(is_loopback, seeds)):
        return "127.0.0.1" if any(":" not in seed.ip for seed in seeds) else "::1"
    deadline, told = time.monotonic() + patience, False
    while (ip := _ip_towards(seeds)) is None:
        if time.monotonic() >= deadline:
            raise CommandError("this machine has no way to any seed of the config; "
                               "is its network up?", FAILED)
        if not told:
            complain(f"no way to any seed of the config yet; trying for {patience:g} s")
        told = True
        time.sleep(LOOK)
    return ip


def _ip_towards(seeds: list[Address]) -> str | None:
    """Return the IP of this machine from which most of the seeds are reached; None if there is no
    way to any. Nothing is sent: connecting a UDP socket only asks the table of routes."""
    found: collections.Counter[str] = collections.Counter()
    for seed in seeds:
        try:
            with socket.socket(seed.family, socket.SOCK_DGRAM) as sock:
                sock.connect(seed.dial)
                found[address_of(sock.getsockname()[0], 1).ip] += 1
        except (OSError, ValueError):  # no route; or an IP that only means something on a link
            continue
    return found.most_common(1)[0][0] if found else None
