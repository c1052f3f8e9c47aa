"""The program peer.py -c FILE.ini: from its command line to a running gossip module."""

import pathlib

from gossip.net.live_world import LiveWorld
from gossip.programs.starting import add_output_flags, run_node, start_node
from gossip.settings import Settings
from gossip.terminal.command_line import Parser, load, run_command, seconds
from gossip.voidphone.gossip_module import GossipModule
from gossip.voidphone.ini import read_ini


def module_main() -> int:
    return run_command("peer.py", _module_command)


def _module_command() -> None:
    args = _parse()
    config = load(args.c, read_ini)
    settings = Settings(liveness_interval=args.liveness_interval, file_limit=args.file_limit)
    run_node("module", config.p2p_address, args,
             lambda output: GossipModule(config, settings, output, LiveWorld, args.v, args.s),
             start_module, life_line=0 if args.end_with_input else None)


def _parse():
    some_seconds = seconds(0.01)
    parser = Parser(prog="peer.py", description="The gossip module of the VoidPhone project.")
    parser.add_argument("-c", required=True, type=pathlib.Path, metavar="FILE",
                        help="its configuration, section [gossip]")
    parser.add_argument("-v", type=some_seconds, default=5.0, metavar="SECONDS",
                        help="how long a message waits for its validation (5)")
    parser.add_argument("-s", type=some_seconds, default=60.0, metavar="SECONDS",
                        help="how long a message is remembered (60)")
    parser.add_argument("--liveness-interval", type=some_seconds,
                        default=Settings().liveness_interval, metavar="SECONDS",
                        help="between two PINGs (%(default)g)")
    add_output_flags(parser)
    parser.switch("--end-with-input", "end with standard input (for programs that start modules)")
    return parser.parse_args()


def start_module(module: GossipModule) -> None:
    """Start a module; CommandError names the address that is not available, and says why."""
    start_node(module, lambda: module.config.api_address[0] if module.api_address is None
               else module.address)
