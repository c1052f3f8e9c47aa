"""A probe: a fresh connection with one Liveness Request on it, and whether the reply came.

Values only: the node (gossip/node/node.py) sends and receives the lines.
"""

from gossip import wire
from gossip.addresses import Address


class Probe:
    """One question: does `address` answer? `verdict(alive)` is called when that is known: True,
    False, or None when this machine had no descriptor or port left to ask."""

    __slots__ = ("request", "verdict", "alive", "_reply")

    def __init__(self, own: Address, address: Address, time: str, verdict):
        self.request = wire.liveness_request(time, own)
        self.verdict = verdict
        self.alive: bool | None = False
        self._reply = wire.LivenessReply(time, own, address)

    def heard(self, lines: list[bytes]) -> bool:
        """Look for the reply to exactly this request; answer whether it was among the lines.
        WireError when a line before the reply is not valid."""
        self.alive = any(wire.parse(line) == self._reply for line in lines)
        return self.alive
