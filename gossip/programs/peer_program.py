"""The program peer.py: from its command line to a running peer, and its end."""

import argparse
import itertools
import os
import threading

from gossip.addresses import Address, address_of
from gossip.net.live_world import LiveWorld
from gossip.programs.console import Console
from gossip.programs.starting import check_reachable, open_output, start_node
from gossip.terminal.command_line import (
    FAILED, CommandError, Parser, PortTaken, add_common_flags, add_peer_flags, check_free,
    load_seeds, parse_port, peer_settings, port_or_address, run_command, show)
from gossip.terminal.keyboard import Keyboard
from gossip.terminal.screen import Screen
from gossip.terminal.signals import End

QUIT_LIMIT = 20.0  # seconds that leaving may take; with all who do not answer it takes six


def peer_main(peer_class) -> int:
    return run_command("peer.py", _peer_command, peer_class)


def _peer_command(peer_class) -> None:
    parser = Parser(prog="peer.py", description="One gossiping peer. Type help while it runs.",
                    epilog="peer.py --chat ID N PORT runs a chat server (peer.py --chat 0 1 "
                           "10000 --help tells more); peer.py -c FILE.ini runs a gossip module.")
    parser.add_argument("port", nargs="?", type=port_or_address, metavar="PORT",
                        help="the port to listen on, or IP:PORT (asked for when missing)")
    add_common_flags(parser)
    add_peer_flags(parser)
    parser.add_argument("--end-with-input", action="store_true",
                        help="end with standard input (for programs that start peers)")
    args = parser.parse_args()
    seeds = load_seeds(args.config)
    keyboard = Keyboard()
    address = args.port or ask_for_port(keyboard)
    if not isinstance(address, Address):
        address = address_of(args.host, address)
    elif args.host not in (parser.get_default("host"), address.ip):
        parser.error(f"--host {args.host} and {address} are two addresses; give one")
    check_reachable(seeds, address)
    if address in seeds:
        raise _of_a_seed(address, seeds, args.config.name)
    check_free(address)
    end = End()
    screen = Screen()
    output = open_output(args.outputs, "peer", address, args.file_limit,
                         None if args.quiet else screen)
    peer = peer_class(address, seeds, peer_settings(args), output, LiveWorld)
    start_node(peer)
    console = Console(peer, keyboard, screen)
    threading.Thread(  # not the peer's own: nothing can wake it while it reads
        target=peer.world.threads.guard, name="console", daemon=True,
        args=("console", _run_console, (peer, console, args.end_with_input, end))).start()
    end.wait(lambda: peer.stopping)
    peer.stop()
    screen.close()


def _run_console(peer, console: Console, end_with_input: bool, end: End) -> None:
    console.read_lines()
    if peer.leaving:
        peer.world.await_end(QUIT_LIMIT)
    if peer.leaving or end_with_input:
        peer.stop()  # if it has not stopped
    if peer.stopping:
        end.come()


def _of_a_seed(address: Address, seeds: list[Address], config: str) -> CommandError:
    """The error for a peer at the address of a seed; it names a port that no seed has."""
    taken = {seed.port for seed in seeds}
    other = next(port for port in itertools.count(5001) if port not in taken)
    why = f"{address.port} is the port of a seed in {config}; take another, for example {other}"
    try:
        check_free(address)
    except PortTaken:
        return CommandError(f"port {address.port} is in use: {why}", FAILED)
    return CommandError(why)


def ask_for_port(keyboard: Keyboard) -> int:
    """Ask until a port is typed; CommandError at the end of input."""
    while True:
        try:
            os.write(1, b"Port to listen on: ")
        except OSError:
            pass  # nobody sees the question; a port may be typed all the same
        line = keyboard.line()
        if line is None:
            show("")
            raise CommandError("no port was typed")
        try:
            return parse_port(line.decode(errors="replace"))
        except argparse.ArgumentTypeError as error:
            show(f"{error}. Try again, for example 5001.")
