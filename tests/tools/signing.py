"""Conversations with a node that signs: machines that have a key (tests/tools/virtual.py)."""

import hashlib

from grapevine import wire
from grapevine.signing import grammar
from tests.tools.virtual import NODE, TIME, End, Machine, Scene, parse_address


def signer(address: str, secret: str = "") -> grammar.Signer:
    """Return the key of an address that follows from `secret`."""
    return grammar.Signer(parse_address(address),
                          hashlib.sha256(f"{address} {secret}".encode()).digest())


def run_of(address: str, key: grammar.Signer) -> str:
    return f"{address}:{key.start}"


def signed(address: str, key: grammar.Signer, number: int, *texts: str, time: str = TIME) -> str:
    """Return the signed line of texts that are said at once, in the name of an address."""
    messages = [wire.make_gossip(time, run_of(address, key), at, text)
                for at, text in enumerate(texts, number)]
    [line] = key.sign(messages)
    return line.decode()


def proof(key: grammar.Signer, text: str, *time: str) -> str:
    return key.proof(text, *time).decode().rstrip()


def link_proof(key: grammar.Signer, own: str, other: str, time: str = TIME) -> str:
    return proof(key, f"{own} links to {other} at {time}", time)


def accept_proof(key: grammar.Signer, own: str, other: str, time: str) -> str:
    return proof(key, f"{own} accepts {other} at {time}", time)


class KeyMachine(Machine):
    """A machine that proves its key to whom it answers; a bare one does not."""

    def __init__(self, scene: Scene, address: str, secret: str = "", is_alive: bool = True):
        super().__init__(scene, parse_address(address), is_alive=is_alive)
        self.key = signer(address, secret)
        self.is_bare = False
        self.replies["known peers"] = "known peers:"

    @property
    def run(self) -> str:
        return run_of(str(self.address), self.key)

    def took(self, end: End, data: bytes) -> None:
        self._is_probe = end in self.ends
        super().took(end, data)

    def _reply(self, line: str) -> str | None:
        reply = super()._reply(line)
        if (reply is None or not reply.startswith("Liveness Reply:") or self.is_bare
                or not self._is_probe):
            return reply
        return f"{proof(self.key, reply)}\n{reply}"

    def say_connect(self, end: End, time: str = TIME) -> None:
        """Ask over a connection to become a neighbour."""
        end.say(link_proof(self.key, str(self.address), NODE, time),
                f"Connection with Peer:{self.address}")

    def link(self, time: str = TIME) -> End:
        """Become a neighbour of the node, and return the end of that link."""
        end = self.dial()
        self.say_connect(end, time)
        assert end.hear().startswith("proof:")
        assert end.hear() == f"connection accepted:{NODE}"
        return end

    def signed(self, number: int, *texts: str, time: str = TIME) -> str:
        return signed(str(self.address), self.key, number, *texts, time=time)


def neighbour(scene: Scene, address: str, secret: str = "") -> tuple[KeyMachine, End]:
    """Return a machine that has become a neighbour, and the end of its link."""
    machine = KeyMachine(scene, address, secret)
    return machine, machine.link()


class SeedMachine(Machine):
    """A seed that registers the node, and names the runs in `runs`, by address. It is mute about
    runs where that is None."""

    def __init__(self, scene: Scene, address: str, listed: str = ""):
        super().__init__(scene, parse_address(address))
        self.replies = {f"register:{scene.address}": "registered successfully",
                        "peer list": f"peer list:{listed}"}
        self.runs: dict[str, list[int]] | None = {}
        self.mute_about: set[int] = set()  # STARTs

    def _reply(self, line: str) -> str | None:
        if line.startswith("proof:"):
            return ""
        if not line.startswith("runs:") or self.runs is None:
            return super()._reply(line)
        address, _, start = line.removeprefix("runs:").rpartition(":")
        if int(start) in self.mute_about:
            return ""
        return f"runs:{address}:{','.join(map(str, self.runs.get(address, [])))}"
