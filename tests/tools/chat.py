"""Chat servers inside this process, a stand-in for one, and what they are asked."""

import socket
import threading
import time

from gossip import wire
from gossip.addresses import address_of
from gossip.chat.doorstep import open_doors
from gossip.chat.server import CHAT, ChatServer
from gossip.net.live_world import LiveWorld
from tests.tools.files import open_file
from tests.tools.hands import End
from tests.tools.ports import free_port, free_udp_range
from tests.tools.programs import Program

A, B = address_of("127.0.0.1", 5001), address_of("127.0.0.1", 5002)


def gossip_line(origin, start, number, text):
    return wire.gossip("1.000000", origin, start, number, text)


class Line:
    """Chat servers in this process, and neighbours in the hands of a test."""

    def __init__(self, folder, size):
        self.folder = folder
        self.size = size
        self.base = free_udp_range(size)
        self.servers = {}
        self.socks = []

    def start(self, own_id, key=None, **changes):
        doors = open_doors(self.base + own_id, free_port())
        path = self.folder / f"peer_127.0.0.1_{self.base + own_id}.txt"
        server = ChatServer(own_id, self.size, doors, CHAT._replace(**changes), open_file(path),
                            LiveWorld, key)
        server.start()
        self.servers[own_id] = server
        return server

    def start_all(self, **changes):
        return [self.start(own_id, **changes) for own_id in range(self.size)]

    def kill(self, own_id):
        """End a server without a last word in its file."""
        server = self.servers.pop(own_id)
        server.output.finish()
        server.stop()

    def proxy(self, server):
        end = End(socket.create_connection(("127.0.0.1", server._tcp.getsockname()[1]), 30))
        self.socks.append(end)
        return end

    def neighbour(self, own_id):
        """A bare socket in place of a server."""
        sock = socket.socket(type=socket.SOCK_DGRAM)
        sock.bind(("127.0.0.1", self.base + own_id))
        sock.settimeout(30)
        self.socks.append(sock)
        return sock

    def close(self):
        for sock in self.socks:
            sock.close()
        for server in self.servers.values():
            server.stop()


def log(proxy):
    proxy.say("get chatLog")
    return proxy.hear().removeprefix("chatLog ")


def texts(proxy):
    return sorted(log(proxy).split(","))


class StandIn:
    """Listens as a chat server does; what it answers is in the hands of the test."""

    def __init__(self, answer=b"chatLog <empty>\n"):
        self.answer = answer  # bytes, or what makes them when it is asked
        self.crashes = True
        self.lines: list[bytes] = []  # the lines that it was told, without `\n`
        self.asked_at: list[float] = []
        self._listener = socket.create_server(("127.0.0.1", free_port()))
        self.port = self._listener.getsockname()[1]
        self._socks: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self):
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self._socks.append(sock)
            self._threads.append(threading.Thread(target=self._serve, args=(sock,)))
            self._threads[-1].start()

    def _serve(self, sock):
        try:
            with sock, sock.makefile("rb") as lines:
                for line in lines:
                    self.lines.append(line[:-1])
                    if line == b"get chatLog\n":
                        self.asked_at.append(time.monotonic())
                        answer = self.answer() if callable(self.answer) else self.answer
                        sock.sendall(answer)
                    elif line == b"crash\n" and self.crashes:
                        self.hang_up()
        except OSError:
            pass  # the console is gone

    def connections(self):
        return len(self._socks)

    def hang_up(self):
        for sock in (self._listener, *self._socks):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it has ended already
        self._listener.close()

    def close(self):
        self.hang_up()
        for thread in list(self._threads):
            thread.join(30)
            assert not thread.is_alive()


def run_console(*arguments, text=b"", timeout=90):
    """Run the console with these lines; return (exit code, output, errors)."""
    with Program("runner.py", "console", *arguments) as program:
        out, err = program.process.communicate(text, timeout)
        return program.process.returncode, out, err.decode()


def errors(capfd):
    return capfd.readouterr().err.splitlines()
