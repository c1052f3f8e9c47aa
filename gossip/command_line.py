"""The command lines of seed.py and peer.py: flags, prompts, exit codes, signals.

Usage errors are one line and exit code 2; an address that cannot be had is one line and exit
code 1. Nothing here ends in a traceback.
"""

import argparse
import errno
import math
import os
import pathlib
import re
import signal
import socket
import threading

from gossip.addresses import Address, address_of, is_unspecified, parse_address
from gossip.console import Console
from gossip.keyboard import Keyboard
from gossip.output_file import OutputFile
from gossip.screen import Screen
from gossip.settings import Settings, read_config

ROOT = pathlib.Path(__file__).resolve().parent.parent
FAILED, USAGE = 1, 2  # exit codes


class CommandError(Exception):
    """Ends the program with one line on standard error."""

    def __init__(self, message: str, code: int = USAGE):
        super().__init__(message)
        self.code = code


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str):
        raise CommandError(f"{message} (see {self.prog} --help)")


def run_command(name: str, command, *args) -> int:
    """Run a program's body; turn what a user can cause into one line and an exit code."""
    keep_standard_descriptors()
    try:
        return command(*args) or 0
    except CommandError as error:
        complain(f"{name}: {error}")
        return error.code
    except KeyboardInterrupt:
        return 130


def complain(text: str) -> None:
    """One line on standard error, if there is one that can be written to."""
    try:
        os.write(2, f"{text}\n".encode(errors="replace"))
    except OSError:
        pass


def show(text: str) -> None:
    """Lines on standard output, if there is one that can be written to."""
    data = f"{text}\n".encode(errors="replace")
    try:
        while data:
            data = data[os.write(1, data):]
    except OSError:
        pass


def keep_standard_descriptors() -> None:
    """Fill closed descriptors 0 to 2, lest a socket become somebody's standard input."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


# Values of flags.


def number(low: float, what: str, whole: bool = False):
    """A converter for numbers of at least `low`."""
    def convert(text: str):
        try:
            value = int(text) if whole else float(text)
        except ValueError:
            value = math.nan
        if not low <= value < 1e12:
            raise argparse.ArgumentTypeError(f"{text!r} is not {what}")
        return value
    return convert


def parse_port(text: str) -> int:
    """A port number; ArgumentTypeError says what one looks like."""
    if not re.fullmatch(r"[0-9]{1,5}", text.strip()) or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port (1 to 65535)")
    return int(text)


def parse_capacity(text: str) -> int:
    match = re.fullmatch(r"fixed:([0-9]{1,4})", text)
    if not match or int(match[1]) < 2:
        raise argparse.ArgumentTypeError(f"{text!r} is not fixed:K with a K of 2 or more")
    return int(match[1])


def parse_host(text: str) -> str:
    """An IP to listen on and to announce."""
    try:
        address = address_of(text.strip("[]"), 1)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if is_unspecified(address):
        raise argparse.ArgumentTypeError(
            f"{text} is no address that others can dial; give the one they shall use")
    return address.ip


def add_common_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", metavar="FILE", type=pathlib.Path,
                        default=ROOT / "config.txt", help="the list of seeds (config.txt)")
    parser.add_argument("--outputs", metavar="DIR", type=pathlib.Path,
                        default=ROOT / "outputs", help="where output files go (outputs)")
    parser.add_argument("--quiet", action="store_true", help="show no events on the terminal")


def add_peer_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of a peer that runner.py passes on."""
    usual = Settings()
    interval = number(0.01, "a number of seconds of 0.01 or more")
    count = number(0, "a whole number of 0 or more", whole=True)
    parser.add_argument("--host", type=parse_host, default="127.0.0.1", metavar="IP",
                        help="the address to listen on and to announce (127.0.0.1)")
    for name, kind, what in (
        ("gossip-count", count, "messages that the peer generates"),
        ("gossip-interval", interval, "seconds between them"),
        ("liveness-interval", interval, "seconds between liveness rounds"),
        ("liveness-misses", number(1, "a whole number of 1 or more", whole=True),
         "unanswered rounds that mean death"),
        ("antientropy-interval", number(0, "a number of seconds of 0 or more"),
         "seconds between comparisons with a neighbour; 0: never"),
        ("cache-size", count, "messages kept for those who lack them"),
    ):
        default = getattr(usual, name.replace("-", "_"))
        parser.add_argument(f"--{name}", type=kind, default=default, metavar="N",
                            help=f"{what} ({default:g})")
    parser.add_argument("--capacity", type=parse_capacity, default=0, metavar="fixed:K",
                        help="K neighbours, instead of the power-law rule")
    parser.add_argument("--spread", choices=("flood",), default=usual.spread,
                        help="how new messages travel (flood)")


