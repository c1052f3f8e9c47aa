"""The registry: which peers a seed lists, over which connections, and which it lately removed.

Rules only. A row stands for one verified registration. A probe takes time, and its verdict is
about the row that it was made for: a newer row of the same address stays. A peer repeats
`register:` every round, so a row also says when that was last. Every change of the list is an event
in `changes`, in order. Of one IP so many are listed and no more; on loopback all share one, and
there is no limit.
"""

import bisect
import collections

from gossip.addresses import Address, is_loopback
from gossip.seeds import LONG_AGO
from gossip.settings import Settings

REMOVED_MEMORY = 3600.0  # seconds for which a removal is remembered
TELL_AGAIN = 60.0  # seconds between two tellings of the same death
REMEMBERED = 10_000  # addresses kept of those that were removed
REPORTS_OF_ONE = 100  # deaths that a registered peer may report in a second: more than neighbours


class _Listing:
    """A row of the registry: one verified registration."""

    __slots__ = ("link", "since", "grace_until", "in_doubt", "others", "heard", "repeated",
                 "probed_at", "in_vain", "second", "reports")

    def __init__(self, link, now: float):
        self.link = link  # None: the connection is lost, but the peer may come back
        self.since = now
        self.grace_until = 0.0  # until when it may, if its connection is lost
        self.in_doubt = False  # nobody could find out whether it answers: it is probed again then
        self.others = -1  # how many were on the list besides it when it last asked
        self.heard = now  # when it last said `register:`, or answered a probe
        self.repeated = LONG_AGO  # when it last said `register:` again
        self.probed_at: float | None = None  # since when it is probed because it was silent
        self.in_vain = False  # it did not answer such a probe, and was not heard since
        self.second = self.reports = 0  # how many deaths it has reported in which second


class _Removal:
    """An address that was removed, and what has followed from that."""

    __slots__ = ("when", "passed_on", "told", "noted")

    def __init__(self, now: float):
        self.when = now
        self.passed_on = False  # a report was passed on since
        self.told = LONG_AGO  # when peers were told of the death last
        self.noted = False  # that has been written down


