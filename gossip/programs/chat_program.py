"""The program peer.py --chat: from its command line to a running chat server, and its end."""

import argparse
import errno
import os
import pathlib
import threading

from gossip.addresses import address_of
from gossip.chat.doorstep import HOST, UDP_BASE, Doors, open_doors
from gossip.chat.server import CHAT, ChatServer
from gossip.net.live_world import LiveWorld
from gossip.programs.starting import open_output, start_node
from gossip.terminal.command_line import (
    FAILED, USAGE, CommandError, Parser, add_file_limit, add_outputs, number, parse_port,
    probability, run_command)
from gossip.terminal.screen import Screen
from gossip.terminal.signals import End


def chat_main(doors: Doors | None) -> int:
    """Run a chat server; `doors` are its sockets if they are open already, else None."""
    return run_command("peer.py", _chat_command, doors)


def _chat_command(doors: Doors | None) -> None:
    args = _parse()
    key = read_key(args.chat_key) if args.chat_key is not None else None
    end = End()
    screen = None if args.quiet else Screen()
    output = open_output(args.outputs, "peer", address_of(HOST, args.udp_base + args.own_id),
                         args.file_limit, screen)
    settings = CHAT._replace(antientropy_interval=args.antientropy_interval,
                             cache_size=args.cache_size, rumor_stop=args.rumor_stop,
                             file_limit=args.file_limit)
    if doors is not None and not doors.are(args.udp_base + args.own_id, args.port):
        doors.close()
        doors = None
    server = ChatServer(args.own_id, args.count, doors or _open_doors(args), settings, output,
                        LiveWorld, key)
    start_node(server)
    if args.end_with_pipe is not None:
        threading.Thread(target=_await_end, name="life line", daemon=True,
                         args=(args.end_with_pipe, server, end)).start()
    end.wait(lambda: server.stopping)
    server.stop()
    if screen is not None:
        screen.close()


def _parse():
    parser = Parser(prog="peer.py",
                    description="One chat server, process ID of a line of N; the proxy connects "
                                "to TCP port PORT.")
    parser.add_argument("--chat", nargs=3, metavar=("ID", "N", "PORT"), required=True)
    parser.add_argument("--udp-base", type=parse_port, default=UDP_BASE, metavar="PORT",
                        help=f"process ID gossips on UDP port PORT + ID ({UDP_BASE})")
    parser.add_argument("--chat-key", type=pathlib.Path, metavar="FILE",
                        help="a secret that all of the line share: datagrams are signed with it")
    parser.add_argument("--antientropy-interval", metavar="SECONDS",
                        type=number(0, "a number of seconds of 0 or more"),
                        default=CHAT.antientropy_interval,
                        help="between two comparisons with the neighbours; 0: never "
                             f"({CHAT.antientropy_interval:g})")
    parser.add_argument("--cache-size", type=number(0, "a whole number of 0 or more", whole=True),
                        default=CHAT.cache_size, metavar="N",
                        help=f"messages kept ({CHAT.cache_size})")
    parser.add_argument("--rumor-stop", type=probability, default=CHAT.rumor_stop, metavar="P",
                        help="probability that a rumor is told no more after a telling that was "
                             f"of no use ({CHAT.rumor_stop:g})")
    add_outputs(parser)
    add_file_limit(parser)
    parser.add_argument("--quiet", action="store_true", help="show no events on the terminal")
    parser.add_argument("--end-with-pipe", type=int, metavar="FD",
                        help="end with this descriptor (for programs that start chat servers)")
    args = parser.parse_args()
    own_id, count, port = args.chat
    if not (own_id.isdecimal() and count.isdecimal() and int(own_id) < int(count)):
        parser.error(f"--chat {own_id} {count}: ID is from 0 to N-1")
    args.own_id, args.count, args.port = int(own_id), int(count), _port(parser, port)
    if args.udp_base + args.count > 65536:
        parser.error(f"--udp-base {args.udp_base} leaves no UDP port for each of {count} servers")
    return args


def _port(parser: Parser, text: str) -> int:
    try:
        return parse_port(text)
    except argparse.ArgumentTypeError as error:
        parser.error(str(error))


def read_key(path: pathlib.Path) -> bytes:
    """The secret in a file, without white space around it; CommandError if there is none."""
    try:
        key = path.read_bytes().strip()
    except OSError as error:
        raise CommandError(f"cannot read {path}: {error.strerror}") from None
    if not key:
        raise CommandError(f"{path} is empty; write a secret into it", USAGE)
    return key


def _open_doors(args) -> Doors:
    try:
        return open_doors(args.udp_base + args.own_id, args.port)
    except OSError as error:
        why = " is in use" if error.errno == errno.EADDRINUSE else f": {error.strerror}"
        raise CommandError(f"cannot listen: port {error.filename}{why}", FAILED) from None


def _await_end(descriptor: int, server: ChatServer, end: End) -> None:
    """Stop once the program that started the server closes its end of the pipe, or ends."""
    try:
        while os.read(descriptor, 4096):
            pass
    except OSError:
        pass  # no such pipe: the program that held it is gone
    server.finish_talking()
    server.stop("quit")
    end.come()
