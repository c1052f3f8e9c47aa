"""Tools of the module's tests: configurations, modules in this process, hand-made ends of links.

The hand-made ends speak bytes: `say` packs messages, `hear` parses what comes; they do nothing
by themselves, no handshake, no validation, no PING.
"""

import hashlib
import pathlib
import select
import socket
import time

from gossip.addresses import Address
from gossip.net.live_world import LiveWorld
from gossip.settings import Settings
from gossip.voidphone import messages
from gossip.voidphone.gossip_module import GossipModule
from gossip.voidphone.ini import read_ini
from tests.tools.files import open_file
from tests.tools.ports import free_address
from tests.tools.waiting import wait_until

QUIET = Settings(liveness_interval=60.0, probe_limit=1.0)  # no PING while a test looks
EASY_BITS = 4  # of proof of work, which costs nothing


def write_ini(folder: pathlib.Path, **keys) -> pathlib.Path:
    """Write a configuration with free ports; a key that is None is left out."""
    p2p_address = keys.get("p2p_address") or free_address()
    keys = {"cache_size": 50, "degree": 4, "p2p_address": p2p_address,
            "api_address": free_address(), "pow_bits": EASY_BITS} | keys
    path = folder / f"{str(p2p_address).translate(str.maketrans(':[]', '_--'))}.ini"
    path.write_text("[gossip]\n" + "".join(
        f"{key} = {value}\n" for key, value in keys.items() if value is not None))
    return path


def work_for(nonce: int, bits: int) -> int:
    """The smallest challenge that does the work, found without the code under test."""
    challenge = 0
    while int.from_bytes(_digest(nonce, challenge), "big") >> 256 - bits:
        challenge += 1
    return challenge


def _digest(nonce: int, challenge: int) -> bytes:
    return hashlib.sha256(nonce.to_bytes(8, "big") + challenge.to_bytes(8, "big")).digest()


class ByteEnd:
    """One end of a connection, in the hands of a test: says and hears messages or bytes."""

    def __init__(self, address: tuple[str, int] | None, ip: str | None = None, sock=None):
        self.sock = sock or socket.create_connection(
            address, 30, source_address=None if ip is None else (ip, 0))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._frames = messages.Frames()
        self._heard: list[bytes] = []
        self.address: Address | None = None  # by which it introduced itself
        self.view: tuple = ()  # addresses that it was told of when it was verified

    def send(self, data: bytes) -> None:
        self.sock.settimeout(30)
        self.sock.sendall(data)

    def say(self, *values) -> None:
        self.send(b"".join(value.pack() for value in values))

    def hear_bytes(self, timeout: float = 30.0) -> bytes | None:
        """The next whole message; None at the end of the stream, TimeoutError when none comes."""
        end = time.monotonic() + timeout
        while not self._heard:
            self.sock.settimeout(max(0.001, end - time.monotonic()))
            try:
                data = self.sock.recv(65_536)
            except ConnectionError:
                return None
            if not data:
                return None
            self._heard = self._frames.feed(data)
        return self._heard.pop(0)

    def hear(self, timeout: float = 30.0):
        """The next message; None at the end of the stream."""
        message = self.hear_bytes(timeout)
        return None if message is None else messages.parse(message)

    def hear_kind(self, kind: str, timeout: float = 30.0):
        """Skip messages until one of this kind, and return it."""
        while (message := self.hear(timeout)) is not None:
            if message.kind == kind:
                return message
        raise AssertionError(f"the connection ended without {kind}")

    def drain(self) -> None:
        """Throw away what has come, so that nothing piles up at the other end."""
        self.sock.setblocking(False)
        self._heard.clear()
        try:
            while data := self.sock.recv(65_536):
                self._frames.feed(data)
        except BlockingIOError:
            pass

    def hear_end(self, timeout: float = 30.0) -> bool:
        """Skip messages until the end of the stream."""
        while self.hear_bytes(timeout) is not None:
            pass
        return True

    def hears_nothing(self, seconds: float = 0.3) -> bool:
        """Whether nothing comes for a while, not even the end."""
        try:
            self.hear_bytes(seconds)
        except TimeoutError:
            return True
        return False

    def close(self) -> None:
        self.sock.close()