def peer_settings(args: argparse.Namespace) -> Settings:
    """The settings that peer flags ask for."""
    named = {name: getattr(args, name) for name in Settings._fields if hasattr(args, name)}
    return Settings(**named)


def peer_flags(settings: Settings) -> list[str]:
    """The command line that asks for these settings, for a peer that is started elsewhere."""
    flags = []
    for name, value in zip(Settings._fields, settings):
        if name == "capacity":
            flags += ["--capacity", f"fixed:{value}"] if value else []
        elif value != Settings._field_defaults[name]:
            flags += [f"--{name.replace('_', '-')}", str(value)]
    return flags


def load_seeds(path: pathlib.Path) -> list[Address]:
    """Read config.txt; CommandError says which line is wrong."""
    try:
        return read_config(path)
    except OSError as error:
        raise CommandError(f"cannot read {path}: {error.strerror}") from None
    except ValueError as error:
        raise CommandError(f"{path}: {error}") from None


def open_output(folder: pathlib.Path, kind: str, address: Address, screen=None) -> OutputFile:
    """Open a node's output file, in a folder that is made if need be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return OutputFile(folder / f"{kind}_{address.file_part}.txt", screen)
    except OSError as error:
        raise CommandError(f"cannot write into {folder}: {error.strerror}", FAILED) from None


def start_node(node) -> None:
    """Start a node; CommandError says which address cannot be had, and why."""
    try:
        node.start()
    except OSError as error:
        node.output.close()
        node.flusher.close()
        if error.errno == errno.EADDRINUSE:
            why = f"port {node.address.port} is in use"
        elif error.errno == errno.EADDRNOTAVAIL:
            why = f"{node.address.ip} is not an address of this machine"
        else:
            why = error.strerror or str(error)
        raise CommandError(f"cannot listen on {node.address}: {why}", FAILED) from None


def is_local(address: Address) -> bool:
    """Whether this machine can listen on that IP."""
    family = socket.AF_INET6 if ":" in address.ip else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as sock:
            sock.bind((address.ip, 0))
    except OSError:
        return False
    return True


# Signals.


def mind_signals() -> None:
    """SIGTERM and a closed terminal end a node like Ctrl-C; a terminal in the background may
    be written to and read from without being stopped for it."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.default_int_handler)
    for name in ("SIGTTIN", "SIGTTOU"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)


def ignore_signals() -> None:
    """The end has begun: a second Ctrl-C does not disturb it."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)


class End:
    """What the main thread of a program waits for: a signal, or a word from another thread.

    A signal may reach any thread of the process; only what it writes into a pipe wakes the
    main thread for certain.
    """

    def __init__(self):
        mind_signals()
        self._receiver, self._sender = socket.socketpair()
        self._sender.setblocking(False)
        signal.set_wakeup_fd(self._sender.fileno(), warn_on_full_buffer=False)

    def come(self) -> None:
        """Say that it is time; called by the thread that ended the node."""
        self._sender.send(b"!")

    def wait(self, ended=lambda: False) -> None:
        """Wait for a signal, or until `ended()` holds after a word."""
        try:
            while not ended():
                self._receiver.recv(1)
        except KeyboardInterrupt:
            pass
        ignore_signals()


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
        address = parse_address(args.address)
    except ValueError as error:
        raise CommandError(str(error)) from None
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
    parser = Parser(prog="peer.py", description="One gossiping peer. Type help while it runs.")
    parser.add_argument("port", nargs="?", type=parse_port, metavar="PORT",
                        help="the port to listen on (asked for when missing)")
    add_common_flags(parser)
    add_peer_flags(parser)
    parser.add_argument("--end-with-input", action="store_true",
                        help="end with standard input (for programs that start peers)")
    args = parser.parse_args()
    seeds = load_seeds(args.config)
    keyboard = Keyboard()
    port = args.port or ask_for_port(keyboard)
    end = End()
    screen = Screen()
    address = address_of(args.host, port)
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


def ask_for_port(keyboard: Keyboard) -> int:
    """Ask until a port is typed; CommandError at the end of input."""
    while True:
        try:
            os.write(1, b"Port to listen on: ")
        except OSError:
            pass  # nobody sees the question; the answer may come all the same
        line = keyboard.line()
        if line is None:
            raise CommandError("no port was typed")
        try:
            return parse_port(line.decode(errors="replace"))
        except argparse.ArgumentTypeError as error:
            show(f"{error}. Try again, for example 5001.")
