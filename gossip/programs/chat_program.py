"""The program peer.py --chat: from its command line to a running chat server, and its end."""

import errno
import pathlib

from gossip.addresses import address_of
from gossip.chat.doorstep import HOST, UDP_BASE, Doors, open_doors
from gossip.chat.server import CHAT, ChatServer
from gossip.net.live_world import LiveWorld
from gossip.programs.starting import add_output_flags, run_node
from gossip.terminal.command_line import (
    FAILED, CommandError, Parser, add_settings, load, parse_port, run_command, seconds,
    whole_number)


def chat_main(doors: Doors | None) -> int:
    """Run a chat server; `doors` are its sockets if they are open already, else None."""
    return run_command("peer.py", _chat_command, doors)


def _chat_command(doors: Doors | None) -> None:
    args = _parse()
    key = None if args.chat_key is None else load(args.chat_key, _secret)
    udp_port = args.udp_base + args.own_id
    settings = CHAT._replace(**{name: getattr(args, name) for name in (
        "antientropy_interval", "cache_size", "rumor_stop", "file_limit")})

    def make(output):
        opened = doors or _open_doors(udp_port, args.port)
        return ChatServer(args.own_id, args.count, opened, settings, output, LiveWorld, key)

    if doors is not None and not doors.are(udp_port, args.port):
        doors.close()
        doors = None
    run_node("peer", address_of(HOST, udp_port), args, make, life_line=args.end_with_pipe,
             farewell=ChatServer.finish_talking)


def _parse():
    parser = Parser(prog="peer.py",
                    description="One chat server, process ID of a line of N; the proxy connects "
                                "to TCP port PORT.")
    parser.add_argument("--chat", nargs=3, metavar=("ID", "N", "PORT"), required=True)
    parser.add_argument("--udp-base", type=parse_port, default=UDP_BASE, metavar="PORT",
                        help=f"process ID gossips on UDP port PORT + ID ({UDP_BASE})")
    parser.add_argument("--chat-key", type=pathlib.Path, metavar="FILE",
                        help="a secret that all of the line share: datagrams are signed with it")
    parser.add_argument("--antientropy-interval", metavar="SECONDS", type=seconds(0),
                        default=CHAT.antientropy_interval,
                        help="between two comparisons with the neighbours; 0: never (%(default)g)")
    parser.add_argument("--cache-size", type=whole_number(0), default=CHAT.cache_size,
                        metavar="N", help="messages kept (%(default)s)")
    add_settings(parser, "rumor_stop", usual=CHAT)
    add_output_flags(parser)
    parser.add_argument("--end-with-pipe", type=whole_number(0), metavar="FD",
                        help="end with this descriptor (for programs that start chat servers)")
    args = parser.parse_args()
    own_id, count, port = args.chat
    if not (own_id.isdecimal() and count.isdecimal() and int(own_id) < int(count)):
        parser.error(f"--chat {own_id} {count}: ID is from 0 to N-1")
    try:
        args.own_id, args.count, args.port = int(own_id), int(count), parse_port(port)
    except ValueError as error:
        parser.error(str(error))
    if args.udp_base + args.count > 65536:
        parser.error(f"--udp-base {args.udp_base} leaves no UDP port for each of {count} servers")
    return args


def _secret(path: pathlib.Path) -> bytes:
    """Return the content of a file without white space around it; CommandError if it is empty."""
    key = path.read_bytes().strip()
    if not key:
        raise CommandError(f"{path} is empty; write a secret into it")
    return key


def _open_doors(udp_port: int, tcp_port: int) -> Doors:
    try:
        return open_doors(udp_port, tcp_port)
    except OSError as error:
        why = " is in use" if error.errno == errno.EADDRINUSE else f": {error.strerror}"
        raise CommandError(f"cannot listen: port {error.filename}{why}", FAILED) from None