class Registry:
    """The peers that a seed has verified."""

    def __init__(self, settings: Settings, write):
        """`write(event)` writes into the output file."""
        self._settings = settings
        self._write = write
        self._rows: dict[Address, _Listing] = {}
        self._ordered: tuple[Address, ...] = ()  # their addresses, in order
        self._of_ip: collections.Counter = collections.Counter()  # IP -> how many are listed
        self._removed: collections.OrderedDict[Address, _Removal] = collections.OrderedDict()

    def register(self, address: Address, link, now: float):
        """List a verified peer; return (whether there was room, the link of an older registration
        or None)."""
        if self.is_full_for(address):
            return False, None
        old = self._rows.get(address)
        if old is None:
            at = bisect.bisect(self._ordered, address)
            self._ordered = (*self._ordered[:at], address, *self._ordered[at:])
            self._of_ip[address.ip] += 1
        self._rows[address] = _Listing(link, now)
        self._removed.pop(address, None)
        self._write(f"registered:{address}")
        return True, old.link if old is not None else None

    def is_full_for(self, address: Address) -> bool:
        """Whether so many of its IP are listed that this address, which is not, cannot be."""
        limit = self._settings.registrations_per_ip
        return (0 < limit <= self._of_ip[address.ip] and address not in self._rows
                and not is_loopback(address))

    def is_registered(self, address: Address, link) -> bool:
        """Whether the address is listed, and over exactly this link."""
        row = self._rows.get(address)
        return row is not None and row.link is link

    def repeats(self, address: Address, link, now: float) -> bool:
        """A peer has said `register:` again: note that; return whether it is listed over exactly
        this link."""
        row = self._rows.get(address)
        if row is None or row.link is not link:
            return False
        row.heard, row.in_vain = now, False
        row.repeated = now
        return True

    def answers(self, address: Address, link, now: float) -> bool:
        """A peer that was silent has answered a probe: the same."""
        row = self._rows.get(address)
        if row is None or row.link is not link:
            return False
        row.heard, row.in_vain = now, False
        return True

    def may_report(self, address: Address, now: float) -> bool:
        """A listed peer reports a death; return whether it has not reported too many lately."""
        row = self._rows.get(address)
        if row is None:
            return True  # the budget for all is enough
        if row.second != int(now):
            row.second, row.reports = int(now), 0
        row.reports += 1
        return row.reports <= REPORTS_OF_ONE

    def silent(self, since: float, now: float) -> list[tuple[Address, _Listing, object]]:
        """(address, row, link) of the registrations from which nothing was heard after `since`, the
        longest silent first, as not all may find room in the prober's queue. They are to be probed:
        until `probed` is called with its row, none is named again."""
        found = [(address, row, row.link) for address, row in self._rows.items()
                 if row.link is not None and row.probed_at is None and row.heard <= since]
        for _, row, _ in found:
            row.probed_at = now
        return sorted(found, key=lambda silent: silent[1].heard)

    def probed(self, row, alive: bool | None) -> bool:
        """The probe of a silent registration is over; return whether it is to be removed: it was
        silent meanwhile, and answered neither this probe nor one in an earlier round. Of who has
        more to do than it can do, a single probe may well fail."""
        in_vain = alive is False and row.heard < row.probed_at
        twice = row.in_vain and in_vain
        row.in_vain |= in_vain
        row.probed_at = None
        return twice

    def row(self, address: Address):
        """The present row of an address, for `remove`; None when it is not listed."""
        return self._rows.get(address)

    def lost(self, address: Address, link):
        """The connection is gone; return the row that it belonged to, or None."""
        row = self._rows.get(address)
        if row is None or row.link is not link:
            return None
        row.link = None
        row.grace_until = float("inf")  # until the probe's verdict
        return row

    def spare(self, address: Address, row, until: float) -> None:
        """The peer answers, but its connection is gone: it may register again until then."""
        if self._rows.get(address) is row and row.link is None:
            row.grace_until = until

    def doubt(self, address: Address, row, until: float) -> None:
        """The connection is gone, and whether the peer answers could not be found out: it is to be
        probed again then."""
        row.in_doubt = True
        self.spare(address, row, until)

    def doubtful(self, now: float) -> list[tuple[Address, _Listing]]:
        """The registrations that are to be probed again now; none of them is named twice."""
        found = [(address, row) for address, row in self._rows.items()
                 if row.in_doubt and row.link is None and row.grace_until <= now]
        for _, row in found:
            row.in_doubt, row.grace_until = False, float("inf")
        return found

    def outstayed(self, now: float) -> list[tuple[Address, _Listing]]:
        """The registrations whose time to come back is over, e.g. 60 seconds after the probe."""
        return [(address, row) for address, row in self._rows.items()
                if row.link is None and row.grace_until <= now and not row.in_doubt]

    def next_at(self) -> float | None:
        """When the next registration's time to come back is over; None without one."""
        times = [row.grace_until for row in self._rows.values() if row.link is None]
        return min((t for t in times if t != float("inf")), default=None)

    def remove(self, address: Address, row, reason: str, now: float):
        """Take exactly this registration off the list; return (whether it was there, its link if
        that stands)."""
        if row is None or self._rows.get(address) is not row:
            return False, None
        del self._rows[address]
        at = bisect.bisect_left(self._ordered, address)
        self._ordered = self._ordered[:at] + self._ordered[at + 1:]
        self._of_ip[address.ip] -= 1
        if not self._of_ip[address.ip]:
            del self._of_ip[address.ip]
        self._removed[address] = _Removal(now)
        while len(self._removed) > REMEMBERED:
            self._removed.popitem(last=False)
        self._write(f"removed:{address}:{reason}")
        return True, row.link

    def lately_removed(self, address: Address, now: float) -> bool:
        """Whether it was removed so lately that a report about it can matter."""
        removal = self._removed.get(address)
        return removal is not None and now - removal.when < REMOVED_MEMORY

    def may_pass_on(self, address: Address) -> bool:
        """Return whether to pass a report on: True once per removal."""
        return self._is_first(address, "passed_on")

    def was_passed_on(self, address: Address) -> bool:
        """Whether a report was passed on since the address was removed."""
        removal = self._removed.get(address)
        return removal is not None and removal.passed_on

    def was_told(self, address: Address, now: float) -> bool:
        """Whether peers were told of this death within the last minute."""
        removal = self._removed.get(address)
        return removal is not None and now - removal.told < TELL_AGAIN

    def may_tell(self, address: Address, now: float) -> bool:
        """Return whether to tell peers of a death: True once per address and minute."""
        removal = self._removed.get(address)
        if removal is None or now - removal.told < TELL_AGAIN:
            return False
        removal.told = now
        return True

    def may_note(self, address: Address) -> bool:
        """Return whether to write down that others are told of a death: True once per removal."""
        return self._is_first(address, "noted")

    def _is_first(self, address: Address, mark: str) -> bool:
        """Mark a removal; return whether there is one that was not marked so before."""
        removal = self._removed.get(address)
        if removal is None or getattr(removal, mark):
            return False
        setattr(removal, mark, True)
        return True

    def addresses(self) -> tuple[Address, ...]:
        """Everyone on the list, in order: a tuple that never changes."""
        return self._ordered

    def list_changed(self, address: Address, link, count: int) -> bool:
        """Note how long the list is that this peer asks for; return whether that has changed."""
        row = self._rows.get(address)
        if row is None or row.link is not link or row.others == count:
            return False
        row.others = count
        return True

    def links(self) -> list:
        """The connections of all registered peers."""
        return [row.link for row in self._rows.values() if row.link is not None]
