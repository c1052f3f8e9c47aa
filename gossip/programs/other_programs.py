"""The programs `peer.py --chat` and `peer.py -c FILE.ini`. Each imports its system when it runs."""

import errno
import pathlib
import re
import threading

from gossip.addresses import Address, address_of
from gossip.chat.doorstep import HOST, UDP_BASE, Doors, open_doors
from gossip.net.live_world import LiveWorld
from gossip.programs.starting import open_output, start_node
from gossip.settings import Settings
from gossip.terminal.command_line import (
    FAILED, QUIET, CommandError, Parser, add_outputs, add_settings, load, parse_port, seconds)
from gossip.terminal.input import End, Keyboard
from gossip.terminal.screen import Screen


def _run(kind: str, address: Address, args, make, life_line: int | None,
         farewell=lambda node: None) -> None:
    """Run the node that `make(output)` returns until its end or a signal. If the descriptor
    `life_line` is closed by the starting program, call `farewell(node)` and end."""
    end, screen = End(), None if args.quiet else Screen()
    node = make(open_output(args.outputs, kind, address, args.file_limit, screen))
    start_node(node)

    def await_end():
        for _ in iter(Keyboard(life_line).lines, None):
            pass
        farewell(node)
        node.stop("quit")
        end.come()

    if life_line is not None:
        threading.Thread(target=await_end, name="life line", daemon=True).start()
    end.wait(lambda: node.stopping)
    node.stop()
    if screen is not None:
        screen.close()


def _add_output_flags(parser: Parser) -> None:
    add_outputs(parser)
    add_settings(parser, "file_limit")
    parser.switch("--quiet", QUIET)


def chat_command(doors: Doors | None) -> None:
    """Run a chat server, perhaps behind sockets that are open already."""
    from gossip.chat.server import CHAT, ChatServer
    args = _chat_arguments(CHAT)
    key = None if args.chat_key is None else load(args.chat_key, pathlib.Path.read_bytes).strip()
    if key == b"":
        raise CommandError(f"{args.chat_key} is empty; write a secret into it")
    udp_port = args.udp_base + args.own_id
    settings = CHAT._replace(**{name: getattr(args, name) for name in (
        "antientropy_interval", "cache_size", "rumor_stop", "file_limit")})
    if doors is not None and [sock.getsockname()[1] for sock in doors] != [udp_port, args.port]:
        for sock in doors:  # because open_early understood the command line in another way
            sock.close()
        doors = None

    def make(output):
        try:
            opened = doors or open_doors(udp_port, args.port)
        except OSError as error:
            why = " is in use" if error.errno == errno.EADDRINUSE else f": {error.strerror}"
            raise CommandError(f"cannot listen: port {error.filename}{why}", FAILED) from None
        return ChatServer(args.own_id, args.count, opened, settings, output, LiveWorld, key)

    _run("peer", address_of(HOST, udp_port), args, make, args.end_with_pipe,
         farewell=ChatServer.finish_talking)


def _chat_arguments(usual: Settings):
    parser = Parser(prog="peer.py", description="One chat server, process ID of a line of N; the "
                                                "proxy connects to TCP port PORT.")
    parser.add_argument("--chat", nargs=3, metavar=("ID", "N", "PORT"), required=True)
    parser.add_argument("--udp-base", type=parse_port, default=UDP_BASE, metavar="PORT",
                        help=f"process ID gossips on UDP port PORT + ID ({UDP_BASE})")
    parser.add_argument("--chat-key", type=pathlib.Path, metavar="FILE",
                        help="a secret that all of the line share: datagrams are signed with it")
    add_settings(parser, "antientropy_interval", "cache_size", "rumor_stop", usual=usual)
    _add_output_flags(parser)
    parser.count("--end-with-pipe", 0, None,
                 "end with this descriptor (for programs that start chat servers)", "FD")
    args = parser.parse_args()
    own_id, count, port = args.chat
    if not (all(re.fullmatch("[0-9]{1,5}", number) for number in (own_id, count))
            and int(own_id) < int(count)):
        parser.error(f"--chat {own_id} {count}: ID is from 0 to N-1")
    try:
        args.own_id, args.count, args.port = int(own_id), int(count), parse_port(port)
    except ValueError as error:
        parser.error(str(error))
    if args.udp_base + args.count > 65536:
        parser.error(f"--udp-base {args.udp_base} leaves no UDP port for each of {count} servers")
    return args


def module_command() -> None:
    from gossip.voidphone.gossip_module import GossipModule
    from gossip.voidphone.ini import read_ini
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
    _add_output_flags(parser)
    parser.switch("--end-with-input", "end with standard input (for programs that start modules)")
    args = parser.parse_args()
    config = load(args.c, read_ini)
    settings = Settings(liveness_interval=args.liveness_interval, file_limit=args.file_limit)
    _run("module", config.p2p_address, args,
         lambda output: GossipModule(config, settings, output, LiveWorld, args.v, args.s),
         0 if args.end_with_input else None)
