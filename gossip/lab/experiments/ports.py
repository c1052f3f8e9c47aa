"""Ports: other ones for a network whose usual ports are taken, or that has more seeds than usual;
and who has those of the seeds."""

import contextlib
import pathlib
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from gossip.addresses import Address, Target, address_of, is_loopback
from gossip.intervals import Intervals, format_ranges
from gossip.lab.experiments.status import ask_seed
from gossip.programs.starting import (
    SLOW, WAY_LIMIT, PortTaken, awaited, check_free, host_of, led_to, local_among)
from gossip.terminal.command_line import AUTO, CONFIG, FAILED, CommandError, load_seeds
from gossip.terminal.folders import OTHER_CONFIG, shown

BASE_PORT = 5000  # of the first peer, where the command line names no other
BLOCK = 1000  # ports from the usual first peer to that of another network beside it
PATIENCE = 5.0  # seconds to connect to whoever has a port, and to hear from it


class Ports(NamedTuple):
    """The addresses with which a network starts, and the file that names its seeds."""

    seeds: list[Target]
    peers: list[Address]
    config: pathlib.Path
    notice: str  # which ports are taken, and which are used instead; empty when none is taken

    def write_config(self, outputs: pathlib.Path) -> None:
        """Write the file if it is that of the network in this folder, and not the user's own."""
        if self.config.resolve() == (outputs / OTHER_CONFIG).resolve():
            self.config.write_text("".join(f"{seed}\n" for seed in self.seeds))


def choose_ports(args, peers: list[Address]) -> Ports:
    """Choose other ports for the seeds and these peers where the usual ones are taken. What the
    command line names is kept, and so are seeds that other machines know. The peers move together:
    a peer of another network here dials the ports of its dead again, and would join the two."""
    of_config, config = load_seeds(args.config), args.config
    seeds = usual = of_config if args.seeds is None else _as_many(of_config, args.seeds, peers)
    chosen = peers
    if args.config == CONFIG and all(map(is_loopback, usual)):
        seeds = free_instead(usual, peers)
    if args.base_port == BASE_PORT and (seeds != usual or any(map(_is_taken, peers))):
        chosen = free_block(peers, seeds)
    notice = _notice([*usual, *peers], [*seeds, *chosen])
    if seeds != of_config:
        config = args.outputs / OTHER_CONFIG
        notice += notice and f"\nanother peer joins with: python peer.py --config {shown(config)}"
    return Ports(seeds, chosen, config, notice)


def _as_many(seeds: list[Target], count: int, avoid: list[Address]) -> list[Target]:
    """Return the first seeds; where they are too few, also others on free ports above."""
    seeds = seeds[:count]
    while len(seeds) < count:
        last = max(seed.port for seed in seeds)
        address = next_free(host_of(AUTO, seeds, 0.0), last, avoid)
        if address is None:
            raise CommandError(f"no port above {last} is free for a seed", FAILED)
        seeds.append(address)
    return seeds


def free_instead(addresses: list[Address], avoid: list[Address]) -> list[Address]:
    """Return the addresses, with the next free ports above them in place of taken ones."""
    last, free = max(address.port for address in addresses), []
    for address in addresses:
        if _is_taken(address):
            address = next_free(address.ip, last, avoid) or address
            last = max(last, address.port)
        free.append(address)
    return free


def free_block(addresses: list[Address], avoid: list[Address]) -> list[Address]:
    """Return the addresses so many blocks of ports higher that all of them are free."""
    for step in range(BLOCK, 65536 - max(address.port for address in addresses), BLOCK):
        block = [address_of(address.ip, address.port + step) for address in addresses]
        if not any(map(_is_taken, block)) and not {*block} & {*avoid}:
            return block
    raise CommandError(f"no {len(addresses)} ports in a row are free; name one: --base-port",
                       FAILED)


def next_free(ip: str, port: int, avoid: Collection[Target]) -> Address | None:
    """Return the first address above this port where a node could listen, if any."""
    for other in range(port + 1, 65536):
        address = address_of(ip, other)
        with contextlib.suppress(CommandError):  # another program listens there
            check_free(address)
            if address not in avoid:
                return address
    return None


def _notice(usual: list[Address], chosen: list[Address]) -> str:
    moved = [(old.port, new.port) for old, new in zip(usual, chosen) if old != new]
    if not moved:
        return ""
    left, instead = zip(*moved)
    return f"ports taken, all or in part: {_ranges(left)}; used instead: {_ranges(instead)}"


def _ranges(ports: Collection[int]) -> str:
    """Name ports in order, those in a row as `FIRST-LAST`."""
    ranges = Intervals((port, port) for port in ports).ranges()
    return format_ranges(ranges).replace(",", ", ")


def check_seed_ports(seeds: list[Address], config: pathlib.Path) -> None:
    """CommandError when seeds cannot listen at these addresses: it says who does."""
    running = _running(seeds, config)
    if running and len(running) == len(seeds):
        raise CommandError("the seeds run already; go on with: python peer.py", FAILED)
    if running:
        raise CommandError(f"{len(running)} of {len(seeds)} seeds run already "
                           f"({_ranges([seed.port for seed in running])}); start each of the "
                           "others with: python seed.py IP:PORT", FAILED)


def seeds_to_start(seeds: list[Target], config: pathlib.Path,
                   patience: float = WAY_LIMIT) -> list[Address]:
    """Return the local seeds that do not listen already. CommandError if another program has the
    port of one, or if this machine has none and no other answers for `patience` seconds."""
    def found() -> list[Address] | None:
        local = local_among(seeds)
        return local if local or _answers_any(seeds) else None

    local = awaited(found, patience, "no seed of the config answers",
                    "no seed of the config is an address of this machine, and none elsewhere "
                    "answers")
    running = _running(local, config)
    return [seed for seed in local if seed not in running]


def _answers_any(seeds: list[Target]) -> bool:
    first = [found[0] for found in led_to(seeds, SLOW).values()]
    with ThreadPoolExecutor(len(seeds)) as pool:
        return any(asked.took is not None for asked in pool.map(ask_seed, first))


def _running(seeds: list[Address], config: pathlib.Path) -> list[Address]:
    """Return the seeds that listen already; CommandError if another program has a port."""
    running = [seed for seed in seeds if _is_taken(seed)]
    for seed in running:
        if ask_seed(seed, PATIENCE).took is None:
            raise CommandError(f"another program has port {seed.port}: change {config.name}",
                               FAILED)
    return running


def _is_taken(address: Address) -> bool:
    """Return whether another program listens there; CommandError if nobody can."""
    try:
        check_free(address)
    except PortTaken:
        return True
    return False
