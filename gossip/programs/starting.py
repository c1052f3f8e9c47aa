"""The start of programs: addresses, output files, nodes, limits of the system.

Problems are found before anything starts, so that no network fails halfway. Peers on other machines
dial the address that a peer announces, so that it must not be on loopback if its seeds are not.
"""

import collections
import contextlib
import errno
import itertools
import math
import os
import pathlib
import re
import socket
import sys
import time
from collections.abc import Callable, Collection, Iterable
from typing import Any

from gossip.addresses import (
    Address, Name, Target, address_of, is_host_name, is_loopback, parse_address)
from gossip.net.connection import is_local, listening
from gossip.net.names import LIMIT, Names
from gossip.node.output_file import OutputFile
from gossip.settings import Settings, majority, of_one_network
from gossip.terminal.command_line import (
    AUTO, FAILED, STANDARD_OUTPUT, CommandError, complain, resource)
from gossip.terminal.screen import Log, Screen

WAY_LIMIT = 30.0  # seconds to wait for a route to the seeds, or an address, after a boot
ALONE_LIMIT = 3.0  # seconds that leaving waits for neighbours that hear the last messages
HEARD_LOOK = 0.02  # seconds between two looks for it
LOOK = 0.5  # seconds between two attempts, and for a lookup of names
SLOW = 8.0  # seconds for a lookup that must succeed, because the first name server may be down

# rather too much than too little
PROCESS_DESCRIPTORS = 16  # of a process without a node: standard ones, wake-ups, files
NODE_DESCRIPTORS = 4  # of a node besides its links: listener, wake-ups, output file
NODE_THREADS = 8  # of a node besides those of its links
COMING_AND_GOING = 4  # links of a peer that are being made, refused or probed
PROBES = 32  # short connections of a seed
PROCESS_MAPS, THREAD_MAPS = 2_000, 3  # memory maps of a process; of a thread (stack and guards)


class PortTaken(CommandError):
    """The error that another program listens at an address, or will."""


def here(targets: Iterable[Target], limit: float = LIMIT) -> dict[Target, Address]:
    """Return the targets on this machine, each with its address."""
    own = {target: [address for address in found if is_local(address)]
           for target, found in led_to(targets, limit).items()}
    return {target: min(addresses, key=lambda address: (is_loopback(address), address))
            for target, addresses in own.items() if addresses}


def look_up(targets: Iterable[Target], limit: float) -> dict[Target, list[Address] | OSError]:
    """Return where targets lead, lowest addresses first, or the error."""
    return Names().find_all(targets, limit)


def led_to(targets: Iterable[Target], limit: float) -> dict[Target, list[Address]]:
    """Return where targets lead, without targets that lead nowhere."""
    return {target: found for target, found in look_up(targets, limit).items()
            if not isinstance(found, OSError)}


def local_among(seeds: list[Target]) -> list[Address]:
    """Return the addresses of the seeds that are on this machine."""
    return list(dict.fromkeys(here(seeds, SLOW).values()))


def local_seeds(seeds: list[Target]) -> list[Address]:
    """Return the addresses of the seeds that are here. CommandError if there is none."""
    if local := local_among(seeds):
        return local
    lost = [f"; {seed.host}: {found}" for seed, found in look_up(seeds, SLOW).items()
            if isinstance(found, OSError)]
    raise CommandError(f"no seed of the config is an address of this machine{''.join(lost)}",
                       FAILED)


def known_to(own: Address, seeds: list[Target], monitor: bool) -> list[Target]:
    """Return the seeds of config.txt for a seed. Its own name is replaced by its address.
    CommandError if only some are on loopback, or if seeds that monitor know others by name."""
    names = [seed for seed in seeds if isinstance(seed, Name)]
    led = led_to(names, LIMIT)
    if own not in itertools.chain(seeds, *led.values()):
        led = led_to(names, SLOW)
    mine = own if own in seeds else next((name for name in led if own in led[name]), own)
    try:
        of_one_network({found[0]: str(name) for name, found in led.items()} | {own: str(mine)})
    except ValueError as error:
        raise CommandError(str(error)) from None
    known = [own if seed == mine else seed for seed in seeds]
    if monitor and (names := [seed for seed in known if isinstance(seed, Name)]):
        raise CommandError("with --monitor config.txt has to give the IP of every other seed, also "
                           f"that of {names[0]}")
    return known


