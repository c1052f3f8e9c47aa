"""The view: the neighbours of a gossip module, the other addresses it knows, and whom to dial.

Rules only: no socket, no clock. A peer that dials us and does its work is always accepted; we dial
only while one of `degree` places is free, and each dial under way takes a place. README.md says
which addresses are dialled, and which neighbour is given up for a newcomer.
"""

import collections

from gossip.addresses import Address, in_turns, sample
from gossip.tools import Recent
from gossip.voidphone.handshake import PeerLink
from gossip.voidphone.ini import Config

PUSH_MEMORY = 10.0  # seconds in which only the first PUSH of an address is forwarded
PUSHES = 10_000  # addresses remembered for PUSH_MEMORY


class View:
    """Neighbours and known addresses. `dialled`, `proven` and `teller` stand in the links."""

    def __init__(self, config: Config, rng, write):
        self._own = config.p2p_address
        self._config = config
        self._rng = rng
        self._write = write  # writes an event into the output file
        self._neighbours: dict[Address, PeerLink] = {}
        # address -> the neighbour that named it last, in a 505; the latest comes last
        self._dialling: dict[Address, Address | None] = {}
        self._known: collections.OrderedDict[Address, Address | None] = collections.OrderedDict()
        self._pushed = Recent(PUSHES)

    def admit(self, peer: Address, link: PeerLink,
              dialled: bool) -> list[tuple[PeerLink, str]] | None:
        """Make a verified peer a neighbour; return the links given up for it, with reasons. None if
        a better link to it exists. Of two links in opposite directions, the better is dialled by
        the smaller address; of two in one direction, it is the newer."""
        teller = self._dialling.pop(peer, None)
        parted = []
        if (standing := self._neighbours.get(peer)) is not None:
            if standing.dialled != dialled and standing.dialled == (self._own < peer):
                return None
            parted.append((standing, "replaced"))
            self._write(f"disconnected:{peer}:replaced")
        link.dialled, link.teller = dialled, teller if dialled else None
        link.proven = dialled or standing is not None and standing.proven
        self._neighbours[peer] = link
        self._write(f"connected:{peer}")
        self._known.pop(peer, None)
        if len(self._neighbours) > self._config.max_connections:
            other = self._surplus(peer)
            parted.append((self._neighbours.pop(other), "one too many"))
            self._write(f"disconnected:{other}:one too many")
            self._note(other, parted[-1][0].teller)
        self._note_degree()
        return parted

    def _surplus(self, newcomer: Address) -> Address:
        """Return a neighbour to give up for a newcomer: an unproven one, else one that dialled us,
        else any; of these, a random one of the IP that has most of them."""
        links = self._neighbours
        others = [peer for peer in links if peer != newcomer]
        others = ([peer for peer in others if not links[peer].proven]
                  or [peer for peer in others if not links[peer].dialled] or others)
        crowds = collections.Counter(peer.ip for peer in others)
        most = max(crowds.values())
        return self._rng.choice([peer for peer in others if crowds[peer.ip] == most])

    def lacks_proof(self, peer: Address) -> bool:
        """Return whether this is a neighbour that is not proven."""
        return peer in self._neighbours and not self._neighbours[peer].proven

    def prove(self, peer: Address) -> None:
        """Note that a peer has answered at its address; if it is a neighbour, it is proven."""
        if peer in self._neighbours:
            self._neighbours[peer].proven = True

    def remove(self, peer: Address, link: PeerLink, reason: str = "") -> bool:
        """Remove a neighbour whose link has ended; return whether this was its present link."""
        if self._neighbours.get(peer) is not link:
            return False
        del self._neighbours[peer]
        self._write(f"disconnected:{peer}:{reason}")
        self._note_degree()
        self._note(peer, link.teller)
        return True

    def begin_dial(self, peer: Address, needed: bool = False) -> bool:
        """Take a place for a dial, a free one unless it is `needed`; return whether to dial."""
        teller = self._known.get(peer)
        is_dialled = self._is_strange(peer) and (needed or self._free_for(teller) > 0)
        if is_dialled:
            self._dialling[peer] = teller
        return is_dialled

    def _is_strange(self, peer: Address) -> bool:
        return peer != self._own and peer not in self._neighbours and peer not in self._dialling

    def end_dial(self, peer: Address) -> None:
        """Free the place of a dial that has ended."""
        self._dialling.pop(peer, None)

    def heard_of(self, addresses, teller: Address | None) -> list[Address]:
        """Remember the addresses of a neighbour's 505 (peer response); return some to dial."""
        strangers = list(filter(self._is_strange, dict.fromkeys(addresses)))
        for address in strangers:
            self._known[address] = teller
            self._known.move_to_end(address)
        for address in self.known()[self._config.cache_size:]:
            del self._known[address]
        return sample(strangers, self._free_for(teller), self._rng)

    def pushed(self, address: Address, now: float) -> bool:
        """Remember the address of a PUSH; return whether to forward it."""
        if address != self._own and address not in self._neighbours:
            self._note(address)
        return self._pushed.add(address, True, now, now + PUSH_MEMORY)

    def links(self) -> list[PeerLink]:
        return list(self._neighbours.values())

    def addresses(self) -> list[Address]:
        return list(self._neighbours)

    def known(self) -> list[Address]:
        """Return known addresses that are no neighbours: by IP, the latest of each first."""
        return in_turns(reversed(self._known))

    def lacks_neighbours(self) -> bool:
        return len(self._neighbours) < self._config.min_degree

    def forget(self, address: Address) -> None:
        """Drop an address that cannot be reached."""
        self._known.pop(address, None)

    def _note_degree(self) -> None:
        self._write(f"degree:{self._own}=>{len(self._neighbours)}")

    def _free_for(self, teller: Address | None) -> int:
        """Return how many places may go to addresses from `teller`. These are half of the places
        that others leave free, less those filled already; but one while neighbours are too few."""
        taken = len(self._neighbours) + len(self._dialling)
        free = max(0, self._config.degree - taken)
        if teller is None or not free:
            return free
        tellers = [link.teller for link in self._neighbours.values()]
        filled = (tellers + list(self._dialling.values())).count(teller)
        return max((free + filled) // 2 - filled, int(taken < self._config.min_degree))

    def _note(self, address: Address, teller: Address | None = None) -> None:
        self._known[address] = teller
        self._known.move_to_end(address)
        if len(self._known) > self._config.cache_size:
            self._known.popitem(last=False)
