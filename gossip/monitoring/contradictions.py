"""Contradictions: runs that provably signed two messages with one number.

The same for seeds and peers. Because nobody is believed, a node verifies both signatures, and ends
the link that brought a bad one. There is no rate limit, because each run is verified once, and a
limit would silence a peer that has many contradictions to tell.
"""

from gossip import wire
from gossip.signing.grammar import Contradiction, Signer
from gossip.tools import Recent

REMEMBERED = 10_000  # runs


class Contradictions:
    """The runs that this node knows to have contradicted themselves."""

    def __init__(self):
        self._runs = Recent(REMEMBERED)  # run -> True

    def __contains__(self, run: bytes) -> bool:
        return self._runs.get(run, default=False)

    def add(self, run: bytes) -> bool:
        """Remember a run; return whether that is news."""
        return self._runs.add(run, True)

    def proves(self, message: Contradiction) -> bool:
        """Verify a contradiction, or raise WireError; return whether it is news."""
        if message.run in self:
            return False
        if not (Signer.is_genuine(message.one) and Signer.is_genuine(message.other)):
            raise wire.WireError("a contradiction with a bad signature")
        return self.add(message.run)