def node_at(port: int, seeds: list[Target]) -> Address:
    """Return this machine's seed with that port, else its peer."""
    usual = address_of(host_of(AUTO, seeds, 0.0), port)
    local = list(here(seed for seed in seeds if seed.port == port).values())
    return local[0] if local and usual not in local else usual


def own_address(target: Target, patience: float = WAY_LIMIT) -> Address:
    """Return the address of this machine to which a target leads. If none appears in `patience`
    seconds, return an address unchanged, and raise CommandError for a name."""
    lacking = f"{target.host} is not an address of this machine"
    try:
        return awaited(lambda: here([target], SLOW).get(target), patience, lacking, lacking)
    except CommandError:
        if isinstance(target, Name):
            raise
        return target


def awaited(look: Callable[[], Any], patience: float, lacking: str, error: str) -> Any:
    """Return what `look()` finds within `patience` seconds, or raise CommandError."""
    deadline, told = time.monotonic() + patience, False
    while (found := look()) is None:
        if time.monotonic() >= deadline:
            raise CommandError(error, FAILED)
        if not told:
            complain(f"{lacking} yet; trying for {patience:g} s")
        told = True
        time.sleep(LOOK)
    return found


def hold(address: Address) -> socket.socket:
    """Listen there, until what is returned is closed. CommandError, perhaps PortTaken, if nobody
    can."""
    try:
        return listening(address)
    except OSError as error:
        raise cannot_listen(address, error) from None


def check_free(address: Address) -> None:
    """Raise CommandError, perhaps PortTaken, if a node cannot listen there."""
    hold(address).close()


def is_taken(address: Address) -> bool:
    """Tell whether another program listens there. CommandError if nobody can."""
    try:
        check_free(address)
    except PortTaken:
        return True
    return False


def next_free(ip: str, first: int, last: int, avoid: Collection[Target]) -> Address | None:
    """Return the first address, from a port to another, where a node could listen."""
    for address in (address_of(ip, port) for port in range(first, last + 1)):
        with contextlib.suppress(CommandError):  # another program listens there
            if address not in avoid:
                check_free(address)
                return address
    return None


def cannot_listen(address: Address, error: OSError) -> CommandError:
    why = {errno.EADDRINUSE: f"port {address.port} is in use",
           errno.EADDRNOTAVAIL: f"{address.ip} is not an address of this machine"
           }.get(error.errno, error.strerror or str(error))
    kind = PortTaken if error.errno == errno.EADDRINUSE else CommandError
    return kind(f"cannot listen on {address}: {why}", FAILED)


def check_reachable(seeds: list[Target], own: Address) -> None:
    """Raise CommandError if no seed can reach a peer's address."""
    if any(isinstance(seed, Name) for seed in seeds):  # nobody knows where it leads
        return
    if all(seed.family != own.family for seed in seeds):
        raise CommandError(f"no seed of the config has an address like {own.host}; "
                           f"give an IPv{4 if ':' in own.ip else 6} address, or none")
    if is_loopback(own) and not any(map(is_loopback, seeds)):
        raise CommandError(f"{own.ip} cannot be reached from other machines, where the seeds are; "
                           "give an address in their network, or none")


def host_of(host: str, seeds: list[Target], patience: float = WAY_LIMIT) -> str:
    """Return the IP to announce for an IP, a name or `auto`. `auto` means the IP from which a
    peer reaches most seeds. CommandError if none appears in `patience` seconds."""
    if host != AUTO:
        return own_address(Name(host, 1), patience).ip if is_host_name(host) else host
    names = Names()  # which keep late answers

    def towards_seeds(limit: float) -> str | None:
        found = names.find_all(seeds, limit).values()
        led = [addresses[0] for addresses in found if not isinstance(addresses, OSError)]
        elsewhere = [seed for seed in led if not is_loopback(seed)]
        # a machine may know only its own name, as loopback
        return _ip_towards(elsewhere or (led if len(led) == len(found) else []))

    return awaited(lambda: towards_seeds(LOOK) or towards_seeds(SLOW), patience,
                   "no way to any seed of the config",
                   "this machine has no way to any seed of the config; is its network up?")


