"""The programs peer.py and seed.py: from a command line to running nodes, and to their end.

The main thread only waits for the end, so that a signal never interrupts a thread that has a lock.
"""

import importlib
import os
import signal
import socket
import sys
import threading

try:
    import resource
except ImportError:  # Windows
    resource = None

from grapevine.addresses import Address, Target, address_of, look_up
from grapevine.classes import peer_class, seed_class
from grapevine.output import Output
from grapevine.terminal.command_line import (
    FAILED, INTERRUPTED, CommandError, cannot_listen, load_seeds, parse_port, peer_parser,
    run_command, seed_parser, settings_of, typed_target, write_all)
from grapevine.terminal.console import Console
from grapevine.terminal.screen import Screen
from grapevine.worlds.threads import ThreadWorld

ASKED = "Port to listen on: "
SIGNALS = (signal.SIGINT, signal.SIGTERM)
CAN_MASK = hasattr(signal, "pthread_sigmask")  # else another thread may take a signal:
LOOK = None if CAN_MASK else 0.5  # seconds after which the main thread looks for it
OPEN_MAX = 10_240  # open files that macOS grants, though it says that there is no limit


OTHERS = {  # a flag of peer.py -> module and function of the system that it starts instead
    "--chat": "grapevine.chat.program:chat_main",
}


def peer_main(arguments: list[str] | None = None) -> int:
    for word in sys.argv[1:] if arguments is None else arguments:
        if place := OTHERS.get(word.partition("=")[0]):
            module, _, function = place.partition(":")
            command = getattr(importlib.import_module(module), function)
            return run_command("peer.py", command, arguments)
    return run_command("peer.py", run_peer, arguments)


def seed_main(arguments: list[str] | None = None) -> int:
    return run_command("seed.py", run_seeds, arguments)


def run_peer(arguments: list[str] | None) -> int:
    prepare_descriptors()
    parser = peer_parser()
    args = parser.parse_args(arguments)
    target, seeds = typed_target(parser, args), load_seeds(args.config)
    if target is None or isinstance(target, int):
        ip = args.host or own_ip(seeds)
        address = address_of(ip, target or ask_port())
    else:
        address = local_address(target)
    own = address if args.listen is None else address_of(args.listen, address.port)
    settings = settings_of(args)
    kind = peer_class(settings)
    block_signals()
    screen = Screen()
    world = open_world(own)
    show = None if args.quiet else screen.show
    output = open_output(args.outputs, "peer", address, show)
    peer = kind(address, settings, output, world, seeds)
    world.begin(peer)
    console = Console(peer, world, screen)
    threading.Thread(target=world.live, args=(console.read,), name="console",
                     daemon=True).start()
    return wait_for_end([world], screen)


def run_seeds(arguments: list[str] | None) -> int:
    prepare_descriptors()
    parser = seed_parser()
    args = parser.parse_args(arguments)
    target, seeds = typed_target(parser, args), load_seeds(args.config)
    addresses, here = seed_addresses(target, seeds), {seed: look_up_here(seed) for seed in seeds}
    block_signals()
    screen = Screen()
    worlds = [begin_seed(address, here, args, screen, target is None)
              for address in addresses]
    return wait_for_end(worlds, screen)


def begin_seed(address: Address, here: dict[Target, Address | None], args, screen: Screen,
               is_one_of_many: bool) -> ThreadWorld:
    """Start a seed; `here` has all seeds, with their addresses if they are on this machine."""
    world = open_world(address)
    head = f"[seed {address.port}] " if is_one_of_many else ""

    def show(line: str) -> None:
        screen.show(f"{line[:13]}{head}{line[13:]}")

    output = open_output(args.outputs, "seed", address, None if args.quiet else show)
    seeds = [address if at == address else seed for seed, at in here.items()]
    settings = settings_of(args)
    world.begin(seed_class(settings)(address, settings, output, world, seeds))
    return world


# Addresses.

def own_ip(seeds: list[Target]) -> str:
    """Return the IP of this machine on the way to the seeds."""
    for seed in seeds:
        try:
            away = look_up(seed, address_of("127.0.0.1", 1))
            with socket.socket(away.family, socket.SOCK_DGRAM) as sock:
                sock.connect((away.ip, away.port))  # sends nothing, but asks the table of routes
                return address_of(sock.getsockname()[0].partition("%")[0], 1).ip
        except OSError:
            continue
    raise CommandError("no way to any seed of the config: is there a network? Or give --host",
                       FAILED)


