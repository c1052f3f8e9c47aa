"""The programs peer.py, seed.py and runner.py without a command: from a command line to nodes."""

import contextlib
import functools
import os
import sys
import threading

from grapevine.addresses import Address, Name, Target, address_of
from grapevine.classes import peer_class, seed_class
from grapevine.terminal.command_line import (
    FAILED, STANDARD_OUTPUT, CommandError, Parser, complain, find, load_seeds, parse_port,
    peer_parser, run_command, seed_parser, settings_of, show, typed_target)
from grapevine.terminal.console import Console
from grapevine.terminal.screen import Screen
from grapevine.terminal.starting import (
    block_signals, check_reachable, host_and_port, host_ip, is_taken, look_up_here, open_door,
    open_output, output_path, prepare_descriptors, seed_addresses, wait_for_end)
from grapevine.typed import Keyboard
from grapevine.worlds.threads import ThreadWorld

FIRST_PORTS = range(5001, 5100)  # of these, the first that is free is offered
OTHERS = {  # a flag of peer.py -> module and function of what it starts instead
    "--chat": "grapevine.chat.program:chat_main",
    "-c": "grapevine.voidphone.program:module_main",
}


class PortTaken(CommandError):
    """The error that another program listens at an address, or will."""


def peer_main(arguments: list[str] | None = None) -> int:
    for word in sys.argv[1:] if arguments is None else arguments:
        if place := OTHERS.get(word.partition("=")[0]) or OTHERS.get(word[:2]):
            return run_command("peer.py", find(place), arguments)
    return run_command("peer.py", run_peer, arguments)


def seed_main(arguments: list[str] | None = None) -> int:
    return run_command("seed.py", run_seeds, arguments)


# A peer.

def run_peer(arguments: list[str] | None) -> int:
    """Run a peer until its end."""
    prepare_descriptors()
    parser = peer_parser()
    args = parser.parse_args(arguments)
    if args.json:
        parser.set_defaults(gossip_count=0)  # where the command line does not name it
        args = parser.parse_args(arguments)
    target, is_log = typed_target(parser, args), args.outputs == STANDARD_OUTPUT
    if args.json and target is None:
        parser.error("--json needs a PORT")
    if is_log and (args.json or target is None):
        parser.error("--outputs - needs a PORT, and goes without --json")
    seeds, keyboard = load_seeds(args.config), Keyboard()
    talks = (os.name == "posix" and os.isatty(0) and os.isatty(1)
             and not (args.raw or args.quiet or args.json or is_log))
    address = peer_address(parser, args, target, seeds, keyboard, talks)
    own = address if args.listen is None else address_of(args.listen, address.port)
    settings = settings_of(args)
    kind = peer_class(settings)
    block_signals()
    world = ThreadWorld(own, [open_door(own)])
    screen, console_of = front_of(args, address, seeds, keyboard, talks)
    output = open_output(args.outputs, "peer", address, None if args.quiet else screen.show)
    screen.on_failure = functools.partial(write_failure, world, output)
    peer = kind(address, settings, output, world, seeds)
    console = console_of(peer, world, screen)
    world.begin(peer)
    threading.Thread(target=world.live, args=(run_console, console, world, args.end_with_input),
                     name="console", daemon=True).start()
    return wait_for_end([world], screen, console.quit if args.leave else None, console.take_leave)


def front_of(args, address: Address, seeds: list[Target], keyboard: Keyboard, talks: bool):
    """Return a peer's screen, and what makes its console: for a program, a person, or a pipe. Only
    what is used is imported."""
    if args.json:
        from grapevine.terminal.json_console import JsonConsole, JsonScreen
        return JsonScreen(seeds), functools.partial(JsonConsole, keyboard=keyboard)
    if talks:
        from grapevine.terminal.talk import Talk, prompt_screen
        return (prompt_screen(address, args.liveness_misses, seeds),
                functools.partial(Talk, path=output_path(args.outputs, "peer", address)))
    screen = Screen(2 if args.outputs == STANDARD_OUTPUT else 1)
    return screen, functools.partial(Console, keyboard=keyboard)


def run_console(console: Console, world: ThreadWorld, ends_with_input: bool) -> None:
    console.read()
    if ends_with_input and not world.node.is_leaving:
        world.end("interrupted", 0.0)


def write_failure(world: ThreadWorld, output, event: str) -> None:
    """Write an error of the screen's thread into the output file."""
    with world.lock:
        output.failed(event)