class Acceptor:
    """A listening address in the hands of a test, for modules to dial."""

    def __init__(self, address: Address):
        self.address = address
        self._listener = socket.create_server(address.dial, backlog=128)
        self._ends: list[ByteEnd] = []

    def accept(self, timeout: float = 60.0) -> ByteEnd:
        """The next connection; TimeoutError when nobody dials."""
        self._listener.settimeout(timeout)
        end = ByteEnd(None, sock=self._listener.accept()[0])
        self._ends.append(end)
        return end

    def welcome(self, bits: int = EASY_BITS, view=(), nonce: int = 1) -> ByteEnd:
        """The next connection, verified; it is told of a view."""
        end = self.accept()
        end.address = end.hear_kind("hello").address
        end.say(messages.VerificationRequest(nonce))
        work = end.hear_kind("verification_response")
        assert (work.nonce, work.address) == (nonce, end.address)
        assert int.from_bytes(_digest(nonce, work.challenge), "big") >> 256 - bits == 0
        end.say(messages.PeerResponse(tuple(view)))
        return end

    def dialled(self) -> bool:
        """Whether a connection waits to be accepted."""
        return bool(select.select([self._listener], [], [], 0)[0])

    def close(self) -> None:
        for end in self._ends:
            end.close()
        self._listener.close()


class Modules:
    """Modules inside this process, their files in a folder, and ends that lead to them."""

    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        self.modules: list[GossipModule] = []
        self.ends: list = []  # closed with the rest

    def module(self, patience: float = 5.0, memory: float = 60.0, settings: Settings = QUIET,
               **keys) -> GossipModule:
        """Start a module; the keys are those of its configuration."""
        config = read_ini(write_ini(self.folder, **keys))
        output = open_file(self.folder / f"module_{config.p2p_address.file_part}.txt")
        module = GossipModule(config, settings, output, LiveWorld, patience, memory)
        self.modules.append(module)
        module.start()
        return module

    def api(self, module: GossipModule, *types: int) -> ByteEnd:
        """A connection to the API, subscribed to types, which the module knows of already."""
        end = self._end(module.config.api_address[0].dial)
        own = end.sock.getsockname()[1]
        end.say(*map(messages.Notify, types))

        def subscribed() -> bool:
            with module.turn:
                return all(any(link.remote.endswith(f":{own}")
                               for link in module.relay.subscribers(one)) for one in types)
        wait_until(subscribed, what="the subscriptions")
        return end

    def dial(self, module: GossipModule, ip: str = "127.0.0.1") -> ByteEnd:
        """A connection to the peer-to-peer port."""
        return self._end(module.address.dial, ip)

    def challenged(self, module: GossipModule, ip: str = "127.0.0.1") -> tuple[ByteEnd, int]:
        """One who has said HELLO, and the nonce that it was given."""
        end = self.dial(module, ip)
        end.address = free_address(ip)
        end.say(messages.Hello(end.address))
        return end, end.hear_kind("verification_request").nonce

    def acceptor(self, address: Address | None = None) -> Acceptor:
        acceptor = Acceptor(address or free_address())
        self.ends.append(acceptor)
        return acceptor

    def neighbour(self, module: GossipModule, address: Address | None = None) -> ByteEnd:
        """A hand-made verified peer that has dialled; `view` is what the 505 told it."""
        address = address or free_address()
        end = self.dial(module, address.ip)
        end.address = address
        end.say(messages.Hello(address))
        nonce = end.hear_kind("verification_request").nonce
        end.say(messages.VerificationResponse(
            nonce, work_for(nonce, module.config.pow_bits), address))
        end.view = end.hear_kind("peer_response").addresses
        return end

    def _end(self, address: tuple[str, int], ip: str | None = None) -> ByteEnd:
        end = ByteEnd(address, ip)
        self.ends.append(end)
        return end

    def end(self, module: GossipModule) -> None:
        """Stop one module."""
        module.stop()
        self.modules.remove(module)

    def stop(self) -> None:
        for end in self.ends:
            end.close()
        for module in self.modules:
            module.stop()

    def failures(self) -> list[str]:
        """What threads died of, in any module's file."""
        return [line for path in self.folder.glob("module_*.txt") for line in
                path.read_text().splitlines() if ":failed:" in line[26:40]]
