"""Places: whom a peer dials next. Pure.

The successor on the ring first; then, into free places, others at random: first an IP, weighted by
the mean capacity of its peers, then a peer of this IP with a probability proportional to its
capacity. As capacities follow a power law, degrees do, too; and because ports cost nothing, sixty
ports of one host are drawn as often as one.
"""

import itertools
import random

from grapevine.addresses import Address, by_ip
from grapevine.neighbours import ring_neighbours, successors
from grapevine.settings import capacity_of
from grapevine.tools import Backoff, Recent

RING_PLACES = 2  # of the places of a peer: for its successor and its predecessor
RESERVED_ROUNDS = 3  # for which these are kept for them; they may never dial, or be liars
FULL_ROUNDS = 10  # rounds for which a peer that refused is dialled for the ring alone
FIRST_PAUSE = 0.5  # seconds
SHORTER = 8  # times: the first pauses after refusals, so that the first few cost little
DRAWS = 32  # tries to draw a fitting peer, before all are looked at
MEMORY_LIMIT = 10_000  # peers in each memory


class Lottery:
    """Draws peers of a list: an IP first, then a peer, both weighted by capacity."""

    def __init__(self, peers: list[Address], rule: str):
        self.peers = peers
        self._groups = [  # (peers of an IP, their cumulative capacities)
            (group, list(itertools.accumulate(capacity_of(peer, rule) for peer in group)))
            for group in by_ip(peers).values()]
        self._weights = list(itertools.accumulate(
            weights[-1] / len(group) for group, weights in self._groups))

    def draw(self, rng: random.Random) -> Address:
        [(group, weights)] = rng.choices(self._groups, cum_weights=self._weights)
        return rng.choices(group, cum_weights=weights)[0]


class Places:
    def __init__(self, own: Address, capacity: int, rule: str, interval: float, rng: random.Random):
        self._own, self._rule, self._interval, self._rng = own, rule, interval, rng
        self._drawn_places = max(0, capacity - RING_PLACES)
        self._lottery = Lottery([], rule)
        self._ring: tuple[set[Address], float] = set(), 0.0  # its neighbours there, and since when
        self.dialling: set[Address] = set()
        self._unreachable = Recent(MEMORY_LIMIT)  # peer -> until when it is passed over
        # peer that refused -> until when only the ring dials it, and Backoff of these dials
        self._refused = Recent(MEMORY_LIMIT)
        self._backoff = Backoff(FIRST_PAUSE / SHORTER, interval)  # of all other dials

    def pass_over(self, peer: Address, now: float) -> None:
        """It cannot be reached: the ring goes past it for a round."""
        self._unreachable[peer] = now + self._interval

    def refused(self, peer: Address, now: float) -> None:
        """It has refused, given this peer up, or broken a rule: it is left alone for a while."""
        _, wait = self._refused.get(peer, (0.0, Backoff(FIRST_PAUSE, self._interval)))
        wait.failed(now)
        self._refused[peer] = now + FULL_ROUNDS * self._interval, wait
        self._backoff.failed(now)

    def linked(self, peer: Address) -> None:
        self._unreachable.pop(peer, None)
        self._refused.pop(peer, None)
        self._backoff.reset()

    def choose(self, known: list[Address], linked: set[Address], counted: set[Address], now: float
               ) -> list[Address]:
        """Return whom to dial of the known peers, which are in order: the successor, and one more
        if a place is free. `counted` are those linked that take a place."""
        chosen = []
        successor = next((peer for peer in successors(self._own, known)
                          if self._unreachable.get(peer, 0.0) <= now), None)
        if successor is not None and successor not in linked and successor not in self.dialling:
            if successor not in self._refused or self._refused[successor][1].due <= now:
                chosen.append(successor)
        on_ring = ring_neighbours(self._own, known)
        if on_ring != self._ring[0]:
            self._ring = on_ring, now
        is_reserved = now < self._ring[1] + RESERVED_ROUNDS * self._interval
        has_room = len(counted) < self._drawn_places + (
            len(on_ring & counted) if is_reserved else RING_PLACES)
        if has_room and self._backoff.due <= now and not self.dialling - on_ring:
            chosen += self._draw(known, linked | on_ring, now)
        return chosen

    def _draw(self, known: list[Address], taken: set[Address], now: float) -> list[Address]:
        """Draw a peer that is not taken, full or unreachable, if there is one."""
        def fits(peer: Address) -> bool:
            return (peer not in taken and self._refused.get(peer, (0.0,))[0] <= now
                    and self._unreachable.get(peer, 0.0) <= now)

        if self._lottery.peers is not known:
            self._lottery = Lottery(known, self._rule)
        for _ in range(DRAWS if known else 0):
            if fits(peer := self._lottery.draw(self._rng)):
                return [peer]
        rest = [peer for peer in known if fits(peer)]
        return [Lottery(rest, self._rule).draw(self._rng)] if rest else []

    def next_at(self, now: float) -> float:
        """Return when a pause ends next. Forget those that are over, the oldest first, because each
        look passes all, and where addresses come and go there were thousands."""
        while self._unreachable and next(iter(self._unreachable.values())) <= now:
            self._unreachable.popitem(last=False)
        while self._refused and next(iter(self._refused.values()))[0] <= now:
            self._refused.popitem(last=False)
        pauses = [self._backoff.due, *(wait.due for _, wait in self._refused.values()),
                  *self._unreachable.values()]
        return min((due for due in pauses if due > now), default=now + self._interval)
