"""The program `peer.py --chat ID N PORT`: one chat server."""

from grapevine.addresses import address_of
from grapevine.chat.doorstep import HOST, UDP_BASE, take_doors
from grapevine.chat.server import CHAT, ChatServer
from grapevine.terminal.command_line import (
    OUTPUTS, Parser, add_settings, cannot_listen, count, load, parse_port, settings_of)
from grapevine.terminal.screen import Screen
from grapevine.terminal.starting import (
    block_signals, end_with_pipe, open_output, prepare_descriptors, wait_for_end)
from grapevine.typed import BYTE_ORDER_MARK
from grapevine.worlds.threads import ThreadWorld


def chat_main(arguments: list[str] | None) -> int:
    args = parse_arguments(arguments)
    prepare_descriptors()
    own_id, size, port = args.chat
    key = None if args.chat_key is None else load(args.chat_key, parse_key)
    address, *neighbours = [address_of(HOST, args.udp_base + each)
                            for each in (own_id, own_id - 1, own_id + 1) if 0 <= each < size]
    block_signals()
    screen = Screen()
    try:
        world = ThreadWorld(address, list(take_doors(address.port, port)))
    except OSError as error:
        raise cannot_listen(address_of(HOST, error.filename), error) from None
    output = open_output(args.outputs, "peer", address, None if args.quiet else screen.show)
    server = ChatServer(address, settings_of(args), output, world,
                        f"{own_id} of {size}:port={port}", neighbours, key)
    world.begin(server)
    if args.end_with_pipe is not None:
        end_with_pipe(args.end_with_pipe, world, server.leave)
    return wait_for_end([world], screen)


def parse_arguments(arguments: list[str] | None):
    parser = Parser(prog="peer.py", description="One chat server, process ID of a line of N; the "
                                                "proxy connects to TCP port PORT.")
    parser.add_argument("--chat", nargs=3, type=count(0), required=True,
                        metavar=("ID", "N", "PORT"))
    add_line_flags(parser)
    add_settings(parser, ("antientropy_interval", "cache_size"))
    parser.set_defaults(**CHAT._asdict())
    parser.switch("--quiet", "show no events on the terminal")
    parser.add_argument("--end-with-pipe", type=count(0), metavar="FD", help="end with this "
                        "descriptor (for programs that start chat servers)")
    args = parser.parse_args(arguments)
    own_id, size, port = args.chat
    if own_id >= size:
        parser.error(f"--chat {own_id} {size}: ID is from 0 to N-1")
    if not 0 < port < 65536:
        parser.error(f"--chat: {port} is not a port (1 to 65535)")
    if args.udp_base + size > 65536:
        parser.error(f"--udp-base {args.udp_base} leaves no UDP port for each of {size} servers")
    return args


def add_line_flags(parser: Parser) -> None:
    """Add the flags that all servers of a line share, and the console passes on."""
    parser.add_argument("--udp-base", type=parse_port, default=UDP_BASE, metavar="PORT",
                        help="process ID gossips on UDP port PORT + ID (%(default)s)")
    parser.add_argument("--chat-key", metavar="FILE",
                        help="a secret that all of the line share: datagrams are signed with it")
    parser.add_argument("--outputs", metavar="DIR", default=OUTPUTS,
                        help="where output files go (outputs)")


def parse_key(data: bytes) -> bytes:
    """Return the secret in a file. ValueError if there is none."""
    if key := data.removeprefix(BYTE_ORDER_MARK).strip():
        return key
    raise ValueError("it is empty; write a secret into it")
