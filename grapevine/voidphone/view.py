"""The neighbours of a module, and the addresses that it knows. Values: it dials and closes nothing.

README.md tells which addresses are dialled, and which neighbour a newcomer replaces.
"""

import collections
import itertools
from collections.abc import Iterable

from grapevine.addresses import Address, by_ip, sample
from grapevine.tools import Recent
from grapevine.voidphone.ini import Config

PUSH_MEMORY = 10.0  # seconds in which only the first PUSH of an address is news
PUSHES = 10_000  # addresses remembered for that


class View:
    """A link of it has `is_dialled` (by this module), `is_proven` (it was found at its address),
    and `teller` (the neighbour that named it, if it was dialled for that)."""

    def __init__(self, config: Config, rng):
        self._own, self._config, self._rng = config.p2p_address, config, rng
        self.links: dict[Address, object] = {}  # neighbour -> its link
        # address -> the neighbour that named it last, in a 505 or by PUSH; the latest comes last
        self._dialling: dict[Address, Address | None] = {}
        self._known: collections.OrderedDict[Address, Address | None] = collections.OrderedDict()
        self._pushed = Recent(PUSHES)  # address -> until when it is no news

    # Neighbours.

    def is_better(self, peer: Address, is_dialled: bool) -> bool:
        """Tell whether a new link to a peer replaces the present one. Of two links in opposite
        directions, the better is dialled by the lower address; of two in the same, the newer."""
        link = self.links.get(peer)
        return (link is None or link.is_dialled == is_dialled
                or is_dialled == (self._own < peer))

    def enter(self, peer: Address, link, is_dialled: bool) -> Address | None:
        """Make a verified peer a neighbour, over its better link. Return the neighbour that has to
        go, if they are too many."""
        before = self.links.get(peer)
        link.is_dialled = is_dialled
        link.is_proven = is_dialled or before is not None and before.is_proven
        link.teller = self._dialling.pop(peer, None) if is_dialled else None
        self.links[peer] = link
        self._known.pop(peer, None)
        return self._surplus(peer) if len(self.links) > self._config.max_connections else None

    def _surplus(self, newcomer: Address) -> Address:
        """Return the neighbour that a newcomer replaces. It is unproven, or else has dialled us, if
        possible. Among several, draw from the IP with most of them."""
        others = [peer for peer in self.links if peer != newcomer]
        others = ([peer for peer in others if not self.links[peer].is_proven]
                  or [peer for peer in others if not self.links[peer].is_dialled] or others)
        crowds = by_ip(others)
        most = max(map(len, crowds.values()))
        return self._rng.choice([peer for peer in others if len(crowds[peer.ip]) == most])

    def prove(self, peer: Address) -> None:
        """Note that a peer, perhaps a neighbour, has answered at its address."""
        if peer in self.links:
            self.links[peer].is_proven = True

    def remove(self, peer: Address) -> None:
        self._note(peer, self.links.pop(peer).teller)

    def addresses(self, but: Address | None = None) -> tuple[Address, ...]:
        return tuple([peer for peer in self.links if peer != but])

    def lacks_neighbours(self) -> bool:
        return len(self.links) < self._config.min_degree

    # Dials.

    def begin_dial(self, peer: Address, is_needed: bool = False, up: int = 0,
                   teller: Address | None = None) -> bool:
        """Take a place for a dial, and return whether to dial. One that is needed has a place.
        `teller` named the peer, which may have been forgotten since."""
        teller = self._known.get(peer, teller)
        may = self._is_strange(peer) and (is_needed or self._free_for(teller, up) > 0)
        if may:
            self._dialling[peer] = teller
        return may

    def end_dial(self, peer: Address) -> None:
        self._dialling.pop(peer, None)

    def _is_strange(self, peer: Address) -> bool:
        return peer != self._own and peer not in self.links and peer not in self._dialling

    def _free_for(self, teller: Address | None, up: int = 0) -> int:
        """Return how many places are free for addresses from `teller`. It gets half of the places
        that others leave free, rounded `up` or not, and at least one while neighbours are few."""
        tellers = [*(link.teller for link in self.links.values()), *self._dialling.values()]
        taken, filled = len(tellers), tellers.count(teller)
        free = max(0, self._config.degree - taken)
        if teller is None or not free:
            return free
        return max((free + filled + up) // 2 - filled, int(taken < self._config.min_degree))

    # Known addresses.

    def heard_of(self, addresses: Iterable[Address], teller: Address) -> list[Address]:
        """Remember the addresses of a 505 (peer response). Return some to dial."""
        strangers = list(filter(self._is_strange, dict.fromkeys(addresses)))
        for address in strangers:
            self._known[address] = teller
            self._known.move_to_end(address)
        for address in self.known()[self._config.cache_size:]:
            del self._known[address]
        return sample(by_ip(strangers), self._free_for(teller), self._rng)

    def pushed(self, address: Address, now: float, teller: Address | None = None) -> bool:
        """Remember the address of a PUSH; return whether it is news, to dial and to forward."""
        if address != self._own and address not in self.links:
            self._note(address, teller)
        is_news = now >= self._pushed.get(address, now)
        if is_news:
            self._pushed[address] = now + PUSH_MEMORY
        return is_news

    def known(self) -> list[Address]:
        """Return known addresses, the latest first: the first of each IP, then the second, …"""
        turns = collections.defaultdict(itertools.count)  # IP -> counts its addresses
        return sorted(reversed(self._known), key=lambda address: next(turns[address.ip]))

    def forget(self, address: Address) -> None:
        self._known.pop(address, None)

    def _note(self, address: Address, teller: Address | None) -> None:
        self._known[address] = teller
        self._known.move_to_end(address)
        if len(self._known) > self._config.cache_size:
            self._known.popitem(last=False)
