"""Conversations with a gossip module, in virtual time (virtual.py): frames instead of lines.

    scene = ModuleScene(degree=4)               one module; keys of its configuration
    client = scene.client(7)                    a client of its host, subscribed to type 7
    peer = scene.neighbour("127.0.0.1:6001")    a module that has dialled, and done its work
    peer.say(Ping(), Push(3, address))          messages that arrive together
    assert client.hear() == Notification(…)
"""

import hashlib
import random

from grapevine.addresses import Address, address_of, parse_address
from grapevine.settings import Settings
from grapevine.voidphone.ini import Config
from grapevine.voidphone.messages import (
    Announce, Hello, Notification, Notify, PeerNotification, PeerRequest, PeerResponse, Push,
    Validation, VerificationRequest, VerificationResponse, cut, parse)
from grapevine.voidphone.module import API, PEERS, GossipModule
from grapevine.worlds.virtual import Cables, Network
from tests.tools.virtual import STEP, End, Machine, Scene

WAITING = "messages that wait for validation"  # a count
BITS = 4  # of proof of work, which costs nothing
TYPE, FENCE = 1337, 9999  # of data; what is heard next shows that nothing was said before
OWN, API_ADDRESS = parse_address("127.0.0.1:5001"), parse_address("127.0.0.1:7001")


def work_for(nonce: int, bits: int = BITS) -> int:
    """Return the smallest challenge that does the work, without the code under test."""
    challenge = 0
    while zero_bits(nonce, challenge) < bits:
        challenge += 1
    return challenge


def zero_bits(nonce: int, challenge: int) -> int:
    data = nonce.to_bytes(8, "big") + challenge.to_bytes(8, "big")
    return 256 - int.from_bytes(hashlib.sha256(data).digest(), "big").bit_length()