def peer_address(parser: Parser, args, target: int | Target | None, seeds: list[Target],
                 keyboard: Keyboard, talks: bool) -> Address:
    """Return the address to announce, asking for a port if none was given. CommandError if it is
    of no use."""
    config = os.path.basename(args.config)
    host, port = host_and_port(target)
    if host is not None and args.host not in (None, host):
        parser.error(f"--host {args.host} and {target} are two addresses; give one")
    host = host or args.host
    if args.listen is not None and host is None:
        parser.error("--listen needs --host, the IP that others dial")
    ip = host_ip(host, seeds)

    def check(port: int) -> None:
        check_no_seed(address_of(ip, port), seeds, config)
        if is_taken(address_of(args.listen or ip, port)):
            raise PortTaken(f"port {port} is in use")

    address = address_of(ip, port or ask_port(keyboard, check if talks else None))
    check_no_seed(address, seeds, config)
    check_reachable(seeds, address)
    if args.listen is not None and address_of(args.listen, 1).family != address.family:
        parser.error(f"--listen {args.listen} and {address} are an IPv4 and an IPv6 address")
    return address


def check_no_seed(address: Address, seeds: list[Target], config: str) -> None:
    """Raise PortTaken if an address is that of a seed."""
    if address not in [look_up_here(seed) or seed for seed in seeds if seed.port == address.port]:
        return
    other = min({*range(5001, 5002 + len(seeds))} - {seed.port for seed in seeds})
    why = f"{address.port} is the port of a seed in {config}; take another, for example {other}"
    if is_taken(address):
        raise PortTaken(f"port {address.port} is in use: {why}", FAILED)
    raise PortTaken(why)


def ask_port(keyboard: Keyboard, check=None) -> int:
    """Ask until a port is typed. If `check(port)` is given, which raises CommandError for one that
    is of no use, ask until it accepts one, and offer the first that it does. CommandError if input
    ends."""
    while True:
        offered = check and first_free(check)
        show(f"Port to listen on{f' (Enter for {offered})' if offered else ''}: ", end="")
        line = keyboard.line()
        if line is None:
            show("")
            raise CommandError("no port was typed")
        try:
            takes_offer = offered and not line.strip()
            port = offered if takes_offer else parse_port(line.decode(errors="replace"))
            if check is not None:
                check(port)  # also the one that was offered, which may be taken meanwhile
            return port
        except ValueError as error:
            show(f"{error}. Try again, for example {offered or FIRST_PORTS[0]}.")
        except CommandError as error:
            show(f"{error}. Try again.")


def first_free(check) -> int | None:
    """Return the first of the usual ports that `check` accepts."""
    for port in FIRST_PORTS:
        with contextlib.suppress(PortTaken):
            check(port)
            return port


# Seeds.

def run_seeds(arguments: list[str] | None) -> int:
    """Run the seed of a command line, or all that are here."""
    parser = seed_parser()
    args = parser.parse_args(arguments)
    target, seeds = typed_target(parser, args), load_seeds(args.config)
    addresses, is_log = seed_addresses(target, seeds), args.outputs == STANDARD_OUTPUT
    if is_log and len(addresses) > 1:
        raise CommandError(f"--outputs - is for a single seed, not for {len(addresses)}: give its "
                           "PORT")
    known = known_seeds(seeds, args.monitor)
    prepare_descriptors()
    block_signals()
    screen = Screen(2 if is_log else 1)
    worlds = begin_seeds(addresses, known, args, None if args.quiet or is_log else screen)
    return wait_for_end(worlds, screen)


def known_seeds(seeds: list[Target], monitor: bool) -> list[Target]:
    """Return the seeds of config.txt for a seed: those that are here by their addresses."""
    known = [look_up_here(seed) or seed for seed in seeds]
    far = [seed for seed in known if isinstance(seed, Name)]
    if monitor and far:
        raise CommandError("with --monitor config.txt has to give the IP of every other seed, also "
                           f"that of {far[0]}")
    return known


def begin_seeds(addresses: list[Address], known: list[Target], args, screen: Screen | None
                ) -> list[ThreadWorld]:
    """Start seeds, which show their events."""
    worlds, settings = [], settings_of(args)
    for address in addresses:
        if address not in known:
            complain(f"seed.py: {address} is not in {os.path.basename(args.config)}: peers will "
                     "not find it")
        world = ThreadWorld(address, [open_door(address)])
        output = open_output(args.outputs, "seed", address,
                             screen and functools.partial(screen.show, seed=address))
        world.begin(seed_class(settings)(address, settings, output, world, known))
        worlds.append(world)
    return worlds
