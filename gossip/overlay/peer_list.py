"""The peers that a peer knows, and how it hears of them.

A peer is taken out of the union of the seeds' lists when it was found or told dead, or has left;
when no seed's latest list names it and it cannot be reached; and when none has named it for ten
rounds, because a peer that leaves tells only its seeds and its neighbours.

Addresses from neighbours are hearsay, so their number is limited, and they are dropped as soon as a
seed answers again. Where addresses are too many, the IPs that have most lose theirs.
"""

import itertools
import math

from gossip import wire
from gossip.addresses import Address, can_be_dialled, in_turns, is_loopback, sample
from gossip.node.part import Part
from gossip.overlay import ring
from gossip.overlay.neighbours import NEIGHBOUR, Neighbours
from gossip.registering.joining import SEED, Joining

PAUSE = 1.0  # seconds between two answers to a neighbour that asks for known peers
SENT = 200  # peers in one answer at random, besides the next on the ring

HEARD_LIMIT = 1_000  # addresses kept that neighbours have named, but no seed
UNNAMED_LIMIT = 500  # addresses kept that no seed's latest list names, besides neighbours
UNNAMED_ROUNDS = 10  # rounds with a seed for which they are kept


class PeerUnion:
    """All peers but `own` that seeds, or without a seed neighbours, named."""

    def __init__(self, own: Address):
        self._own = own
        self._latest: dict[Address, frozenset] = {}  # seed -> its latest list
        # in earlier lists alone -> since which round; of an IP, the first is forgotten first
        self._unnamed: dict[Address, int] = {}
        self._heard: dict[Address, None] = {}  # named by neighbours, but by no seed
        self._ordered: tuple[Address, ...] | None = ()  # all known peers; None after a change
        self._round = 0  # counts rounds with a seed

    def add(self, seed: Address, addresses: frozenset) -> frozenset | None:
        """Take a seed's list. Return what its last list lacked; None if both are the same."""
        addresses = self._reachable(addresses)
        is_same = addresses == self._latest.get(seed)
        if is_same and not self._heard:
            return None  # the usual case, so that nothing is put in order again
        before = self._latest.get(seed, frozenset())
        self._latest[seed] = addresses
        self._heard.clear()
        self._unnamed = {address: since for address, since in self._unnamed.items()
                         if address not in addresses}
        self._no_longer_named(before)
        return None if is_same else addresses - before

    def _reachable(self, addresses: frozenset) -> frozenset:
        """Return all other addresses, loopback only if this peer is there."""
        others = addresses - {self._own}
        return others if is_loopback(self._own) else others - set(filter(is_loopback, others))

    def seed_lost(self, seed: Address) -> None:
        self._no_longer_named(self._latest.pop(seed, frozenset()))

    def _no_longer_named(self, before: frozenset) -> None:
        """Keep the peers of an old list for a while, successors longest."""
        gone = sorted(before.difference(*self._latest.values()))
        for address in reversed(list(ring.successors(self._own, gone))):
            self._unnamed[address] = self._round
        self._ordered = None

    def _is_named(self, address: Address) -> bool:
        return any(address in latest for latest in self._latest.values())

    def next_round(self, linked: list[Address], has_seed: bool) -> None:
        """Forget peers that are unlisted for too long, or too many. Linked peers stay, and rounds
        without a seed do not count."""
        self._round += has_seed
        kept = {address: self._round for address in linked if address in self._unnamed}
        others = {address: since for address, since in self._unnamed.items()
                  if address not in kept and since + UNNAMED_ROUNDS > self._round}
        left = set(in_turns(reversed(others))[:UNNAMED_LIMIT])
        self._unnamed = {address: since for address, since in others.items()
                         if address in left} | kept
        self._ordered = None

    def hear(self, addresses: frozenset) -> bool:
        """Take peers that a neighbour names. Return whether any was new."""
        unknown = sorted(self._reachable(addresses) - self.named() - self._heard.keys())
        new = [address for address in unknown
               if address.family == self._own.family and can_be_dialled(address)]
        before, self._ordered = self._heard, None
        self._heard = dict.fromkeys(in_turns([*before, *new])[:HEARD_LIMIT])
        return self._heard.keys() != before.keys()

    def discard(self, address: Address) -> None:
        """Forget a dead or absent peer until a newer list names it."""
        self._forget(address)
        for seed, latest in self._latest.items():
            if address in latest:
                self._latest[seed] = latest - {address}

    def unreachable(self, address: Address) -> bool:
        """Forget a peer, unless a seed names it. Return whether seeds named it until lately."""
        was_named = address in self._unnamed
        if not self._is_named(address):
            self._forget(address)
        return was_named

    def _forget(self, address: Address) -> None:
        self._unnamed.pop(address, None)
        self._heard.pop(address, None)
        self._ordered = None

    def others(self, seeds: int) -> float:
        """Return how many other peers are known; infinite until that many seeds sent a list."""
        return len(self.addresses()) if len(self._latest) >= seeds else math.inf

    def listed_among(self, addresses: list[Address]) -> set[Address]:
        """Return which addresses seeds have named, or all without a list."""
        if not self._latest:
            return set(addresses)
        return {address for address in addresses if address in self._unnamed}.union(
            *(latest.intersection(addresses) for latest in self._latest.values()))

    def named(self) -> set[Address]:
        return set(self._unnamed).union(*self._latest.values())

    def addresses(self) -> tuple[Address, ...]:
        if self._ordered is None:
            self._ordered = tuple(sorted(self.named() | self._heard.keys()))
        return self._ordered

    def __contains__(self, address: Address) -> bool:
        return address in self._unnamed or address in self._heard or self._is_named(address)


