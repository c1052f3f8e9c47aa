"""Found dead: the peers that a peer dials now and then while it has no seed to ask who lives.

Rules only. A peer that seems dead, or answers no dial, may only have been cut off, or frozen. A seed
would list it again; without one, this memory alone leads from one half of a network to the other.
When it is full, the IP that has the most places loses one, so that a machine that plays many peers
does not push out others.
"""

import collections

from gossip.addresses import Address

REMEMBERED = 100  # peers kept
MEMORY = 3600.0  # seconds for which a peer is remembered


class FoundDead:
    """The peers that died lately, as far as this peer knows."""

    def __init__(self):
        # until when each is remembered; the turn of the last one comes next
        self._until: collections.OrderedDict[Address, float] = collections.OrderedDict()

    def add(self, peer: Address, now: float) -> None:
        """A peer was found dead: remember it, and let its turn be the next."""
        self.discard(peer)
        self._until[peer] = now + MEMORY
        if len(self._until) > REMEMBERED:
            del self._until[self._one_too_many()]

    def discard(self, peer: Address) -> bool:
        """The peer lives, or has left: forget it; return whether it was remembered."""
        return self._until.pop(peer, None) is not None

    def in_turn(self, now: float, known: set[Address]) -> Address | None:
        """Return the peer whose turn it is, the newest first; None without one. Those that are
        `known`, because a list names them again, are dialled like others and have no turn."""
        for peer in [peer for peer, until in self._until.items() if until <= now]:
            del self._until[peer]
        peer = next((peer for peer in reversed(self._until) if peer not in known), None)
        if peer is not None:
            self._until.move_to_end(peer, last=False)
        return peer

    def _one_too_many(self) -> Address:
        """The oldest of the IP that has the most places."""
        places = collections.Counter(peer.ip for peer in self._until)
        most = max(places.values())
        return min((peer for peer in self._until if places[peer.ip] == most),
                   key=self._until.__getitem__)
