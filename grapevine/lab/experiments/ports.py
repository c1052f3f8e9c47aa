"""The addresses of a network: other ports where the usual ones are taken, or too few."""

import errno
import pathlib
import socket
import time
from collections.abc import Collection
from typing import NamedTuple

from grapevine.addresses import Address, Target, address_of
from grapevine.intervals import Intervals
from grapevine.lab.status import ask_seed
from grapevine.terminal.command_line import CONFIG, FAILED, CommandError, load_seeds
from grapevine.terminal.folders import OTHER_CONFIG, peer_command
from grapevine.terminal.starting import check_reachable, host_ip, is_taken, look_up_here

BASE_PORT = 5000  # of the first peer, where the command line names no other
BLOCK = 1000  # ports from the usual first peer to that of another network beside it
TURN = 4999  # a UDP port that nobody listens at: who has it chooses ports, until its seeds listen
TURN_LIMIT = 5.0  # seconds to wait for that port, because its owner may be frozen


class Ports(NamedTuple):
    """The addresses of a network, and the file that names its seeds."""

    seeds: list[Target]
    local: list[Address]  # the seeds that are to be started
    peers: list[Address]
    config: pathlib.Path
    notice: str  # which ports are taken, and which are used instead; empty when none is taken

    def write_config(self, outputs: pathlib.Path) -> None:
        """Write the file, unless it is the user's own."""
        if self.config.resolve() == (outputs / OTHER_CONFIG).resolve():
            self.config.write_text("".join(f"{seed}\n" for seed in self.seeds), encoding="utf-8")


def take_turn() -> socket.socket:
    """Wait for networks of this machine that have chosen ports, and do not listen there yet."""
    turn, until = socket.socket(type=socket.SOCK_DGRAM), time.monotonic() + TURN_LIMIT
    while True:
        try:
            turn.bind(("127.0.0.1", TURN))
        except OSError as error:
            if error.errno == errno.EADDRINUSE and time.monotonic() < until:
                time.sleep(0.05)
                continue
        return turn


def choose_ports(args) -> Ports:
    """Choose other ports where the usual ones are taken. Ports on the command line stay, and so do
    seeds that other machines know. All peers move together, because peers of another network here
    dial the ports of their dead again. CommandError if a port is taken all the same."""
    usual = load_seeds(args.config)[:args.seeds]
    usual_peers = peer_addresses(args, usual)
    seeds, peers, config = usual, usual_peers, pathlib.Path(args.config)
    if args.config == CONFIG and all(isinstance(seed, Address) and seed.is_loopback
                                     for seed in seeds):
        seeds = free_block(seeds, peers)
    if args.base_port == BASE_PORT:
        peers = free_block(peers, seeds, seeds[0].port - usual[0].port)
    for peer in peers:
        if peer in seeds:
            raise CommandError(f"port {peer.port} is a seed's; choose another --base-port")
        if is_taken(peer):
            raise CommandError(f"port {peer.port} is in use", FAILED)
    if seeds != load_seeds(args.config):
        config = args.outputs / OTHER_CONFIG
    notice = ""
    if moved := [(old.port, new.port)
                 for old, new in zip([*usual, *usual_peers], [*seeds, *peers]) if old != new]:
        left, instead = map(_ranges, zip(*moved))
        notice = f"ports taken, all or in part: {left}; used instead: {instead}"
        if seeds != usual:
            notice += f"\nanother peer joins with: {peer_command(config, args.outputs)}"
    return Ports(seeds, seeds_to_start(seeds, config), peers, config, notice)


def peer_addresses(args, seeds: list[Target]) -> list[Address]:
    if args.base_port + args.peers > 65_536:
        raise CommandError(f"{args.peers} peers from port {args.base_port} on pass port 65535")
    ip = host_ip(args.host, seeds)
    check_reachable(seeds, address_of(ip, args.base_port))
    return [address_of(ip, args.base_port + number) for number in range(args.peers)]


def seeds_to_start(seeds: list[Target], config: pathlib.Path) -> list[Address]:
    """Return the seeds of this machine that do not run already. CommandError if another program
    has the port of one."""
    here = list(dict.fromkeys(filter(None, map(look_up_here, seeds))))
    running = list(filter(is_taken, here))
    for seed in running:
        if ask_seed(seed).took is None:
            raise CommandError(f"another program has port {seed.port}: change {config.name}",
                               FAILED)
    return [seed for seed in here if seed not in running]


def next_free(ip: str, after: int, avoid: Collection[Target]) -> Address:
    """Return the first address with a port above `after` at which a node can listen."""
    for address in (address_of(ip, port) for port in range(after + 1, 65_536)):
        if address not in avoid and not is_taken(address):
            return address
    raise CommandError(f"no port above {after} is free", FAILED)


def free_block(addresses: list[Address], avoid: list[Target], least: int = 0) -> list[Address]:
    """Return the addresses, or those whole blocks of ports higher, where all are free."""
    for step in range(least, 65_536 - max(address.port for address in addresses), BLOCK):
        block = [address_of(address.ip, address.port + step) for address in addresses]
        if not any(map(is_taken, block)) and not {*block} & {*avoid}:
            return block
    raise CommandError(f"no {len(addresses)} ports in a row are free; name one: --base-port",
                       FAILED)


def _ranges(ports: Collection[int]) -> str:
    """Return ports in order, with `FIRST-LAST` for ports in a row."""
    return ", ".join(f"{first}-{last}" if first < last else str(first)
                     for first, last in Intervals((port, port) for port in ports).ranges())
