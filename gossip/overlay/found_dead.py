"""Found dead: the peers that a peer dials now and then while it has no seed to ask who lives.

Rules only. A peer that seems dead may only have been cut off, and thinks the same of this one. A
seed would list it again; without one, this memory alone leads from one half of a network to the
other. It keeps a peer that was found dead or told dead for an hour; a peer that has left is not
kept. When the memory is full, the IP that has the most places loses one: a machine that plays many
peers does not push out others.
"""

import collections

from gossip.addresses import Address

REMEMBERED = 100  # peers kept
MEMORY = 3600.0  # seconds for which a peer is remembered


class FoundDead:
    """The peers that died lately, as far as this peer knows."""

    def __init__(self):
        self._until: dict[Address, float] = {}  # until when each is remembered, the oldest first
        self._turns: list[Address] = []  # the same peers; the turn of the last one comes next

    def add(self, peer: Address, now: float) -> None:
        """A peer was found dead: remember it, and let its turn be the next."""
        self.discard(peer)
        self._until[peer] = now + MEMORY
        self._turns.append(peer)
        if len(self._until) > REMEMBERED:
            self.discard(self._one_too_many())

    def discard(self, peer: Address) -> bool:
        """The peer lives, or has left: forget it; return whether it was remembered."""
        if peer not in self._until:
            return False
        del self._until[peer]
        self._turns.remove(peer)
        return True

    def in_turn(self, now: float, known: frozenset[Address]) -> Address | None:
        """The peer whose turn it is to be dialled, the newest first; None without one. `known` are
        those that a list names again: they have no turn, because they are dialled like others."""
        for peer in [peer for peer, until in self._until.items() if until <= now]:
            self.discard(peer)
        for at in reversed(range(len(self._turns))):
            if self._turns[at] not in known:
                peer = self._turns.pop(at)
                self._turns.insert(0, peer)
                return peer
        return None

    def _one_too_many(self) -> Address:
        """The oldest of the IP that has the most places."""
        places = collections.Counter(peer.ip for peer in self._until)
        most = max(places.values())
        return next(peer for peer in self._until if places[peer.ip] == most)
