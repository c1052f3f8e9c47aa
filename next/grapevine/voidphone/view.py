"""The neighbours of a module, and the addresses that it knows. Values: it dials and closes nothing.

README.md tells which addresses are dialled, and which neighbour a newcomer replaces.
"""

import collections
import itertools
from collections.abc import Iterable

from grapevine.addresses import Address, by_ip, sample
from grapevine.link import Link
from grapevine.tools import Recent
from grapevine.voidphone.ini import Config

PUSH_MEMORY = 10.0  # seconds in which only the first PUSH of an address is news
PUSHES = 10_000  # addresses remembered for that


class Row:
    """A neighbour."""

    def __init__(self, link: Link, is_dialled: bool, is_proven: bool, teller: Address | None):
        self.link = link
        self.is_dialled = is_dialled  # by this module
        self.is_proven = is_proven  # it was found at its address
        self.teller = teller  # the neighbour that named it, if it was dialled for that


class View:
    def __init__(self, config: Config, rng):
        self._own, self._config, self._rng = config.p2p_address, config, rng
        self.rows: dict[Address, Row] = {}
        # address -> the neighbour that named it last, in a 505 or by PUSH; the latest comes last
        self._dialling: dict[Address, Address | None] = {}
        self._known: collections.OrderedDict[Address, Address | None] = collections.OrderedDict()
        self._pushed = Recent(PUSHES)  # address -> until when it is no news

    # Neighbours.

    def is_better(self, peer: Address, is_dialled: bool) -> bool:
        """Tell whether a new link to a peer replaces the present one. Of two links in opposite
        directions, the better is dialled by the lower address; of two in the same, the newer."""
        row = self.rows.get(peer)
        return (row is None or row.is_dialled == is_dialled
                or is_dialled == (self._own < peer))

    def enter(self, peer: Address, link: Link, is_dialled: bool) -> Address | None:
        """Make a verified peer a neighbour, over its better link. Return the neighbour that has to
        go, if they are too many."""
        teller = self._dialling.pop(peer, None) if is_dialled else None
        before = self.rows.get(peer)
        is_proven = is_dialled or before is not None and before.is_proven
        self.rows[peer] = Row(link, is_dialled, is_proven, teller)
        self._known.pop(peer, None)
        return self._surplus(peer) if len(self.rows) > self._config.max_connections else None

    def _surplus(self, newcomer: Address) -> Address:
        """Return the neighbour that a newcomer replaces. It is unproven, or else has dialled us, if
        possible. Among several, draw from the IP with most of them."""
        others = [peer for peer in self.rows if peer != newcomer]
        others = ([peer for peer in others if not self.rows[peer].is_proven]
                  or [peer for peer in others if not self.rows[peer].is_dialled] or others)
        crowds = by_ip(others)
        most = max(map(len, crowds.values()))
        return self._rng.choice([peer for peer in others if len(crowds[peer.ip]) == most])

    def prove(self, peer: Address) -> None:
        """Note that a peer, perhaps a neighbour, has answered at its address."""
        if peer in self.rows:
            self.rows[peer].is_proven = True

    def remove(self, peer: Address) -> None:
        self._note(peer, self.rows.pop(peer).teller)

    def links(self) -> list[Link]:
        return [row.link for row in self.rows.values()]

    def addresses(self, but: Address | None = None) -> tuple[Address, ...]:
        return tuple([peer for peer in self.rows if peer != but])

    def lacks_neighbours(self) -> bool:
        return len(self.rows) < self._config.min_degree

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
        return peer != self._own and peer not in self.rows and peer not in self._dialling

    def _free_for(self, teller: Address | None, up: int = 0) -> int:
        """Return how many places are free for addresses from `teller`. It gets half of the places
        that others leave free, rounded `up` or not, and at least one while neighbours are few."""
        tellers = [*(row.teller for row in self.rows.values()), *self._dialling.values()]
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
        if address != self._own and address not in self.rows:
            self._note(address, teller)
        is_news = now >= self._pushed.get(address, now)
        if is_news:
            self._pushed[address] = now + PUSH_MEMORY
        return is_news

    def known(self) -> list[Address]:
        """Return known addresses, the latest first: the first of each IP, then the second, …"""
        turns: dict[str, itertools.count] = collections.defaultdict(itertools.count)
        return sorted(reversed(self._known), key=lambda address: next(turns[address.ip]))

    def forget(self, address: Address) -> None:
        self._known.pop(address, None)

    def _note(self, address: Address, teller: Address | None) -> None:
        self._known[address] = teller
        self._known.move_to_end(address)
        if len(self._known) > self._config.cache_size:
            self._known.popitem(last=False)
