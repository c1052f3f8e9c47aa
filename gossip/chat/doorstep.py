"""The two sockets of a chat server, opened before slow imports.

The program that starts a server dials it at once. So peer.py comes here first (through
gossip/programs), and this file imports little.
"""

import errno
import socket
import time

HOST = "127.0.0.1"
UDP_BASE = 20_000  # process ID gossips on this port + ID
PATIENCE = 1.0  # seconds of retries for a port that an earlier server may still hold
PAUSE = 0.01  # seconds between two attempts
RECEIVE_BUFFER = 4 << 20  # bytes of datagrams that may wait, if the system allows it
BACKLOG = 128  # connections that may wait to be accepted

Doors = tuple[socket.socket, socket.socket]  # UDP for the neighbours, TCP for the proxies


def open_doors(udp_port: int, tcp_port: int, patience: float = PATIENCE) -> Doors:
    """Bind both sockets. OSError has the port as its `filename`."""
    deadline = time.monotonic() + patience
    while True:
        udp, tcp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), socket.socket()
        try:
            port = udp_port
            udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
            udp.bind((HOST, port))
            port = tcp_port
            tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tcp.bind((HOST, port))
            tcp.listen(BACKLOG)  # last, so that a proxy finds a whole server
            return udp, tcp
        except OSError as error:
            udp.close()
            tcp.close()
            if error.errno != errno.EADDRINUSE or time.monotonic() > deadline:
                error.filename = port
                raise
            time.sleep(PAUSE)


def open_early(arguments: list[str]) -> Doors | None:
    """Return the sockets for a command line. None leaves errors to other_programs.py."""
    words = [word for argument in arguments for word in argument.split("=", 1)]
    try:
        at = words.index("--chat")
        own, count, port = map(int, words[at + 1:at + 4])
        base = int(words[words.index("--udp-base") + 1]) if "--udp-base" in words else UDP_BASE
        if 0 <= own < count and 0 < port < 65536 and 0 < base + own < 65536:
            return open_doors(base + own, port, 0.0)
    except (ValueError, IndexError, OSError):
        pass
    return None
