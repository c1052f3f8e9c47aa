"""A probe: a new connection with one Liveness Request, and whether the reply came. Values only."""

from gossip import wire
from gossip.addresses import Address


class Probe:
    """A question: does `address` answer? `verdict(alive)` is called with True, False, or None if
    this machine had no descriptor or port left, or the asking node was too late to find out.
    `proof` is the proof before the reply, if any; it signs `reply.line`."""

    __slots__ = ("address", "request", "reply", "verdict", "alive", "proof")

    def __init__(self, own: Address, address: Address, time: str, verdict):
        self.address = address
        self.request = wire.liveness_request(time, own)
        self.verdict = verdict
        self.alive: bool | None = False
        self.proof = None  # a Proof of gossip/signing/grammar.py, if one came
        self.reply = wire.LivenessReply(time, own, address)

    def heard(self, lines: list[bytes]) -> bool:
        """Return whether the reply has come. WireError for an invalid line before it."""
        for line in lines:
            message = wire.parse(line)
            if message.kind == "proof":
                self.proof = message
            elif message == self.reply:
                self.alive = True
                break
        return self.alive
