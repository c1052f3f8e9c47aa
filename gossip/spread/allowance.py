"""The allowance: how much a neighbour may say in its own name, and when that is a flood.

Rules only, for every neighbour by itself: a new link is no new allowance. Spreading tells it of new
lines; whoever says more than its allowance is read more slowly, and TCP hands that on to the one
who floods. What a neighbour relays costs it nothing, or the honest would pay for others. What is
old costs nothing either: it travels no further, and a repetition is found without a hash.

To check a signature costs time, whoever has made it. So each neighbour has an account of checks as
well, and is given back a check when the signature lets a message in for the first time. Checks that
no message needs yet are another account: beyond it none is made.
"""

import collections
from typing import NamedTuple

from gossip import wire
from gossip.addresses import Address
from gossip.tools import Rate

LINE_BYTES = (1 << 20) / 1_000  # bytes a second that a neighbour may say, for each line a second
BURST_BYTES = (32 << 20) / 10_000  # the same at once, for each line at once
CHECKS, CHECKS_AT_ONCE = 20, 200  # signatures a second that are checked in vain, and beyond that
REST_LIMIT = 1.0  # seconds that a link rests at once, at most: its liveness lines wait as long
PATIENCE = 60.0  # seconds of excess after which a neighbour floods
PAUSE = 1.0  # seconds within its allowance after which an excess is over
SIGNED_COST = 5  # lines that a signed line costs, as to check one takes every peer some 0.4 ms; a
# generator that makes 100 messages a second, and signs each, stays within the usual rate
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
    """So many lines a second (0: any number) beyond a burst, and their bytes, for each neighbour;
    and signature checks."""

    def __init__(self, rate: int, burst: int):
        self._checks = Rate(CHECKS, CHECKS_AT_ONCE, REMEMBERED)
        self._early_checks = Rate(CHECKS, CHECKS_AT_ONCE, REMEMBERED)
        self._rates = [] if not rate else [  # of lines, and of bytes
            Rate(rate, burst, REMEMBERED),
            Rate(rate * LINE_BYTES, burst * BURST_BYTES, REMEMBERED)]
        # neighbour -> since when, and until when, it has said too much
        self._excesses: collections.OrderedDict[Address, tuple[float, float]] = (
            collections.OrderedDict())

    def cost(self, peer: Address, new: list[bytes], signed: list[bytes], covers: list[bytes]
             ) -> Cost | None:
        """Return the cost of new gossip lines, and for signed lines, that came from
        it, and for the `covers` with which the lines are sent on, which may be far longer: only
        those count that speak in its own name."""
        own = str(peer).encode()
        mark, head = b":" + own + b":", wire.SIGNED + own + b":"
        if not self._rates or mark not in b"\n".join([*new, *signed]):
            return None  # nearly always
        said = [line for line in new
                if mark in line and wire.gossip_key(line)[0].rpartition(b":")[0] == own]
        sent_on = [cover for cover in dict.fromkeys(covers) if cover.startswith(head)]
        lines = len(said) + SIGNED_COST * sum([line.startswith(head) for line in signed])
        return Cost(lines, sum(map(len, said + sent_on))) if lines else None

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

    def check(self, peer: Address, checks: dict[Address, int], now: float) -> float:
        """Signatures were checked on account of some neighbours, or are given back (below 0);
        return the seconds for which the link to `peer` has to rest."""
        for payer, count in checks.items():
            self._checks.take(now, count, payer)
        return min(self._checks.take(now, 0, peer), REST_LIMIT)

    def checks_early(self, peer: Address | None, now: float) -> bool:
        """Whether a signature that a neighbour has brought may be checked although no message needs
        that yet. Then it has been charged."""
        if self._early_checks.take(now, 0, peer):
            return False
        self._early_checks.take(now, 1, peer)
        return True
