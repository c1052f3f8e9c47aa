"""A probe: a fresh connection with one Liveness Request on it, and whether the reply came.

Values only: the node (gossip/node/node.py) sends and receives the lines.
"""

from gossip import wire
from gossip.addresses import Address


class Probe:
    """One question: does `address` answer? `verdict(alive)` is called when that is known: True,
    False, or None when this machine had no descriptor or port left to ask, or the asking node was
    too late to find it out. `proof` is the proof that stood before the reply, if one did, of the
    text `proved`."""

    __slots__ = ("address", "request", "proved", "verdict", "alive", "proof", "_reply")

    def __init__(self, own: Address, address: Address, time: str, verdict):
        request = wire.LivenessRequest(time, own)
        self.address = address
        self.request = wire.liveness_request(time, own)
        self.proved = wire.liveness_reply(request, address).decode().rstrip("\n")
        self.verdict = verdict
        self.alive: bool | None = False
        self.proof = None  # a Proof of gossip/signing/grammar.py, if one came
        self._reply = wire.LivenessReply(time, own, address)

    def heard(self, lines: list[bytes]) -> bool:
        """Look for the reply to exactly this request; answer whether it was among the lines.
        WireError when a line before the reply is not valid."""
        for line in lines:
            message = wire.parse(line)
            if message.kind == "proof":
                self.proof = message
            elif message == self._reply:
                self.alive = True
                break
        return self.alive
