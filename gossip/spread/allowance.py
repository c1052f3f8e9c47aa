"""The allowance: how much a neighbour may say in its own name, and when that is a flood.

Rules only. Each neighbour has an account, which outlives its links. Spreading charges the new lines
that a neighbour says in its own name. Above the allowance its link is read more slowly, and TCP
slows down the sender in turn. Relayed lines are free, because honest peers would otherwise pay for
others. Duplicates are free, because they are not forwarded, and are recognised without a hash.
"""

import collections
from typing import NamedTuple

from gossip import wire
from gossip.addresses import Address
from gossip.tools import Rate

LINE_BYTES = (1 << 20) / 1_000  # bytes a second, for each line a second
BURST_BYTES = (32 << 20) / 10_000  # bytes of a burst, for each line of a burst
REST_LIMIT = 1.0  # seconds at most that a link rests at a time, because liveness lines wait, too
PATIENCE = 60.0  # seconds of excess after which it counts as a flood
PAUSE = 1.0  # seconds within the allowance after which an excess is over
REMEMBERED = 1_000  # accounts kept; beyond that, the least recently used is dropped


class Excess(NamedTuple):
    """A neighbour has said more than it may: its link rests for `rest` seconds; a flood ends it."""

    rest: float
    is_flood: bool


class Cost(NamedTuple):
    """The cost of what a neighbour says: lines, and the bytes with which they are forwarded."""

    lines: int
    size: int


class Allowance:
    """The accounts of all neighbours: `rate` lines a second (0: no limit), and bytes in
    proportion."""

    def __init__(self, rate: int, burst: int):
        self._rates = [] if not rate else [  # of lines, and of bytes
            Rate(rate, burst, REMEMBERED),
            Rate(rate * LINE_BYTES, burst * BURST_BYTES, REMEMBERED)]
        # neighbour -> since when, and until when, it has said too much
        self._excesses: collections.OrderedDict[Address, tuple[float, float]] = (
            collections.OrderedDict())

    def cost(self, peer: Address, new: list[bytes]) -> Cost | None:
        """Return the cost of new lines that a neighbour says in its own name. None if free."""
        own = str(peer).encode()
        mark = b":" + own + b":"
        if not self._rates or mark not in b"\n".join(new):
            return None  # nearly always
        said = [line for line in new
                if mark in line and wire.gossip_key(line)[0].rpartition(b":")[0] == own]
        return Cost(len(said), sum(map(len, said))) if said else None

    def spend(self, peer: Address, cost: Cost, now: float) -> Excess | None:
        """Charge a neighbour; return its excess, if any. A flood closes its account."""
        wait = max([rate.take(now, amount, peer) for rate, amount in zip(self._rates, cost)])
        if not wait:
            return None
        since, until = self._excesses.pop(peer, (now, now))
        if now > until + PAUSE:
            since = now
        if now - since >= PATIENCE:
            for rate in self._rates:
                rate.forget(peer)
            return Excess(min(wait, REST_LIMIT), True)
        self._excesses[peer] = since, now + wait
        if len(self._excesses) > REMEMBERED:
            self._excesses.popitem(last=False)
        return Excess(min(wait, REST_LIMIT), False)
