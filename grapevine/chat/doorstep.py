"""The two sockets of a chat server, opened before slow imports.

The program that starts a server dials it at once. So peer.py comes here first, and this file
imports little.
"""

import contextlib
import errno
import socket
import time

HOST = "127.0.0.1"
UDP_BASE = 20_000  # process ID gossips on this port + ID
PORT_TIMEOUT = 1.0  # seconds of retries for a port that an earlier server may still hold
PAUSE = 0.01  # seconds between two attempts
RECEIVE_BUFFER = 4 << 20  # bytes of datagrams that may wait, if the system allows it
SEND_BUFFER = 65_536  # bytes; macOS sends no datagram that is longer than this
BACKLOG = 128  # connections that may wait to be accepted

Doors = tuple[socket.socket, socket.socket]  # UDP for the neighbours, TCP for the proxies

early: dict[tuple[int, int], Doors] = {}  # UDP port, TCP port -> what is open there


def open_doors(udp_port: int, tcp_port: int, patience: float = PORT_TIMEOUT) -> Doors:
    """Bind both sockets. OSError has the port as its `filename`."""
    deadline = time.monotonic() + patience
    while True:
        udp, port = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), udp_port
        try:
            for option, least in ((socket.SO_RCVBUF, RECEIVE_BUFFER),
                                  (socket.SO_SNDBUF, SEND_BUFFER)):
                if udp.getsockopt(socket.SOL_SOCKET, option) < least:
                    with contextlib.suppress(OSError):  # the system allows less
                        udp.setsockopt(socket.SOL_SOCKET, option, least)
            udp.bind((HOST, port))
            port = tcp_port  # last, so that a proxy finds a whole server
            return udp, socket.create_server((HOST, port), backlog=BACKLOG)
        except OSError as error:
            udp.close()
            if error.errno != errno.EADDRINUSE or time.monotonic() > deadline:
                error.filename = port
                raise
            time.sleep(PAUSE)


def open_early(arguments: list[str]) -> None:
    """Open what a command line asks for, if that is possible at once, for `take_doors`."""
    words = [word for argument in arguments for word in argument.split("=", 1)]
    try:
        at = words.index("--chat")
        own_id, _, port = map(int, words[at + 1:at + 4])
        base = int(words[words.index("--udp-base") + 1]) if "--udp-base" in words else UDP_BASE
        if 0 < min(base + own_id, port) and max(base + own_id, port) < 65536:
            early[base + own_id, port] = open_doors(base + own_id, port, 0.0)
    except (ValueError, IndexError, OSError):
        pass  # program.py looks again, and says what is wrong


def take_doors(udp_port: int, tcp_port: int) -> Doors:
    """Return both sockets, which may be open already. OSError as of `open_doors`."""
    return early.pop((udp_port, tcp_port), None) or open_doors(udp_port, tcp_port)
