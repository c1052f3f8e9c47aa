"""The union of the seeds' peer lists: the peers that this peer knows.

Rules only. Seeds' lists add to it. A peer that was found dead, told dead, or has left is taken
out; so is one that cannot be reached, when no seed's latest list names it. Without a seed, the
word of neighbours adds to it, too. That is hearsay and proves nothing: it is bounded, hardly
passed on, and forgotten as soon as a seed answers again.
"""

import threading

from gossip.addresses import Address, can_be_dialled


HEARD_LIMIT = 1_000  # addresses kept that neighbours have named, but no seed


class PeerUnion:
    """All peers but oneself that seeds have named, or, without a seed, neighbours."""

    def __init__(self, own: Address):
        self._own = own
        self._lock = threading.Lock()  # guards everything below
        self._union: set[Address] = set()
        self._heard: set[Address] = set()  # named by neighbours, but by no seed
        self._ordered: tuple[Address, ...] | None = ()  # all of them; None when that has changed
        self._latest: dict[Address, frozenset] = {}  # seed -> its latest list

    def add(self, seed: Address, addresses: frozenset) -> bool:
        """Take a seed's list; return whether it differs from the last list of that seed."""
        addresses = addresses - {self._own}
        with self._lock:
            changed = self._latest.get(seed) != addresses
            self._latest[seed] = addresses
            if self._heard or not addresses <= self._union:
                self._union |= addresses
                self._heard.clear()
                self._ordered = None
            return changed

    def hear(self, addresses: frozenset) -> bool:
        """A neighbour tells which peers it knows; return whether a new one was among them."""
        with self._lock:
            unknown = sorted(addresses - self._union - self._heard - {self._own})
            new = [address for address in unknown
                   if address.family == self._own.family and can_be_dialled(address)]
            new = new[:HEARD_LIMIT - len(self._heard)]
            if new:
                self._heard.update(new)
                self._ordered = None
            return bool(new)

    def discard(self, address: Address) -> None:
        """The peer is dead or has left: only a newer list brings it back."""
        with self._lock:
            self._forget(address)
            for seed, latest in self._latest.items():
                self._latest[seed] = latest - {address}

    def unreachable(self, address: Address) -> None:
        """The peer could not be reached: forget it, unless a seed still names it."""
        with self._lock:
            if not any(address in latest for latest in self._latest.values()):
                self._forget(address)

    def _forget(self, address: Address) -> None:
        """Expects the lock."""
        if address in self._union or address in self._heard:
            self._union.discard(address)
            self._heard.discard(address)
            self._ordered = None

    def named(self) -> set[Address]:
        """The peers that seeds have named, without hearsay."""
        with self._lock:
            return set(self._union)

    def seed_lost(self, seed: Address) -> None:
        """A registration has ended: the latest list of that seed no longer counts."""
        with self._lock:
            self._latest.pop(seed, None)

    def addresses(self) -> tuple[Address, ...]:
        """All known peers, in order."""
        with self._lock:
            if self._ordered is None:
                self._ordered = tuple(sorted(self._union | self._heard))
            return self._ordered

    def __contains__(self, address: Address) -> bool:
        with self._lock:
            return address in self._union or address in self._heard
