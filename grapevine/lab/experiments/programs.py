"""The two programs that `runner.py bench --library` compares: the library, and a bare flood.

    python runner.py program library IP:PORT SEED…
    python runner.py program flood IP:PORT NEIGHBOUR…

Each line of its input is `COUNT SIZE`: it says so many messages, one by one, and then prints what
it has received. It prints that first of all once it listens.
"""

import contextlib
import json
import socket
import sys
import threading
import time

import grapevine
from grapevine.addresses import parse_address
from grapevine.terminal.command_line import Parser

LINKS = 5  # of each program; so many has a flood on average whose programs dial three each


class Received:
    """A count of the messages that have come, the time of the last, and when deaths were told."""

    def __init__(self):
        self.count, self.at = 0, 0.0
        self.deaths: dict[str, float] = {}  # who has died -> when; all times are Unix seconds

    def note(self, _message: object = None) -> None:
        self.count += 1
        self.at = time.time()

    def note_death(self, peer: str) -> None:
        self.deaths[peer] = time.time()


class Flood:
    """A bare flood over plain sockets: who gets a line that is new sends it to all neighbours but
    one. Who reads slowly makes all others wait."""

    def __init__(self, own: str, neighbours: list[str], received: Received):
        self._own, self._received, self._number = own, received, 0
        self._lock, self._seen, self._links = threading.Lock(), set(), []
        address = parse_address(own)
        self._listener = socket.create_server((address.ip, address.port))
        threading.Thread(target=self._accept, daemon=True).start()
        for neighbour in map(parse_address, neighbours):
            self._add(socket.create_connection((neighbour.ip, neighbour.port)))

    def _accept(self) -> None:
        while True:
            self._add(self._listener.accept()[0])

    def _add(self, link: socket.socket) -> None:
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._lock:
            self._links.append(link)
        threading.Thread(target=self._read, args=(link,), daemon=True).start()

    def _read(self, link: socket.socket) -> None:
        with contextlib.suppress(OSError), link.makefile("rb") as lines:
            while data := lines.read1(1 << 16):
                if not data.endswith(b"\n"):
                    data += lines.readline()
                with self._lock:
                    new = [line for line in data.splitlines(keepends=True)
                           if line not in self._seen]
                    for _ in new:
                        self._received.note()
                    self._seen.update(new)
                    self._send(b"".join(new), link)

    def _send(self, data: bytes, sender: socket.socket | None) -> None:
        for link in self._links:
            if data and link is not sender:
                with contextlib.suppress(OSError):  # it has ended
                    link.sendall(data)

    def say(self, text: str) -> None:
        self._number += 1
        line = f"{self._own}:{self._number}:{text}\n".encode()
        with self._lock:
            self._seen.add(line)
            self._send(line, None)


def run_program(arguments: list[str]) -> None:
    parser = Parser(prog="runner.py program", description="A program for `bench --library`.")
    parser.add_argument("kind", choices=("library", "flood"))
    parser.add_argument("own", type=parse_address, metavar="IP:PORT")
    parser.add_argument("others", nargs="*", type=parse_address, metavar="OTHER")
    args = parser.parse_args(arguments)
    own, others, received = str(args.own), list(map(str, args.others)), Received()
    if args.kind == "flood":
        say = Flood(own, others, received).say
    else:
        say = grapevine.join(
            own, seeds=others, serve=True, rate=0, backlog="wait", capacity=f"fixed:{LINKS}",
            on_message=received.note, on_death=received.note_death).say
    order = "0 0"
    while order:
        count, size = map(int, order.split())
        for _ in range(count):
            say("x" * size)
        print(json.dumps(vars(received)), flush=True)
        order = sys.stdin.readline()
