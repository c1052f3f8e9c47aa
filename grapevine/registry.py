"""The registry of a seed: the peers that it lists, and those that it has removed lately. Pure."""

import bisect
import collections
import math

from grapevine.addresses import Address
from grapevine.tools import Budget, Recent

REMOVED_LIMIT = 10_000  # removed peers


class Listing:
    """A row of the registry: a registration that was verified by a probe."""

    def __init__(self, link, now: float, older: "Listing | None"):
        self.link = link  # None: its connection broke, but the peer may come back
        self.lost_at = now  # when that was
        self.repeated_at = -math.inf  # when `register` came again on its link
        self.told = -1  # how many others the peer was told of
        # its dead reports that are read, however often it registers
        self.reports = Budget(5, 100) if older is None else older.reports


class Removal:
    """A peer that was removed, and who has been told of its death."""

    def __init__(self, has_left: bool):
        self.has_left = has_left
        self.is_told = False  # the peers of this seed
        self.is_passed_on = False  # the other seeds


class Registry:
    def __init__(self, per_ip: int = 0):
        """List at most `per_ip` peers of one IP, except on loopback; 0: any number."""
        self._per_ip = per_ip
        self.rows: dict[Address, Listing] = {}
        self.ordered: list[Address] = []
        self.of_ip: dict[str, list[Address]] = collections.defaultdict(list)
        self.removed = Recent(REMOVED_LIMIT)  # peer -> Removal, unless it has registered since

    def has_room(self, peer: Address) -> bool:
        return (peer in self.rows or peer.is_loopback or not self._per_ip
                or len(self.of_ip.get(peer.host, ())) < self._per_ip)

    def register(self, peer: Address, link, now: float) -> Listing | None:
        """List a peer; return the row that it replaces."""
        older = self.rows.get(peer)
        if older is None:
            bisect.insort(self.ordered, peer)
            self.of_ip[peer.host].append(peer)
        self.rows[peer] = Listing(link, now, older)
        self.removed.pop(peer, None)
        return older

    def row_of(self, link) -> Listing | None:
        """Return the row that was registered over this link."""
        row = self.rows.get(link.peer)
        return row if row is not None and row.link is link else None

    def remove(self, peer: Address, row: Listing | None, has_left: bool = False) -> bool:
        """Remove exactly this row; return whether it was listed."""
        if row is None or self.rows.get(peer) is not row:
            return False
        del self.rows[peer], self.ordered[bisect.bisect_left(self.ordered, peer)]
        self.of_ip[peer.host].remove(peer)
        if not self.of_ip[peer.host]:
            del self.of_ip[peer.host]
        self.removed[peer] = Removal(has_left)
        return True

    def assume_removed(self, peer: Address) -> None:
        """Take an unlisted peer as removed, so that a report of its death is looked into."""
        if peer not in self.rows and peer not in self.removed:
            self.removed[peer] = Removal(has_left=False)

    def links(self) -> list:
        return [row.link for row in self.rows.values() if row.link is not None]

    def silent(self, since: float) -> list[tuple[Address, Listing]]:
        """Return the registrations on whose links nothing has come since then."""
        return [(peer, row) for peer, row in self.rows.items()
                if row.link is not None and row.link.heard_at <= since]
