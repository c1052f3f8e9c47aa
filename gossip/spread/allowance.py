"""The allowance: how much a neighbour may say in its own name, and when that is a flood.

Rules only, for every neighbour by itself. Spreading tells it of new lines; whoever says more than
its allowance is read more slowly, and TCP hands that on to the one who floods. What a neighbour
relays costs it nothing, or the honest would pay for others. What is old costs nothing either: it
travels no further, and a repetition is found without a hash.
"""

import collections
import threading
from typing import NamedTuple

from gossip import wire
from gossip.addresses import Address

REST_LIMIT = 1.0  # seconds that a link rests at once, at most: its liveness lines wait as long
PATIENCE = 60.0  # seconds of excess after which a neighbour floods
PAUSE = 1.0  # seconds within its allowance after which an excess is over
SIGNED_COST = 5  # lines that a signed line costs, as to check one takes every peer some 0.4 ms; a
# generator that makes 100 messages a second, and signs each, stays within the usual rate
COVER_BYTES = 300  # bytes of signed lines, sent on with what they cover, that cost as one line
REMEMBERED = 1_000  # neighbours whose accounts are kept; of more, the longest silent goes


class Excess(NamedTuple):
    """A neighbour has said more than it may: its link rests so many seconds; or it is a flood."""

    rest: float
    is_flood: bool


class Account:
    """What a neighbour has said lately."""

    __slots__ = ("lines", "at", "since", "paid")

    def __init__(self, now: float):
        self.lines = 0.0  # said, less those that its rate has allowed since
        self.at = now  # when that was so
        self.since = now  # when its excess began
        self.paid = float("-inf")  # when its excess is, or was, worked off


class Allowance:
    """So many lines a second (0: any number) beyond a burst, for each neighbour."""

    def __init__(self, rate: int, burst: int):
        self._rate = rate
        self._burst = burst
        self._lock = threading.Lock()  # guards _accounts
        self._accounts: collections.OrderedDict[Address, Account] = collections.OrderedDict()

    def cost(self, peer: Address, new: list[bytes], signed: list[bytes], covers: list[bytes]
             ) -> int:
        """What a neighbour has to pay for new gossip lines, and for signed lines, that came from
        it, and for the `covers` with which the lines are sent on, which may be far longer: only
        those count that speak in its own name."""
        own = str(peer).encode()
        mark, head = b":" + own + b":", wire.SIGNED + own + b":"
        if not self._rate or mark not in b"\n".join([*new, *signed]):
            return 0  # nearly always
        said = sum([wire.gossip_key(line)[0].rpartition(b":")[0] == own
                    for line in new if mark in line])
        sent_on = sum([len(cover) for cover in dict.fromkeys(covers) if cover.startswith(head)])
        return (said + SIGNED_COST * sum([line.startswith(head) for line in signed])
                + sent_on // COVER_BYTES)

    def spend(self, peer: Address, cost: int, now: float) -> Excess | None:
        """A neighbour has to pay this; None when it can. It keeps its account when its link ends,
        so that a new link is no new burst; a flood closes the account."""
        with self._lock:
            account = self._accounts.pop(peer, None) or Account(now)
            account.lines = max(0.0, account.lines - (now - account.at) * self._rate) + cost
            account.at = now
            excess = self._excess(account, now)
            if excess is None or not excess.is_flood:
                self._accounts[peer] = account
                if len(self._accounts) > REMEMBERED:
                    self._accounts.popitem(last=False)
            return excess

    def _excess(self, account: Account, now: float) -> Excess | None:
        beyond = account.lines - self._burst
        if beyond <= 0:
            return None
        seconds = beyond / self._rate
        if now > account.paid + PAUSE:
            account.since = now
        account.paid = now + seconds
        return Excess(min(seconds, REST_LIMIT), now - account.since >= PATIENCE)
