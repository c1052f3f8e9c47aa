"""The union of the seeds' peer lists: whom this peer knows.

Rules only. It grows by lists and by nothing else, and shrinks by what was found dead, told
dead, or left; an address that cannot be reached goes when no seed's latest list names it.
Without a seed it also grows by what neighbours know: bounded, for their word proves nothing.
"""

import threading

from gossip.addresses import Address


HEARD_LIMIT = 10_000  # addresses on the list up to which neighbours may add to it


class PeerList:
    """Everyone that the seeds have named, without oneself."""

    def __init__(self, own: Address):
        self._own = own
        self._lock = threading.Lock()  # guards everything below
        self._union: set[Address] = set()
        self._ordered: tuple[Address, ...] | None = ()  # the union; None when it has changed
        self._latest: dict[Address, frozenset] = {}  # seed -> its latest list

    def add(self, seed: Address, addresses: frozenset) -> bool:
        """Take a seed's list; answer whether it differs from that seed's last."""
        addresses = addresses - {self._own}
        with self._lock:
            changed = self._latest.get(seed) != addresses
            self._latest[seed] = addresses
            if not addresses <= self._union:
                self._union |= addresses
                self._ordered = None
            return changed

    def hear(self, addresses: frozenset) -> bool:
        """A neighbour tells whom it knows; answer whether somebody new was among them."""
        with self._lock:
            new = sorted(addresses - self._union - {self._own})
            new = new[:max(0, HEARD_LIMIT - len(self._union))]
            if new:
                self._union.update(new)
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
        if address in self._union:
            self._union.remove(address)
            self._ordered = None

    def seed_lost(self, seed: Address) -> None:
        """A registration has ended: that seed's word is old."""
        with self._lock:
            self._latest.pop(seed, None)

    def addresses(self) -> tuple[Address, ...]:
        """The union, in order."""
        with self._lock:
            if self._ordered is None:
                self._ordered = tuple(sorted(self._union))
            return self._ordered

    def __contains__(self, address: Address) -> bool:
        with self._lock:
            return address in self._union
