"""The program `peer.py -c FILE.ini`: a gossip module."""

import functools

from grapevine.terminal.command_line import (
    OUTPUTS, Parser, add_settings, load, seconds, settings_of)
from grapevine.terminal.screen import Screen
from grapevine.terminal.starting import (
    block_signals, end_with_pipe, open_door, open_output, prepare_descriptors, wait_for_end)
from grapevine.voidphone.ini import parse_ini
from grapevine.voidphone.module import GossipModule
from grapevine.worlds.threads import ThreadWorld


def module_main(arguments: list[str] | None) -> int:
    args = parse_arguments(arguments)
    prepare_descriptors()
    config = load(args.c, parse_ini)
    block_signals()
    doors = [open_door(config.p2p_address), open_door(config.api_address)]
    world = ThreadWorld(config.p2p_address, doors)
    screen = Screen()
    output = open_output(args.outputs, "module", config.p2p_address,
                         None if args.quiet else screen.show)
    module = GossipModule(config, settings_of(args), output, world, args.v, args.s)
    world.begin(module)
    if args.end_with_input:
        end_with_pipe(0, world, functools.partial(module.stop, "quit"))
    return wait_for_end([world], screen)


def parse_arguments(arguments: list[str] | None):
    some_seconds = seconds(0.01)
    parser = Parser(prog="peer.py", description="The gossip module of the VoidPhone project.")
    parser.add_argument("-c", required=True, metavar="FILE",
                        help="its configuration, section [gossip]")
    parser.add_argument("-v", type=some_seconds, default=5.0, metavar="SECONDS",
                        help="how long a message waits for its validation (%(default)g)")
    parser.add_argument("-s", type=some_seconds, default=60.0, metavar="SECONDS",
                        help="how long a message is remembered (%(default)g)")
    add_settings(parser, ("liveness_interval",))
    parser.add_argument("--outputs", metavar="DIR", default=OUTPUTS,
                        help="where output files go (outputs)")
    parser.switch("--quiet", "show no events on the terminal")
    parser.switch("--end-with-input", "end with standard input (for programs that start modules)")
    return parser.parse_args(arguments)
