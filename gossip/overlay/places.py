"""Places: which peer is dialled next, for the ring and for the ordinary places.

Rules only. Membership asks `ring_dial` and `ordinary_dial`.
"""

import random

from gossip.addresses import Address
from gossip.overlay import ring
from gossip.settings import Settings
from gossip.tools import Backoff, Recent

REMEMBERED = 10_000  # peers kept in each of the memories; of more, the first goes


class Places:
    """Remembers which peers could not be reached or were full, and when to try again."""

    def __init__(self, own: Address, places: int, settings: Settings, rng: random.Random):
        self._own = own
        self._ordinary = max(0, places - ring.RING_PLACES)
        self._settings = settings
        self._rng = rng
        self._round = 0
        self._refusals = 0  # since the last rest, or since a place became free
        self._rest = Backoff(settings.retry_first, settings.liveness_interval)
        self._passed_over = Recent(REMEMBERED)  # unreachable peer -> until when
        self._full = Recent(REMEMBERED)  # full peers, by rounds: which are left alone
        self._redialled = Recent(REMEMBERED)  # peers dialled again at once
        self._ring_waits = Recent(REMEMBERED)  # peer that refused -> Backoff

    def next_round(self, now: float) -> None:
        """A liveness round: forget the waits that are long over."""
        for memory in (self._ring_waits, self._redialled):
            memory.all(now)
        self._round += 1

    def link_broke(self) -> None:
        """A place became free: it may be filled at once."""
        self._refusals = 0
        self._rest.reset()

    def redial_at_once(self, address: Address, now: float) -> bool:
        """Return whether to dial a peer at once whose link broke: once per liveness interval. The
        rounds dial a peer that accepts and hangs up again and again."""
        return self._redialled.add(address, True, now, now + self._settings.liveness_interval)

    def linked(self, address: Address) -> None:
        """The peer is a neighbour now. Its wait for the ring goes on, so that a peer that accepts
        and hangs up is not dialled in circles."""
        self._passed_over.pop(address)
        self._full.pop(address)

    def leave_alone(self, address: Address) -> None:
        """The peer is full, gave the link up, or broke the rules: for some rounds it is dialled
        for the ring only."""
        self._full.put(address, True, self._round + self._settings.full_rounds)

    def put_off(self, address: Address, for_ring: bool, now: float) -> None:
        """The peer refused, or its link broke too often: for the ring it is dialled again after a
        pause, which doubles; and free places are, after some such refusals."""
        self._refusals += 1
        if self._refusals >= self._settings.full_tries:
            self._refusals = 0
            self._rest.failed(now)
        if for_ring:
            interval = self._settings.liveness_interval
            wait = self._ring_waits.get(
                address, default=Backoff(self._settings.retry_first, interval))
            wait.failed(now)
            self._ring_waits.put(address, wait, wait.due + interval)

    def pass_over(self, address: Address, until: float) -> None:
        """Dial the peer for no place before then; the ring goes on behind it."""
        self._passed_over.put(address, until, until)

    def successor(self, listed, now: float) -> Address | None:
        """The first listed address after one's own that is not passed over; None without one."""
        passed_over = self._passed_over.all(now)
        return next((address for address in ring.successors(self._own, listed)
                     if address not in passed_over), None)

    def ring_dial(self, listed, linked, dialling, now: float) -> Address | None:
        """The successor, if it is to be dialled: neither linked, nor dialling, nor in a wait."""
        successor = self.successor(listed, now)
        if successor is None or successor in linked or successor in dialling:
            return None
        wait = self._ring_waits.get(successor)
        return successor if wait is None or wait.due <= now else None

    def ordinary_dial(self, listed, linked, dialling, now: float,
                      counted: dict[Address, ring.Tie]) -> Address | None:
        """A peer to dial, one at a time, for an ordinary place that is free, or that a more
        frequent IP would give to it. `counted` are those of the linked that take a place."""
        holders = ring.ring_holders(self._own, listed)
        if set(dialling) - holders:
            return None
        ips = {address.ip for address in listed}
        places = self._ordinary + len(holders.intersection(counted))
        if len(counted) >= places:
            ips = ring.favoured(ips, counted, holders, places)
        if not ips or self._rest.due > now:
            return None
        left_out = {*linked, *dialling, *holders, *self._full.all(self._round),
                    *self._passed_over.all(now)}
        candidates = [address for address in listed
                      if address.ip in ips and address not in left_out]
        if not candidates:
            return None
        return ring.draw(candidates, self._settings.capacity, self._rng)

    def next_at(self, now: float) -> float | None:
        """When the next wait ends after which a dial may be made; None without one."""
        waits = [wait.due for wait in (self._rest, *self._ring_waits.all().values())]
        passed_over = self._passed_over.all(now).values()
        return min((t for t in (*waits, *passed_over) if t > now), default=None)
