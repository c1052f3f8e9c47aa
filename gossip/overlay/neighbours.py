"""The table of neighbours: which peers are linked, by which links, and which are being dialled.

Rules only: link readers, membership and liveness call it; forwarding reads `links()`.

A newcomer is judged (one link per pair, room, the ring) and entered in one step. Every change is
an event in `changes`, in order: `connected` and `disconnected` of a peer take turns in the output
file, whichever thread writes them.
"""

import collections
import threading
from typing import NamedTuple

from gossip.addresses import Address
from gossip.overlay import ring
from gossip.settings import Settings


class Admission(NamedTuple):
    """What becomes of a newcomer: it is accepted, or refused for a reason, or the link `ask` has
    to be asked first whether it still lives. `replaced` is an older link that gave way for this
    reason. `serial` grows with every admission."""

    accepted: bool
    reason: str = ""
    ask: object = None
    replaced: object = None
    serial: int = 0


class _Neighbour:
    __slots__ = ("link", "dialler", "since")

    def __init__(self, link, dialler: Address, since: float):
        self.link = link
        self.dialler = dialler  # which of the two made the link
        self.since = since


class Neighbours:
    """The neighbours of `own`, a link each."""

    def __init__(self, own: Address, settings: Settings):
        self._own = own
        self._settings = settings
        self.capacity = settings.capacity.of(own)
        self._lock = threading.Lock()  # guards everything below, and the order of `changes`
        self.changes = collections.deque()  # event texts; taken by the output file
        self._serial = 0  # of the last admission
        self._rows: dict[Address, _Neighbour] = {}
        self._dialling: dict[Address, bool] = {}  # address -> is it for the ring
        self._links = ()  # all links, replaced as a whole

    # Called by whoever dials.

    def begin_dial(self, address: Address, for_ring: bool) -> bool:
        """Note that a dial begins; return False if the peer is linked or being dialled already."""
        with self._lock:
            if address in self._rows or address in self._dialling or address == self._own:
                return False
            self._dialling[address] = for_ring
            return True

    def end_dial(self, address: Address) -> bool:
        """Note that a dial has ended; return whether it was for the ring."""
        with self._lock:
            return self._dialling.pop(address, False)

    def dialling(self) -> set[Address]:
        with self._lock:
            return set(self._dialling)

    # Called by the reader of a new link.

    def admit(self, address: Address, link, dialler: Address, now: float,
              silent=None) -> Admission:
        """Judge a new link and, if it is accepted, enter it: gossip flows over it from now on.

        `silent` is an older link that was asked for a reply and gave none: it gives way.
        """
        with self._lock:
            if address == self._own:
                return Admission(False, "self")
            standing = self._rows.get(address)
            if standing is not None:
                return self._second(address, link, dialler, now, standing, silent)
            if dialler == address:
                if address in self._dialling and self._own < address:
                    return Admission(False, "duplicate")  # our own dial stays
                if not ring.accepts(self._own, address, self._rows, self.capacity):
                    return Admission(False, "full")
            self._enter(address, link, dialler, now)
            self._note_degree()
            return Admission(True, serial=self._serial)

    def _second(self, address, link, dialler, now, standing, silent) -> Admission:
        """Two links of one pair: one of them stays. Expects the lock."""
        if standing.link is silent or standing.link.ended:
            reason = "replaced"
        elif now - standing.since > self._settings.young:
            return Admission(False, "duplicate", ask=standing.link)
        elif standing.dialler != dialler and dialler == min(self._own, address):
            reason = "duplicate"
        else:
            return Admission(False, "duplicate")
        self.changes.append(f"disconnected:{address}:{reason}")
        self._enter(address, link, dialler, now)
        return Admission(True, reason, replaced=standing.link, serial=self._serial)

    def _enter(self, address, link, dialler, now) -> None:
        self._serial += 1
        self._rows[address] = _Neighbour(link, dialler, now)
        self.changes.append(f"connected:{address}")
        self._renew_links()

    def remove(self, address: Address, link, reason: str) -> bool:
        """Take out the row of exactly this link; return whether it was there."""
        with self._lock:
            row = self._rows.get(address)
            if row is None or row.link is not link:
                return False
            del self._rows[address]
            self.changes.append(f"disconnected:{address}:{reason}")
            self._note_degree()
            self._renew_links()
            return True

    def _note_degree(self) -> None:
        self.changes.append(f"degree:{self._own}=>{len(self._rows)}")

    def _renew_links(self) -> None:
        self._links = tuple(row.link for row in self._rows.values())

    # Called by everyone.

    def links(self) -> tuple:
        """The links over which gossip flows: a tuple, replaced as a whole, so no lock is needed."""
        return self._links

    def link(self, address: Address):
        """The link to a neighbour, or None."""
        with self._lock:
            row = self._rows.get(address)
            return row.link if row is not None else None

    def dialler(self, address: Address) -> Address | None:
        """Which of the two made the link to a neighbour; None when there is no link."""
        with self._lock:
            row = self._rows.get(address)
            return row.dialler if row is not None else None

    def links_to(self, addresses: list[Address]) -> list:
        """The links to those of these peers that are neighbours."""
        with self._lock:
            return [self._rows[address].link for address in addresses if address in self._rows]

    def addresses(self) -> list[Address]:
        with self._lock:
            return sorted(self._rows)

    def surplus(self, now: float, settled: float, rng) -> list[tuple[Address, object]]:
        """The neighbours to give up, and their links: see `ring.surplus`."""
        with self._lock:
            if len(self._rows) <= self.capacity:
                return []
            ages = {address: now - row.since for address, row in self._rows.items()}
            links = {address: row.link for address, row in self._rows.items()}
        surplus = ring.surplus(self._own, ages, self.capacity, self._settings.spare_links,
                                  settled, rng)
        return [(address, links[address]) for address in surplus]