def look_up_here(target: Target) -> Address | None:
    """Return the address of this machine to which a target leads; None if it leads elsewhere."""
    try:
        address = look_up(target, address_of("127.0.0.1", 1))
        with socket.socket(address.family) as sock:
            sock.bind((address.ip, 0))
    except OSError:
        return None
    return address


def local_address(target: Target) -> Address:
    address = look_up_here(target)
    if address is None:
        raise CommandError(f"{target.ip if isinstance(target, Address) else target.host} is not an "
                           "address of this machine", FAILED)
    return address


def seed_addresses(target: int | Target | None, seeds: list[Target]) -> list[Address]:
    """Return where to listen: at the typed seed, or at all of config.txt that are here."""
    if isinstance(target, int):
        named = [seed for seed in seeds if seed.port == target and look_up_here(seed)]
        return [look_up_here(named[0])] if named else [address_of(own_ip(seeds), target)]
    if target is not None:
        return [local_address(target)]
    found = list(dict.fromkeys(filter(None, map(look_up_here, seeds))))
    if not found:
        raise CommandError("no seed of the config is an address of this machine", FAILED)
    return found


def ask_port() -> int:
    """Ask for a port until a good one is typed."""
    while True:
        write_all(1, ASKED.encode())
        line = read_line()
        if line is None:
            raise CommandError("no port was typed")
        try:
            return parse_port(line)
        except ValueError as error:
            write_all(1, f"{error}\n".encode())


def read_line() -> str | None:
    """Read a line of input, and nothing behind it; None at the end."""
    line = b""
    try:
        while byte := os.read(0, 1):
            if byte == b"\n":
                return line.decode(errors="replace")
            line += byte
    except OSError:
        pass  # there is no input
    return None


# What a process needs.

def prepare_descriptors() -> None:
    """Open descriptors 0 to 2, so that no socket gets them; allow as many as possible."""
    while (spare := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(spare)
    if resource is not None:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        for most in (max(soft, min(hard, OPEN_MAX)), hard):
            try:
                resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
            except (OSError, ValueError):
                break  # the system allows less than it says


def peak_memory() -> int:
    """Return the most KiB that this process has had in memory; 0 if the system does not tell."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss if resource is not None else 0


def open_world(own: Address) -> ThreadWorld:
    try:
        return ThreadWorld(own)
    except OSError as error:
        raise cannot_listen(own, error) from None


def open_output(folder: str, kind: str, address: Address, show) -> Output:
    """Open the output file of a node, for appending. CommandError if that fails."""
    try:
        os.makedirs(folder, exist_ok=True)
        file = open(os.path.join(folder, f"{kind}_{address.file_part}.txt"), "a+b", buffering=0)
        if file.seekable() and file.seek(0, os.SEEK_END):
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.write(b"\n")  # a power failure tore the last line
        return Output(file, show)
    except OSError as error:
        raise CommandError(f"cannot write into {folder}: {error.strerror}", FAILED) from None


def block_signals() -> None:
    """Threads that begin from now on never take a signal, so that the main thread does, at once."""
    if CAN_MASK:
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)


def take_signals() -> None:
    """Have signals end this program from now on, also one that came while they were blocked."""
    for number in SIGNALS:
        signal.signal(number, interrupt)
    if CAN_MASK:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


def interrupt(number: int, frame) -> None:
    """End the program; nothing interrupts that."""
    for each in SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt


def wait_for_end(worlds: list[ThreadWorld], screen: Screen) -> int:
    """Wait until a node has stopped, or a signal comes; then end the process."""
    code = 0
    try:
        take_signals()
        look = LOOK if len(worlds) == 1 else 0.5
        while not any(world.over.is_set() for world in worlds):
            worlds[0].over.wait(look)
    except KeyboardInterrupt:
        code = INTERRUPTED
    for world in worlds:
        world.end("interrupted", 0.0)
    screen.close()
    if any(world.has_failed for world in worlds):
        code = FAILED
    os._exit(code)  # a thread may be blocked, by a terminal for example