def config_of(own: Address = OWN, api: Address = API_ADDRESS, **keys) -> Config:
    usual = {"cache_size": 50, "degree": 4, "pow_bits": BITS} | keys
    usual = {"max_connections": 2 * usual["degree"],
             "min_degree": max(1, usual["degree"] // 2)} | usual
    if isinstance(usual.get("bootstrapper"), str):
        usual["bootstrapper"] = parse_address(usual["bootstrapper"])
    return Config(p2p_address=own, api_address=api, **usual)


class FrameEnd(End):
    """The other end of a connection of a module."""

    def say(self, *values) -> None:
        """Say messages that arrive together."""
        self.send(b"".join(value.pack() for value in values))

    def hear_kind(self, kind, seconds: float = 1.0):
        """Return the next message of this kind; those before it are skipped."""
        return self.hear_what(lambda value: isinstance(value, kind), kind.__name__, seconds)

    def hear_kinds(self, seconds: float = 1.0) -> list[str]:
        return [type(value).__name__ for value in self.hear_all(seconds)]

    def give_work(self, nonce: int = 1) -> None:
        """Give work to the module that has dialled, which does it."""
        assert self.hear() == Hello(self.scene.address)
        self.say(VerificationRequest(nonce))
        done = self.hear_kind(VerificationResponse, 5.0)
        assert (done.nonce, done.address) == (nonce, self.scene.address)
        assert zero_bits(nonce, done.challenge) >= BITS

    # As a client.

    def announce(self, data: bytes = b"news", ttl: int = 0, data_type: int = TYPE) -> None:
        self.say(Announce(ttl, data_type, data))

    def told(self, seconds: float = 1.0) -> Notification:
        """Return the next message, which has to be a notification."""
        value = self.hear(seconds)
        assert isinstance(value, Notification), (value, self.closed)
        return value

    def validate(self, notification: Notification, is_valid: bool = True) -> None:
        self.say(Validation(notification.id, int(is_valid)))

    # As a neighbour.

    def bring(self, data: bytes = b"news", ttl: int = 5, number: int = 7, data_type: int = TYPE
              ) -> None:
        self.say(PeerNotification(ttl, number, data_type, data))

    def news(self, seconds: float = 1.0) -> PeerNotification:
        """Return the next news."""
        return self.hear_kind(PeerNotification, seconds)

    def is_there(self) -> bool:
        """Tell whether a neighbour that is asked answers: all before has been handled."""
        self.say(PeerRequest())
        self.hear_kind(PeerResponse)
        return self.closed is None


class Host(Machine):
    """A machine in the hand of a test. While it `proves`, it gives work to whom says HELLO."""

    END = FrameEnd
    proves = False

    def connect(self, door: int = PEERS) -> FrameEnd:
        """Connect to a door of the module."""
        return self.dial(self.scene.doors[door])

    def challenged(self) -> tuple[FrameEnd, int]:
        """Say HELLO; return the end and the nonce that it is given."""
        end = self.connect()
        end.say(Hello(self.address))
        return end, end.hear_kind(VerificationRequest).nonce

    def work(self, nonce: int, /, **change) -> VerificationResponse:
        return VerificationResponse(nonce, work_for(nonce), self.address)._replace(**change)

    def join(self) -> FrameEnd:
        """Become a neighbour; `view` of the end is what the 505 told."""
        end, nonce = self.challenged()
        end.say(self.work(nonce))
        end.view = end.hear_kind(PeerResponse).addresses
        return end

    def give_work(self, seconds: float = 5.0) -> FrameEnd:
        """Return the module's next dial, once it has done its work."""
        end = self.accept(seconds)
        end.give_work()
        return end

    def welcome(self, *view: Address, seconds: float = 5.0) -> FrameEnd:
        """Return the module's next dial, which is welcomed."""
        end = self.give_work(seconds=seconds)
        end.say(PeerResponse(view))
        return end

    def is_dialled(self, seconds: float = 1.0) -> bool:
        """Tell whether the module dials within some seconds, or has."""
        return self.scene.pass_until(
            lambda: any(end.lines and end not in self._shown for end in self.ends), seconds)

    def took(self, end: FrameEnd, data: bytes) -> None:
        found, end.rest = cut(end.rest + data)
        for frame in found:
            _, value = parse(frame)
            if isinstance(value, Hello) and self.proves:
                end.say(VerificationRequest(1))
            else:
                end.lines.append(value)


class ModuleScene(Scene):
    """One module, with two doors, and the network around it."""

    def __init__(self, patience: float = 5.0, memory: float = 60.0, liveness: float = 60.0,
                 own: Address = OWN, buffer: int = 256 << 10, **keys):
        self.doors = own, API_ADDRESS
        self.begin(Network(random.Random(1), Cables(latency=(STEP, STEP), buffer=buffer)), own,
                   lambda output, world: GossipModule(
                       config_of(own, **keys), Settings(liveness_interval=liveness), output, world,
                       patience, memory), doors=self.doors)
        self._ports = iter(range(6001, 7000))
        self._clients = self.machine("127.0.0.1:9999", listens=False)

    def machine(self, address: str = "", listens: bool = True) -> Host:
        address = address or f"127.0.0.1:{next(self._ports)}"
        return Host(self, parse_address(address), listens)

    def client(self, *types: int) -> FrameEnd:
        """Return a client of this host, which the module has subscribed."""
        end = self._clients.connect(API)
        end.say(*map(Notify, types))
        self.run(0.01)
        return end

    def neighbour(self, address: str = "") -> FrameEnd:
        """Return a module that has dialled. It is not found at its address."""
        return self.machine(address, listens=False).join()

    def neighbours(self) -> set[str]:
        """Return the neighbours, by the output file."""
        found: dict[str, None] = {}
        for event in self.events():
            word, _, rest = event.partition(":")
            if word == "connected":
                found[rest] = None
            elif word == "disconnected":
                found.pop(":".join(rest.split(":")[:2]), None)
        return set(found)

    def count(self, name: str) -> int:
        return self.node.status().get(name, 0)

    def refusal(self, end: FrameEnd) -> str:
        """Wait for the end of a connection, and return what the module says of it."""
        assert end.ends_within(1.0)
        return self.event("refused:").removeprefix("refused:")


def stage(clients: int = 1, peers: int = 1, **keys):
    """Return a scene, an announcer, subscribed clients and neighbours."""
    scene = ModuleScene(**{"degree": 8, "min_degree": 1, "patience": 60.0} | keys)
    return (scene, scene.client(), *[scene.client(TYPE) for _ in range(clients)],
            *[scene.neighbour() for _ in range(peers)])


def hear_next(ends: list[FrameEnd], announcer: FrameEnd, data: bytes = b"fence") -> bool:
    """Tell whether neighbours hear next what is announced now, and nothing before."""
    announcer.announce(data, 0, FENCE)
    return all(end.news().data == data for end in ends)


def push(port: int, ttl: int = 3, ip: str = "127.0.0.1") -> Push:
    return Push(ttl, address_of(ip, port))
