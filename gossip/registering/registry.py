"""The registry: the peers that a seed lists, or lately removed.

Rules only. A probe takes time, and its verdict is about the row that it was made for: a newer row
of the same address stays. Every change of the list is written into the output file.
"""

import bisect
import math
from collections.abc import Callable

from gossip.addresses import Address, is_loopback
from gossip.settings import Settings
from gossip.tools import Recent

REMOVED_MEMORY = 3600.0  # seconds for which a report of a removed peer can matter
TELL_AGAIN = 60.0  # seconds between two tellings of the same death
REMEMBERED = 10_000  # removed addresses that are kept


class Listing:
    """A verified registration, which is a row of the registry."""

    def __init__(self, address: Address, link, now: float):
        self.address = address
        self.link = link  # None: the connection is lost, but the peer may come back
        self.since = self.known_alive = now  # when it was listed, and when a probe found it alive
        self.is_doubted = False  # it is probed again soon, because a probe found nothing out
        self.others = -1  # how many were on the list besides it when it last asked
        self.repeated = -math.inf  # when it last said `register:` again
        self.probed_at: float | None = None  # since when it is probed because it was silent
        self.in_vain_at = -math.inf  # `probed_at` of the last probe in vain

    def stands(self) -> bool:
        return self.link is not None and not self.link.ended

    @property
    def heard(self) -> float:
        """When a byte came last on its link, or it answered a probe that asked for it."""
        return self.known_alive if self.link is None else max(self.known_alive, self.link.heard)

    def probed(self, alive: bool | None) -> bool:
        """Note the end of the probe of a silent registration. Return whether to remove it, because
        it did not answer twice: one probe of a busy peer may well fail."""
        in_vain = alive is False and self.heard < self.probed_at
        twice = in_vain and self.heard < self.in_vain_at
        if in_vain:
            self.in_vain_at = self.probed_at
        self.probed_at = None
        return twice


class Removal:
    """The removal of an address, and the reports about it."""

    passed_on = False  # a report was passed on since
    told = -math.inf  # when peers were told of the death last

    def was_told(self, now: float) -> bool:
        return now - self.told < TELL_AGAIN


class Registry:
    """The peers that a seed has verified."""

    def __init__(self, settings: Settings, write: Callable[[str], object]):
        self._settings, self._write = settings, write
        self._rows: dict[Address, Listing] = {}
        self._ordered: list[Address] = []  # their addresses, in order
        self._removed = Recent(REMEMBERED)  # address -> Removal

    def register(self, address: Address, link, now: float):
        """List a verified peer. Return the link of its older registration, if any."""
        old = self._rows.get(address)
        if old is None:
            bisect.insort(self._ordered, address)
        self._rows[address] = Listing(address, link, now)
        self._removed.pop(address)
        self._write(f"registered:{address}")
        return None if old is None else old.link

    def is_full_for(self, address: Address) -> bool:
        """Return whether too many of its IP are listed."""
        limit, number = self._settings.registrations_per_ip, address.number
        first, behind = (bisect.bisect(self._ordered, (at,)) for at in (number, number + 1))
        return (0 < limit <= behind - first and address not in self._rows
                and not is_loopback(address))

    def row(self, address: Address, link=None) -> Listing | None:
        """Return the row of an address. If a link is given, it must be over that."""
        row = self._rows.get(address)
        return row if row is None or link is None or row.link is link else None

    def silent(self, since: float, now: float) -> list[Listing]:
        """Return the registrations that said nothing after `since`, the longest silent first. They
        are to be probed, and none is returned again until `probed` is called."""
        found = [row for row in self._rows.values()
                 if row.link is not None and row.probed_at is None and row.heard <= since]
        for row in found:
            row.probed_at = now
        return sorted(found, key=lambda row: row.heard)

    def remove(self, row: Listing | None, reason: str, now: float, last_line: bytes = b"") -> bool:
        """Remove exactly this registration, and close its link. Return whether it was listed."""
        if row is None or self._rows.get(row.address) is not row:
            return False
        address = row.address
        del self._rows[address]
        del self._ordered[bisect.bisect_left(self._ordered, address)]
        self._removed.put(address, Removal(), now + REMOVED_MEMORY)
        self._write(f"removed:{address}:{reason}")
        if row.link is not None:
            if last_line:
                row.link.send(last_line)
            row.link.close(reason)
        return True

    def removal(self, address: Address, now: float) -> Removal | None:
        """Return the removal of an address, while a report about it can matter."""
        return self._removed.get(address, now)

    def addresses(self) -> tuple[Address, ...]:
        return tuple(self._ordered)

    def links(self) -> list:
        return [row.link for row in self._rows.values() if row.link is not None]
