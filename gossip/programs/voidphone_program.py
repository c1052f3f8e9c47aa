"""The program peer.py -c FILE.ini: from its command line to a running gossip module."""

import pathlib
import threading

from gossip.net.live_world import LiveWorld
from gossip.programs.starting import open_output
from gossip.settings import Settings
from gossip.terminal.command_line import (
    CommandError, Parser, add_file_limit, add_outputs, cannot_listen, number, run_command)
from gossip.terminal.keyboard import Keyboard
from gossip.terminal.screen import Screen
from gossip.terminal.signals import End
from gossip.voidphone.gossip_module import GossipModule
from gossip.voidphone.ini import Config, ConfigError, read_ini


def module_main() -> int:
    return run_command("peer.py", _module_command)


def _module_command() -> None:
    args = _parse()
    config = load_ini(args.c)
    end = End()
    screen = None if args.quiet else Screen()
    output = open_output(args.outputs, "module", config.p2p_address, args.file_limit, screen)
    settings = Settings(liveness_interval=args.liveness_interval, file_limit=args.file_limit)
    module = GossipModule(config, settings, output, LiveWorld, args.v, args.s)
    start_module(module)
    if args.end_with_input:
        threading.Thread(target=_await_end, name="life line", daemon=True,
                         args=(module, end)).start()
    end.wait(lambda: module.stopping)
    module.stop()
    if screen is not None:
        screen.close()


def _parse():
    seconds = number(0.01, "a number of seconds of 0.01 or more")
    parser = Parser(prog="peer.py", description="The gossip module of the VoidPhone project.")
    parser.add_argument("-c", required=True, type=pathlib.Path, metavar="FILE",
                        help="its configuration, section [gossip]")
    parser.add_argument("-v", type=seconds, default=5.0, metavar="SECONDS",
                        help="how long a message waits for its validation (5)")
    parser.add_argument("-s", type=seconds, default=60.0, metavar="SECONDS",
                        help="how long a message is remembered (60)")
    parser.add_argument("--liveness-interval", type=seconds,
                        default=Settings().liveness_interval, metavar="SECONDS",
                        help=f"between two PINGs ({Settings().liveness_interval:g})")
    add_outputs(parser)
    add_file_limit(parser)
    parser.add_argument("--quiet", action="store_true", help="show no events on the terminal")
    parser.add_argument("--end-with-input", action="store_true",
                        help="end with standard input (for programs that start modules)")
    return parser.parse_args()


def load_ini(path: pathlib.Path) -> Config:
    """Read a configuration; CommandError names the key that is wrong."""
    try:
        return read_ini(path)
    except OSError as error:
        raise CommandError(f"cannot read {path}: {error.strerror}") from None
    except ConfigError as error:
        raise CommandError(f"{path}: {error}") from None


def start_module(module: GossipModule) -> None:
    """Start a module; CommandError says which address cannot be had, and why."""
    try:
        module.start()
    except OSError as error:
        module.output.finish()
        module.stop()
        address = module.config.api_address[0] if module.api_address is None else module.address
        raise cannot_listen(address, error) from None


def _await_end(module: GossipModule, end: End) -> None:
    keyboard = Keyboard()
    while keyboard.lines() is not None:
        pass
    module.stop("quit")
    end.come()
