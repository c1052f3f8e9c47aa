"""Learning: how a peer hears of others. A part of a peer, beside linking.py.

Seeds name all peers on their lists. While there is no seed to ask, a peer asks its neighbours for
those that they know, which is hearsay. What it has heard is in `peer_list`.
"""

import itertools

from gossip import wire
from gossip.addresses import sample
from gossip.node.part import Part
from gossip.overlay import ring
from gossip.overlay.neighbours import NEIGHBOUR, Neighbours
from gossip.overlay.peer_list import PeerUnion
from gossip.seeds.joining import SEED, Joining

PAUSE = 1.0  # seconds between two answers to a neighbour that asks for known peers
SENT = 200  # peers in one answer at random, besides the next on the ring


class Learning(Part):
    """The peers of which one peer has heard."""

    ANSWERS = {SEED: {"peer_list"}, NEIGHBOUR: {"ask_known_peers", "known_peers"}}

    def __init__(self, node, joining: Joining, neighbours: Neighbours):
        self._node = node
        self._joining = joining
        self._neighbours = neighbours
        self.peer_list = PeerUnion(node.address)
        self._asked = None  # the link on which known peers were asked for last

    def on_peer_list(self, link, message: wire.PeerList) -> None:
        """A seed names all peers on its list."""
        new = self.peer_list.add(link.peer, message.addresses)
        if new is not None:
            listed = ":".join(address.listed for address in sorted(message.addresses))
            self._node.output.write(f"peer list:{link.peer}:{listed}")
            self._node.membership.hurry()
            for part in self._node.parts:
                part.on_listed(new)

    def on_end(self, link) -> None:
        """A link has ended: the list of a seed that is lost does not count any more."""
        if link.role == SEED:
            self.peer_list.seed_lost(link.peer)

    def ask_somebody(self) -> None:
        """Ask a neighbour, if there is one, for the peers that it knows."""
        links = self._neighbours.links()
        if links:
            self.ask(self._node.rng.choice(links))

    def ask(self, link) -> None:
        """Ask this neighbour."""
        self._asked = link
        link.send(wire.ASK_KNOWN_PEERS)

    def on_ask_known_peers(self, link, message: wire.AskKnownPeers) -> None:
        """A neighbour has no seed to ask. The answer names peers that seeds have named, this
        peer's neighbours, and, even if only hearsay, the next after the asker on the ring. One
        answer per second at most."""
        now = self._node.now()
        if now - link.answered < PAUSE:
            self._node.counters.add("questions for known peers not answered")
            return
        link.answered = now
        known = sorted({*self.peer_list.named(), *self._neighbours.addresses()} - {link.peer})
        told = set(sample(known, SENT, self._node.rng))
        everyone = ring.successors(link.peer, self.peer_list.addresses())
        told.update(itertools.islice(everyone, ring.SUCCESSORS_SENT))
        link.send(wire.known_peers(sorted(told - {link.peer})))

    def on_known_peers(self, link, message: wire.KnownPeers) -> None:
        """A neighbour names the peers that it knows. That counts only when it was asked, and only
        while there is no seed to ask."""
        if link is not self._asked or self._joining.has_seed():
            self._node.counters.add("known peers told in vain")
            return
        self._asked = None
        if self.peer_list.hear(message.addresses):
            self._node.membership.hurry()