class Learning(Part):
    """The part of a peer that hears of others."""

    ANSWERS = {SEED: {"peer_list"}, NEIGHBOUR: {"ask_known_peers", "known_peers"}}

    def __init__(self, node, joining: Joining, neighbours: Neighbours):
        self._node, self._joining, self._neighbours = node, joining, neighbours
        self.peer_list = PeerUnion(node.address)
        self._asked = None  # the link on which known peers were asked for last

    def on_peer_list(self, link, message: wire.PeerList) -> None:
        new = self.peer_list.add(link.peer, message.addresses)
        if new is not None:
            listed = ":".join(address.listed for address in sorted(message.addresses))
            self._node.output.write(f"peer list:{link.peer}:{listed}")
            self._node.membership.hurry()
            for part in self._node.parts:
                part.on_listed(new)

    def on_end(self, link) -> None:
        if link.role == SEED:
            self.peer_list.seed_lost(link.peer)

    def ask_somebody(self) -> None:
        if links := self._neighbours.links():
            self.ask(self._node.rng.choice(links))

    def ask(self, link) -> None:
        self._asked = link
        link.send(wire.ASK_KNOWN_PEERS)

    def on_ask_known_peers(self, link, message: wire.Bare) -> None:
        """Name known peers, and the asker's successors, once per PAUSE."""
        now = self._node.now()
        if now - link.told_peers_at < PAUSE:
            self._node.counters.add("questions for known peers not answered")
            return
        link.told_peers_at = now
        known = sorted({*self.peer_list.named(), *self._neighbours.addresses()} - {link.peer})
        told = set(sample(known, SENT, self._node.rng))
        everyone = ring.successors(link.peer, self.peer_list.addresses())
        told.update(itertools.islice(everyone, ring.SUCCESSORS_SENT))
        link.send(wire.known_peers(sorted(told - {link.peer})))

    def on_known_peers(self, link, message: wire.KnownPeers) -> None:
        """Take a neighbour's answer, unless there is a seed again."""
        if link is not self._asked or self._joining.has_seed():
            self._node.counters.add("known peers told in vain")
            return
        self._asked = None
        if self.peer_list.hear(message.addresses):
            self._node.membership.hurry()
