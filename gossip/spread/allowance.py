"""The allowance: how much a neighbour may say in its own name, and when that is a flood.

Rules only, for every neighbour by itself: a new link is no new allowance. Spreading tells it of new
lines; whoever says more than its allowance is read more slowly, and TCP hands that on to the one
who floods. What a neighbour relays costs it nothing, or the honest would pay for others. What is
old costs nothing either: it travels no further, and a repetition is found without a hash.
"""

import collections
from typing import NamedTuple

from gossip import wire
from gossip.addresses import Address
from gossip.tools import Rate

LINE_BYTES = (1 << 20) / 1_000  # bytes a second that a neighbour may say, for each line a second
BURST_BYTES = (32 << 20) / 10_000  # the same at once, for each line at once
REST_LIMIT = 1.0  # seconds that a link rests at once, at most: its liveness lines wait as long
PATIENCE = 60.0  # seconds of excess after which a neighbour floods
PAUSE = 1.0  # seconds within its allowance after which an excess is over
REMEMBERED = 1_000  # neighbours whose accounts are kept; of more, the longest silent goes


class Excess(NamedTuple):
    """A neighbour has said more than it may: its link rests for `rest` seconds, or ends."""

    rest: float
    is_flood: bool


class Cost(NamedTuple):
    """The cost of what a neighbour says: lines, and the bytes with which they are sent on."""

    lines: int
    size: int


class Allowance:
    """So many lines a second (0: any number) beyond a burst, and their bytes, for each of the
    neighbours."""

    def __init__(self, rate: int, burst: int):
        self._rates = [] if not rate else [  # of lines, and of bytes
            Rate(rate, burst, REMEMBERED),
            Rate(rate * LINE_BYTES, burst * BURST_BYTES, REMEMBERED)]
        # neighbour -> since when, and until when, it has said too much
        self._excesses: collections.OrderedDict[Address, tuple[float, float]] = (
            collections.OrderedDict())

    def cost(self, peer: Address, new: list[bytes]) -> Cost | None:
        """Return the cost of those new gossip lines from a neighbour that speak in its own name."""
        own = str(peer).encode()
        mark = b":" + own + b":"
        if not self._rates or mark not in b"\n".join(new):
            return None  # nearly always
        said = [line for line in new
                if mark in line and wire.gossip_key(line)[0].rpartition(b":")[0] == own]
        return Cost(len(said), sum(map(len, said))) if said else None

    def spend(self, peer: Address, cost: Cost, now: float) -> Excess | None:
        """A neighbour has to pay this; None when it can. A flood closes its account."""
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
