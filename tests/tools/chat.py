"""Chat servers in virtual time, neighbours and proxies in the hand of a test; a stand-in for a
server, for the console.

    line = Line(3)                          room for three servers
    server = line.start(0)
    proxy = server.proxy()                  an End (tools/virtual.py)
    proxy.say("msg 1 hello")
    hand = line.hand(1)                     in place of a server
    assert hand.hear("rumor:")              the next line of a datagram that begins so
"""

import contextlib
import itertools
import random
import socket
import socketserver
import threading

from grapevine.addresses import address_of
from grapevine.chat.neighbours import sign
from grapevine.chat.server import CHAT, ChatServer
from grapevine.output import Output
from grapevine.worlds.virtual import Cables, Network, VirtualWorld
from tests.tools.virtual import End, Machine, Scene

A, B = "127.0.0.1:5001", "127.0.0.1:5002"


class Server(Scene):
    """One server, with its file. `crashed` tells whether it ended its process itself."""

    def __init__(self, line: "Line", own_id: int, key: bytes | None, **settings):
        self.line, self.proxies_at, self.crashed = line, line.tcp[own_id], False
        neighbours = [line.udp[own_id + way] for way in (-1, 1) if own_id + way in line.ids]

        def make(output: Output, world: VirtualWorld) -> ChatServer:
            node = ChatServer(self.address, CHAT._replace(**settings), output, world,
                              f"{own_id} of {len(line.ids)}", neighbours, key)
            node.die = self._die
            return node

        self.begin(line.net, line.udp[own_id], make, own_id, (line.udp[own_id], self.proxies_at))

    def _die(self) -> None:
        self.crashed = True
        self.world.kill()

    def proxy(self) -> End:
        machine = self.machine(f"127.0.0.1:{next(self.line.free)}", listens=False)
        return machine.dial(self.proxies_at)

    def log(self) -> list[str]:
        """Return the texts of its log, as a new proxy is told it."""
        proxy = self.proxy()
        proxy.say("get chatLog")
        log = proxy.hear(5.0).removeprefix("chatLog ")
        proxy.hang_up()
        return [] if log == "<empty>" else log.split(",")

    def freeze(self, seconds: float) -> None:
        self.world.freeze()
        self.net.at(self.net.now + seconds, self.world.thaw)


class Hand(Machine):
    """A neighbour of the servers next to it, whose datagrams a test sends and reads."""

    def __init__(self, line: "Line", own_id: int):
        self.line = line
        self.datagrams: list[bytes] = []
        self.lines: list[str] = []  # of these, unless they were heard already
        super().__init__(line, line.udp[own_id])

    def start(self) -> None:
        self.world.hear(self._heard, 0)

    def _heard(self, data: bytes, source) -> None:
        self.datagrams.append(data)
        self.lines += data.decode().splitlines()

    def post(self, data: bytes, to: int = 0) -> None:
        """Send a datagram to a server, and have it arrive."""
        self.world.post(data, self.line.udp[to], 0)
        self.line.run(0.01)

    def say(self, *lines: str, to: int = 0, key: bytes | None = None) -> None:
        data = "".join(f"{line}\n" for line in lines).encode()
        signature = b"" if key is None else sign(key, self.address, self.line.udp[to], data)
        self.post(signature + data, to)

    def hear(self, start: str, seconds: float = 1.0) -> str:
        """Return the next line that begins so; those before it are dropped."""
        until = self.line.net.now + seconds
        while True:
            while self.lines:
                if (line := self.lines.pop(0)).startswith(start):
                    return line
            assert self.line.net.now < until, f"{start!r} was not said"
            self.line.run(0.001)

    def count(self, part: str, seconds: float) -> int:
        """Return how many datagrams that come within some seconds have this in them."""
        self.datagrams.clear()
        self.line.run(seconds)
        return sum(part.encode() in datagram for datagram in self.datagrams)


class Line:
    """A line of servers, of which a test starts some."""

    def __init__(self, size: int, loss: float = 0.0, chance: int = 1,
                 latency: tuple[float, float] = (0.001, 0.002)):
        self.net = Network(random.Random(chance), Cables(latency=latency, loss=loss))
        self.ids = range(size)
        self.udp = [address_of("127.0.0.1", 20_000 + own_id) for own_id in self.ids]
        self.tcp = [address_of("127.0.0.1", 10_000 + own_id) for own_id in self.ids]
        self.free = itertools.count(30_000)  # ports of proxies
        self.servers: dict[int, Server] = {}

    def start(self, own_id: int, key: bytes | None = None, **settings) -> Server:
        server = self.servers[own_id] = Server(self, own_id, key, **settings)
        return server

    def start_all(self, **settings) -> list[Server]:
        servers = [self.start(own_id, **settings) for own_id in self.ids]
        self.run(0.1)
        return servers

    def hand(self, own_id: int) -> Hand:
        return Hand(self, own_id)

    def run(self, seconds: float) -> None:
        self.net.run(self.net.now + seconds)


def alone(**settings) -> Server:
    return Line(1).start(0, **settings)


def with_neighbour(**settings) -> tuple[Server, Hand]:
    """Return a server and its neighbour, in the hand of the test. It hides nothing by
    anti-entropy."""
    line = Line(2, latency=(0.001, 0.001))
    return line.start(0, **{"antientropy_interval": 0.0, **settings}), line.hand(1)


def received(server: Server) -> list[str]:
    """Return the texts that a server has got from others, in order."""
    return [event.split(":", 9)[9] for event in server.events("received:")]


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1.0).close()
    except OSError:
        return False
    return True


class StandIn(socketserver.ThreadingTCPServer):
    """Listens as a chat server does; a test says what it answers."""

    def __init__(self, answer: bytes = b"chatLog <empty>\n"):
        self.answer = answer  # bytes, or what returns them when it is asked
        self.lines: list[bytes] = []  # that it was told, without `\n`
        self._socks: list[socket.socket] = []
        super().__init__(("127.0.0.1", 0), None)
        self.port = self.server_address[1]
        self._listener = threading.Thread(target=self.serve_forever, args=(0.01,))
        self._listener.start()

    def finish_request(self, sock: socket.socket, remote) -> None:
        self._socks.append(sock)
        with contextlib.suppress(OSError), sock.makefile("rb") as lines:  # the console is gone
            for line in lines:
                self.lines.append(line[:-1])
                if line == b"get chatLog\n":
                    sock.sendall(self.answer() if callable(self.answer) else self.answer)
                elif line == b"crash\n":
                    self.hang_up()

    def hang_up(self) -> None:
        self.shutdown()
        self.socket.close()
        for sock in self._socks:
            with contextlib.suppress(OSError):  # it has ended already
                sock.shutdown(socket.SHUT_RDWR)

    def __exit__(self, *_) -> None:
        self.hang_up()
        self.server_close()
        self._listener.join()
