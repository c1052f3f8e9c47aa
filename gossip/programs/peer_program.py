"""The programs seed.py and peer.py: from their command lines to running nodes, and their end."""

import argparse
import os
import pathlib
import threading

from gossip.addresses import Address, address_of, can_be_dialled, parse_address
from gossip.node.output_file import OutputFile
from gossip.programs.console import Console
from gossip.settings import Settings
from gossip.terminal.command_line import (
    FAILED, CommandError, Parser, add_common_flags, add_peer_flags, cannot_listen, check_free,
    complain, is_local, load_seeds, parse_port, peer_settings, run_command, show)
from gossip.terminal.keyboard import Keyboard
from gossip.terminal.screen import Screen
from gossip.terminal.signals import End


def open_output(folder: pathlib.Path, kind: str, address: Address, screen=None) -> OutputFile:
    """Open a node's output file, in a folder that is made if need be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return OutputFile(folder / f"{kind}_{address.file_part}.txt", screen)
    except OSError as error:
        raise CommandError(f"cannot write into {folder}: {error.strerror}", FAILED) from None


def start_node(node) -> None:
    """Start a node; CommandError says which address cannot be had, and why."""
    prepare_node(node)
    node.go()


def prepare_node(node) -> None:
    """Start a node but for its `go`; CommandError says which address cannot be had, and why."""
    try:
        node.prepare()
    except OSError as error:
        node.output.finish()
        node.stop()
        raise cannot_listen(node.address, error) from None


# seed.py


def seed_main(seed_class) -> int:
    return run_command("seed.py", _seed_command, seed_class)


def _seed_command(seed_class) -> None:
    parser = Parser(prog="seed.py", description="One seed, or all local ones of config.txt.")
    parser.add_argument("address", nargs="?", metavar="IP:PORT", help="the seed to run")
    add_common_flags(parser)
    args = parser.parse_args()
    seeds = load_seeds(args.config)
    if args.address is None:
        run_seeds(seed_class, local_seeds(seeds), seeds, args)
        return
    try:
        address = parse_address(args.address.replace(",", ":"))
    except ValueError as error:
        raise CommandError(str(error)) from None
    if not can_be_dialled(address):
        raise CommandError(f"{address} is no address that others can dial")
    if address not in seeds:
        complain(f"seed.py: {address} is not in {args.config.name}: peers will not find it")
    run_seeds(seed_class, [address], seeds, args)


def local_seeds(seeds: list[Address]) -> list[Address]:
    local = [seed for seed in seeds if is_local(seed)]
    if not local:
        raise CommandError("no seed of the config is an address of this machine", FAILED)
    return local


def start_seeds(seed_class, addresses, seeds, outputs: pathlib.Path, screen=None) -> list:
    """Start seeds in this process; all or none."""
    started = []
    try:
        for address in addresses:
            check_free(address)
            shown = screen.labelled(f"seed {address.port}") if screen is not None else None
            seed = seed_class(address, seeds, Settings(),
                              open_output(outputs, "seed", address, shown))
            start_node(seed)
            started.append(seed)
    except CommandError:
        for seed in started:
            seed.stop()
        raise
    return started


def run_seeds(seed_class, addresses, seeds, args) -> None:
    """Run seeds until a signal comes."""
    end = End()
    screen = None if args.quiet else Screen()
    running = start_seeds(seed_class, addresses, seeds, args.outputs, screen)
    end.wait()
    for seed in running:
        seed.stop()
    if screen is not None:
        screen.close()


# peer.py


def peer_main(peer_class) -> int:
    return run_command("peer.py", _peer_command, peer_class)


def _peer_command(peer_class) -> None:
    parser = Parser(prog="peer.py", description="One gossiping peer. Type help while it runs.",
                    epilog="peer.py --chat ID N PORT runs a chat server (peer.py --chat 0 1 "
                           "10000 --help tells more); peer.py -c FILE.ini runs a gossip module.")
    parser.add_argument("port", nargs="?", type=parse_port, metavar="PORT",
                        help="the port to listen on (asked for when missing)")
    add_common_flags(parser)
    add_peer_flags(parser)
    parser.add_argument("--end-with-input", action="store_true",
                        help="end with standard input (for programs that start peers)")
    args = parser.parse_args()
    seeds = load_seeds(args.config)
    keyboard = Keyboard()
    address = address_of(args.host, args.port or ask_for_port(keyboard))
    check_reachable(seeds, address)
    check_free(address)
    end = End()
    screen = Screen()
    peer = peer_class(address, seeds, peer_settings(args),
                      open_output(args.outputs, "peer", address, None if args.quiet else screen))
    start_node(peer)
    console = Console(peer, keyboard, screen)
    threading.Thread(  # not the peer's own: nothing can wake it from its reading
        target=peer.run_guarded, name="console", daemon=True,
        args=("console", _run_console, (peer, console, args.end_with_input, end))).start()
    end.wait(peer.stopping.is_set)
    peer.stop()
    screen.close()


def _run_console(peer, console: Console, end_with_input: bool, end: End) -> None:
    console.run()
    if end_with_input:
        peer.stop()
    if peer.stopping.is_set():
        end.come()


def check_reachable(seeds: list[Address], own: Address) -> None:
    """CommandError when no seed can be dialled from this kind of address."""
    if all(seed.family != own.family for seed in seeds):
        raise CommandError(f"no seed of the config has an address like {own.host}; "
                           f"give an IPv{4 if ':' in own.ip else 6} address with --host")


def ask_for_port(keyboard: Keyboard) -> int:
    """Ask until a port is typed; CommandError at the end of input."""
    while True:
        try:
            os.write(1, b"Port to listen on: ")
        except OSError:
            pass  # nobody sees the question; the answer may come all the same
        line = keyboard.line()
        if line is None:
            show("")
            raise CommandError("no port was typed")
        try:
            return parse_port(line.decode(errors="replace"))
        except argparse.ArgumentTypeError as error:
            show(f"{error}. Try again, for example 5001.")
