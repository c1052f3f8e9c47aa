"""The peers that a peer knows: the union of the seeds' lists. Pure.

Each seed has room of its own for peers that it was the first to name, because it may invent them.
While no seed answers, what neighbours name counts, too. Most lists bring nothing new, so these must
cost little: `known` is sorted anew only when somebody comes or goes, and replaced, never changed.
"""

import collections
from collections.abc import Collection

from grapevine.addresses import Address, by_ip, can_be_dialled

FRESH_ROUNDS = 3  # rounds for which a peer counts as named after the list that named it
KEPT_ROUNDS = 10  # rounds for which it is known, because it may only be cut off
NAMED_LIMIT = 5_000  # peers that a seed may have named first; its lists have up to 500
HEARD_LIMIT = 1_000  # peers that only neighbours have named
LOST_LIMIT = 100  # former neighbours


class PeerList:
    def __init__(self, own: Address, interval: float):
        self._own, self._interval = own, interval
        self._named: dict[Address, float] = {}  # peer -> when a seed's list named it last
        self._by: dict[Address, object] = {}  # peer -> the seed that named it first
        self._heard: set[Address] = set()  # named by neighbours alone
        self._latest: dict[Address, tuple] = {}  # seed -> its latest list
        self.known: list[Address] = []  # all, in order
        self.lost: dict[Address, bool] = {}  # former neighbours, dialled while no seed answers
        self.dropped: collections.Counter = collections.Counter()  # what had no room -> how often

    def learn(self, seed: Address, addresses: tuple[Address, ...], now: float) -> bool:
        """Take a seed's list; return whether it differs from its last one."""
        is_news = addresses != self._latest.get(seed)
        self._latest[seed] = addresses
        named = dict.fromkeys(addresses, now)
        named.pop(self._own, None)
        if not self._own.is_loopback:  # another machine means itself by a loopback address
            named = {peer: now for peer in named if not peer.is_loopback}
        new = [peer for peer in named if peer not in self._named]
        if new:  # most lists bring nobody new
            room = max(0, NAMED_LIMIT - list(self._by.values()).count(seed))
            for peer in new[room:]:
                del named[peer]
                self.dropped["peers of one seed, too many"] += 1
            del new[room:]
            self._by.update(dict.fromkeys(new, seed))
        self._named.update(named)
        if self._heard:
            self._heard.clear()
            self._keep()
            new = set(new).difference(self.known)
        self._add(new)
        return is_news

    def hear(self, addresses: tuple[Address, ...]) -> None:
        """Take the peers that a neighbour names, as far as they may be reached from here; if there
        is no room, instead of those that others have named: whoever invents many hides honest ones
        only until the next answer."""
        if len(self._heard) + len(addresses) > HEARD_LIMIT:
            self._heard.clear()
            self._keep()
        new = [peer for peer in addresses if peer not in self and peer != self._own
               and peer.is_loopback == self._own.is_loopback and can_be_dialled(peer)]
        self._heard.update(new[:HEARD_LIMIT])
        self._add(new[:HEARD_LIMIT])

    def remember(self, peer: Address) -> None:
        """Remember a former neighbour. Of too many, the IP that has most loses its oldest: a peer
        with many ports, on the same side of a cut, makes nobody forget the other side."""
        self.lost[peer] = True
        if len(self.lost) > LOST_LIMIT:
            del self.lost[max(by_ip(self.lost).values(), key=len)[0]]

    def discard(self, peer: Address) -> None:
        """Forget a peer that has died or left, until a list names it again."""
        if peer in self:
            self._named.pop(peer, None)
            self._by.pop(peer, None)
            self._heard.discard(peer)
            self._keep()

    def unreachable(self, peer: Address, now: float) -> None:
        """Forget a peer that does not answer, unless a seed has named it lately."""
        if now - self._named.get(peer, -1e9) > FRESH_ROUNDS * self._interval:
            self.discard(peer)

    def forget_old(self, now: float) -> None:
        """Forget whom no seed has named for long."""
        kept = {peer: at for peer, at in self._named.items()
                if now - at < KEPT_ROUNDS * self._interval}
        if len(kept) < len(self._named):
            self._named = kept
            self._by = {peer: self._by[peer] for peer in kept}
            self._keep()

    def _add(self, new: Collection[Address]) -> None:
        if new:
            self.known = sorted(self.known + sorted(new))  # two runs in order are merged

    def _keep(self) -> None:
        self.known = [peer for peer in self.known if peer in self]

    def named_among(self, peers) -> set[Address]:
        """Return which of these seeds have named; all of them before the first list."""
        return {peer for peer in peers if peer in self._named} if self._latest else set(peers)

    def has_named(self, peer: Address) -> bool:
        """Tell whether a seed has named it, as seeds name this peer to all others."""
        return peer in self._named or peer == self._own

    def __contains__(self, peer: Address) -> bool:
        return peer in self._named or peer in self._heard
