"""Places: which peer is dialled next, and which are refused. Memories of peers; rules only."""

import collections
import math
import random

from gossip.addresses import Address, in_turns
from gossip.overlay import ring
from gossip.settings import Settings
from gossip.tools import Backoff, Recent

FULL_ROUNDS = 10  # liveness rounds for which a full or faulty peer is dialled for the ring alone
FULL_TRIES = 4  # refusals after which dialling for free places backs off
REMEMBERED = 10_000  # peers kept in each memory of Places and ShutOut; of more, the first goes
DEAD_REMEMBERED, DEAD_FOR = 100, 3600.0  # peers found dead: how many are kept, for how many seconds


class Places:
    """The choice of the next dial, and a memory of failed dials."""

    def __init__(self, own: Address, places: int, settings: Settings, rng: random.Random):
        self._own, self._settings, self._rng = own, settings, rng
        self._ordinary = max(0, places - ring.RING_PLACES)
        self._round = self._refusals = 0  # refusals since the last rest, or the last free place
        self._rest = Backoff(settings.retry_first, settings.liveness_interval)
        self._passed_over = Recent(REMEMBERED)  # unreachable peer -> until when
        self._full = Recent(REMEMBERED)  # full peers, by rounds: which are left alone
        self._redialled = Recent(REMEMBERED)  # peers dialled again at once
        self._ring_waits = Recent(REMEMBERED)  # peer that refused -> Backoff

    def next_round(self) -> None:
        self._round += 1

    def link_broke(self) -> None:
        """Note that a place became free, which may be filled at once."""
        self._refusals = 0
        self._rest.reset()

    def redial_at_once(self, address: Address, now: float) -> bool:
        """Return whether to redial at once after a break, once per interval."""
        return self._redialled.add(address, True, now, now + self._settings.liveness_interval)

    def linked(self, address: Address) -> None:
        """Note that a peer is a neighbour now. Its wait for the ring goes on."""
        self._passed_over.pop(address)
        self._full.pop(address)

    def leave_alone(self, address: Address) -> None:
        """Dial a peer for the ring alone, for FULL_ROUNDS."""
        self._full.put(address, True, self._round + FULL_ROUNDS)

    def put_off(self, address: Address, for_ring: bool, now: float) -> None:
        """Pause ring dials to a peer that refused, or whose link broke. The pause doubles.
        After some refusals, dialling for free places pauses, too."""
        self._refusals += 1
        if self._refusals >= FULL_TRIES:
            self._refusals = 0
            self._rest.failed(now)
        if for_ring:
            interval = self._settings.liveness_interval
            wait = (self._ring_waits.get(address, now)
                    or Backoff(self._settings.retry_first, interval))
            wait.failed(now)
            self._ring_waits.put(address, wait, wait.due + interval)

    def pass_over(self, address: Address, until: float) -> None:
        """Do not dial the peer until then. The ring skips it."""
        self._passed_over.put(address, until, until)

    def successor(self, listed, now: float) -> Address | None:
        passed_over = self._passed_over.all(now)
        return next((address for address in ring.successors(self._own, listed)
                     if address not in passed_over), None)

    def dials_for_ring(self, successor: Address | None, linked, dialling, now: float) -> bool:
        """Return whether to dial the next address on the ring now."""
        if successor is None or successor in linked or successor in dialling:
            return False
        wait = self._ring_waits.get(successor)
        return wait is None or wait.due <= now

    def ordinary_dial(self, listed, linked, dialling, now: float,
                      counted: dict[Address, ring.Tie]) -> Address | None:
        """Return whom to dial for a free place, or a crowded IP's."""
        holders = ring.ring_holders(self._own, listed)
        if self._rest.due > now or set(dialling) - holders:
            return None
        ips = {address.ip for address in listed}
        places = self._ordinary + len(holders.intersection(counted))
        if len(counted) >= places:
            ips = ring.favoured(ips, counted, holders, places)
            if not ips:
                return None  # nearly always
        left_out = {*linked, *dialling, *holders, *self._full.all(self._round),
                    *self._passed_over.all(now)}
        candidates = [address for address in listed
                      if address.ip in ips and address not in left_out]
        return ring.draw(candidates, self._settings.capacity, self._rng) if candidates else None

    def next_at(self, now: float) -> float:
        """Return when a pause ends next; infinity: never."""
        waits = [wait.due for wait in (self._rest, *self._ring_waits.all(now).values())]
        passed_over = self._passed_over.all(now).values()
        return min((t for t in (*waits, *passed_over) if t > now), default=math.inf)


class FoundDead:
    """The peers that died or fell silent lately, which are dialled while no seed answers. They may
    only have been cut off, and nothing else leads to the other half of a network. Of too many, the
    IP with most loses its oldest."""

    def __init__(self):
        # until when each is remembered; the turn of the last one comes next
        self._until: collections.OrderedDict[Address, float] = collections.OrderedDict()

    def add(self, peer: Address, now: float) -> None:
        """Remember a peer that was found dead, which has the next turn."""
        self.discard(peer)
        self._until[peer] = now + DEAD_FOR
        if len(self._until) > DEAD_REMEMBERED:
            newest = sorted(reversed(self._until), key=self._until.__getitem__, reverse=True)
            del self._until[in_turns(newest)[-1]]

    def discard(self, peer: Address) -> bool:
        return self._until.pop(peer, None) is not None

    def in_turn(self, now: float, known: set[Address]) -> Address | None:
        """Return the peer whose turn it is, newest first, without `known` peers."""
        for peer in [peer for peer, until in self._until.items() if until <= now]:
            del self._until[peer]
        peer = next((peer for peer in reversed(self._until) if peer not in known), None)
        if peer is not None:
            self._until.move_to_end(peer, last=False)
        return peer


class ShutOut:
    """The offences of neighbours, and which peers are refused for them."""

    def __init__(self, limits: dict[str, int], seconds: float, window: float | None = None):
        self._limits = limits  # offence -> how many within `window` are too many; 0: never
        self._seconds, self._window = seconds, seconds if window is None else window
        self._times = Recent(REMEMBERED)  # (peer, offence) -> times
        self._refused = Recent(REMEMBERED)  # peer -> until when, for which offence

    def note(self, peer: Address, offence: str, count: int, now: float) -> float | None:
        """Count an offence. If it is too frequent, refuse the peer, and return until when."""
        limit, key = self._limits[offence], (peer, offence)
        times = [at for at in self._times.pop(key, default=[]) if now - at < self._window]
        times += [now] * min(count, limit - len(times))
        if not limit or len(times) < limit:
            self._times.put(key, times)
            return None
        self.refuse(peer, offence, now + self._seconds, now)
        return now + self._seconds

    def refuse(self, peer: Address, reason: str, until: float, now: float) -> bool:
        """Refuse a peer until then, or longer. Return whether the reason is new."""
        before = self._refused.get(peer, now)
        longest = max(self._refused.get(peer, default=(until, reason)), (until, reason))
        self._refused.put(peer, longest, longest[0])
        return before is None or before[1] != reason

    def reason(self, peer: Address, now: float) -> str | None:
        return self._refused.get(peer, now, (now, None))[1]
