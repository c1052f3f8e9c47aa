"""The peers that a peer knows: the union of the seeds' lists. Pure.

While no seed answers, what neighbours name counts, too. Most lists bring nothing new, so these must
cost little: `known` is sorted anew only when somebody comes or goes, and replaced, never changed.
"""

from grapevine.addresses import Address, can_be_dialled

FRESH_ROUNDS = 3  # rounds for which a peer counts as named after the list that named it
KEPT_ROUNDS = 10  # rounds for which it is known, because it may only be cut off
HEARD_LIMIT = 1_000  # peers that only neighbours have named


class PeerList:
    def __init__(self, own: Address, interval: float):
        self._own, self._interval = own, interval
        self._named: dict[Address, float] = {}  # peer -> when a seed's list named it last
        self._heard: set[Address] = set()  # named by neighbours alone
        self._latest: dict[Address, tuple] = {}  # seed -> its latest list
        self.known: list[Address] = []  # all, in order

    def learn(self, seed: Address, addresses: tuple[Address, ...], now: float) -> bool:
        """Take a seed's list; return whether it differs from its last one."""
        is_new = addresses != self._latest.get(seed)
        self._latest[seed] = addresses
        count = len(self._named)
        if not self._own.is_loopback:  # another machine means itself by a loopback address
            addresses = [peer for peer in addresses if not peer.is_loopback]
        self._named.update(dict.fromkeys(addresses, now))
        self._named.pop(self._own, None)
        if len(self._named) > count or self._heard:
            self._heard.clear()
            self._renew()
        return is_new

    def hear(self, addresses: tuple[Address, ...]) -> None:
        """Take the peers that a neighbour names, as far as they may be reached from here."""
        new = [peer for peer in addresses if peer not in self and peer != self._own
               and peer.is_loopback == self._own.is_loopback and can_be_dialled(peer)]
        self._heard.update(new[:max(0, HEARD_LIMIT - len(self._heard))])
        self._renew()

    def discard(self, peer: Address) -> None:
        """Forget a peer that has died or left, until a list names it again."""
        if self._named.pop(peer, None) is not None or peer in self._heard:
            self._heard.discard(peer)
            self._renew()

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
            self._renew()

    def _renew(self) -> None:
        names = self._named.keys() | self._heard
        kept = [peer for peer in self.known if peer in names]  # in order, so sorting is fast
        self.known = sorted(kept + sorted(names.difference(kept)))

    def named_among(self, peers) -> set[Address]:
        """Return which of these seeds have named; all of them before the first list."""
        return set(peers).intersection(self._named) if self._latest else set(peers)

    def has_named(self, peer: Address) -> bool:
        """Tell whether a seed has named it."""
        return peer in self._named

    def __contains__(self, peer: Address) -> bool:
        return peer in self._named or peer in self._heard