def _ip_towards(seeds: list[Address]) -> str | None:
    """Return this machine's IP on the way to most seeds, or None."""
    if seeds and all(map(is_loopback, seeds)):
        return "127.0.0.1" if any(":" not in seed.ip for seed in seeds) else "::1"
    found: collections.Counter[str] = collections.Counter()
    for seed in seeds:
        with (contextlib.suppress(OSError, ValueError),  # no route, or a link-local IP
              socket.socket(seed.family, socket.SOCK_DGRAM) as sock):
            sock.connect(seed.dial)  # sends nothing, but asks the table of routes
            found[address_of(sock.getsockname()[0], 1).ip] += 1
    return found.most_common(1)[0][0] if found else None


def open_output(folder: pathlib.Path, kind: str, address: Address, limit: int,
                screen=None) -> OutputFile:
    """Open an output file of at most `limit` MiB, if not 0. Standard output has no limit."""
    if folder == STANDARD_OUTPUT:
        return OutputFile(None, time.time_ns, file=Log())
    try:
        folder.mkdir(parents=True, exist_ok=True)
        output = OutputFile(folder / f"{kind}_{address.file_part}.txt", time.time_ns, screen,
                            limit=limit)
    except OSError as error:
        raise CommandError(f"cannot write into {folder}: {error.strerror}", FAILED) from None
    if isinstance(screen, Screen):
        screen.on_failure = output.write_failure
    return output


def prepare_node(node) -> None:
    """Prepare a node. CommandError names the address that is not available."""
    try:
        node.prepare()
    except OSError as error:
        node.output.finish()
        node.stop()
        address = parse_address(error.filename) if error.filename else node.address
        raise cannot_listen(address, error) from None


def start_node(node) -> None:
    prepare_node(node)
    node.go()


def is_heard(node, said_at: float) -> bool:
    """Return whether others will have what a peer said then, also if it leaves now."""
    known = node.peer_list.others(node.joining.wanted)
    return node.neighbours.could_fetch(said_at, node.now(), known)


def quit_when_heard(node, said_at: float | None, is_alone=lambda: False) -> None:
    """Have a peer leave. If it said something, first wait some seconds for neighbours that hear it,
    unless the peer `is_alone()`."""
    deadline = time.monotonic() + ALONE_LIMIT
    while said_at is not None and time.monotonic() < deadline:
        with node.turn:
            if node.stopping or is_alone() or is_heard(node, said_at):
                break
        time.sleep(HEARD_LOOK)
    node.quit()


def peer_links(address: Address, peers: int, seeds: int, settings: Settings) -> int:
    """Return how many links a peer may have at once."""
    return min(settings.capacity.of(address), peers - 1) + majority(seeds) + COMING_AND_GOING


def descriptors_allowed() -> float:
    if resource is None:
        return math.inf
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return math.inf if soft == resource.RLIM_INFINITY else soft


def threads_allowed() -> float:
    """Return how many more threads, in all processes together, the system allows."""
    running = _number("/proc/loadavg", 0, r"/([0-9]+)")
    rooms = [_number(f"/proc/sys/kernel/{name}") - running for name in ("threads-max", "pid_max")]
    with contextlib.suppress(OSError):
        for line in pathlib.Path("/proc/self/cgroup").read_text(errors="replace").splitlines():
            _, controllers, path = line.split(":", 2)
            group = pathlib.Path(f"/sys/fs/cgroup/{controllers}/{path}")
            rooms += [_number(f"{folder}/pids.max") - _number(f"{folder}/pids.current", 0)
                      for folder in (group, *group.parents)]
    # elsewhere this is a limit of processes; the superuser is not limited
    if sys.platform.startswith("linux") and resource is not None and os.geteuid() != 0:
        most, _ = resource.getrlimit(resource.RLIMIT_NPROC)
        if most != resource.RLIM_INFINITY:
            own = rf"(?ms)^Uid:\s+{os.getuid()}\s.*^Threads:\s+([0-9]+)"
            rooms.append(most - sum(_number(str(status), 0, own)  # 0 if it has ended meanwhile
                                    for status in pathlib.Path("/proc").glob("[0-9]*/status")))
    return min(rooms)


def threads_per_process() -> float:
    """Return how many threads fit into a process with their memory maps."""
    return (_number("/proc/sys/vm/max_map_count") - PROCESS_MAPS) / THREAD_MAPS


def _number(path: str, otherwise: float = math.inf, pattern: str = "^([0-9]+)$") -> float:
    """Return the number in a file of the system, or `otherwise`."""
    with contextlib.suppress(OSError):
        if found := re.search(pattern, pathlib.Path(path).read_text(errors="replace")):
            return int(found[1])
    return otherwise
