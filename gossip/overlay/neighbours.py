"""The table of neighbours: their links, and the rounds that they missed.

Rules only. Links and misses are written into the output file. If a link breaks that was proven, or
stood for a round, its peer misses every round of liveness until it is linked again, forgotten, or
dead. Of too many, the last are not counted.

A link is proven when its peer has answered a probe at the address that it announces, or when this
peer dialled it. Old misses count again if a new link ends before it is proven. Where gossip is
signed, every link is proven by a run (`link.run`: its START, and the TIME of the dial). "One link
per pair" in README.md here, and "A link has a key" in signing/README.md, say which of two links of
a pair stays. `listed`, in the methods below, are the neighbours that seeds have named.
"""

import math
from collections.abc import Set
from typing import NamedTuple

from gossip.addresses import Address
from gossip.overlay import ring
from gossip.settings import Settings
from gossip.tools import Rate

NEIGHBOUR = "a neighbour"  # the role of a link, as this peer sees the other end
YOUNG = 1.0  # seconds: a younger link may be replaced by a duplicate unasked
AT_ONCE = 20  # newcomers in a second that are accepted before they are proven
UNLISTED, UNLISTED_AT_ONCE = 25, 250  # probed newcomers that no seed has named, accepted in a
# second, and at once: enough for a whole network that starts at once
FETCHED = 0.5  # seconds after which a new neighbour has fetched what was said before
HEARERS = 2  # new neighbours that have to hear the last words of a peer; one may leave, too
STAYS = 2.0  # seconds after which a neighbour is thought to stay, so that it alone is enough


class Admission(NamedTuple):
    """The decision about a newcomer."""

    accepted: bool
    reason: str = ""  # of a refusal, or for which another link gave way
    ask: object = None  # a link that has to be asked first whether it still lives
    probe: bool = False  # the address has to be probed first
    replaced: object = None  # the older link that gave way
    proven: bool = False


class Round(NamedTuple):
    """The tasks of a liveness round, in the order of addresses."""

    ask: list  # links over which a request is sent
    suspects: list[Address]  # peers that have just reached the limit: one more probe
    lost: list[Address]  # peers without a link: they are dialled again
    withheld: int  # how many missed a round that was late, which does not count


class Neighbour:
    """A row of the table."""

    unreached = False  # it was looked for at its address, in vain
    misses = 0  # rounds missed in a row
    suspect = False

    def __init__(self, link, dialler: Address, since: float, chosen: bool, proven: bool,
                 owed: int | None):
        self.link = link  # None once it broke
        self.dialler = dialler  # which of the two made the link
        self.since = self.answered = since  # when the link came, and the peer last answered
        self.chosen = chosen  # this peer wanted the link by itself
        self.proven = proven  # the peer has answered at its address since this link came
        self.owed = owed  # misses before this link came; None: the peer was not counted
        self.asked: dict[str, float] = {}  # TIME of each unanswered request -> when it was sent

    def doubts(self) -> int | None:
        """Return how many misses to carry over to this peer's next link."""
        if self.link is None or self.proven:
            return self.misses
        if self.owed is None:
            return self.misses or None
        return max(self.misses, self.owed)

    def spare(self) -> bool:
        """Forget the misses of a slow link. Return whether it was slow, and not silent."""
        if self.link is None or self.link.heard <= min(self.asked.values(), default=math.inf):
            return False
        self.asked.clear()
        self.misses, self.suspect = 0, False
        return True

    def postpone(self) -> None:
        """Repeat a last probe without result after the next missed round."""
        self.misses, self.suspect = self.misses - 1, False


class Neighbours:
    """The neighbours of `own`, a link each. `write(*events)` writes into the output file."""

    def __init__(self, own: Address, settings: Settings, write):
        self._own, self._settings, self._write = own, settings, write
        self.capacity = settings.capacity.of(own)
        self._rows: dict[Address, Neighbour] = {}
        self._lost: dict[Address, Neighbour] = {}  # neighbours that are counted without a link
        # for the ring?, and chosen? (else it only renews a link that others made)
        self._dialling: dict[Address, tuple[bool, bool]] = {}
        self._newcomers = Rate(AT_ONCE)  # that are accepted before they are proven
        self._unlisted = Rate(UNLISTED, UNLISTED_AT_ONCE - 1)
        self._links = ()  # all links, replaced as a whole

    def begin_dial(self, address: Address, for_ring: bool, chosen: bool = True) -> bool:
        """Note that a dial begins. Return False if the peer is linked or dialled already."""
        if address in self._rows or address in self._dialling or address == self._own:
            return False
        self._dialling[address] = for_ring, chosen
        return True

    def end_dial(self, address: Address) -> bool:
        """Note that a dial has ended. Return whether it was for the ring."""
        return self._dialling.pop(address, (False, False))[0]

    def dialling(self) -> set[Address]:
        return set(self._dialling)

    # New links, and their end.

    def admit(self, address: Address, link, dialler: Address, now: float,
              listed: Set[Address] = frozenset(), silent=None, answered: bool | None = None
              ) -> Admission:
        """Judge a new link and, if it is accepted, enter it. `silent` is an older link that gave no
        reply, `answered` whether the newcomer answered a probe (None before it is probed)."""
        if address == self._own:
            return Admission(False, "self")
        if standing := self._rows.get(address):
            return self._second(address, link, dialler, now, standing, silent)
        if link.run is not None:
            answered = True
        if dialler == address:
            if address in self._dialling and self._own < address:
                return Admission(False, "duplicate")  # our own dial stays
            before = {other: tie for other, tie in self._ties(now, listed).items()
                      if tie.proven and (tie.listed or address not in listed)}
            if not ring.accepts(self._own, address, before, self.capacity):
                return Admission(False, "full")
            has_place = len(self._rows) < self.capacity
            if answered is None and not (has_place and self._newcomers.spend(now)):
                return Admission(False, probe=True)
            if (answered is not None and address not in listed
                    and not self._unlisted.spend(now)):
                return Admission(False, "full")
        proven = dialler == self._own or bool(answered)
        self._enter(address, link, dialler, now, proven)
        self._write(f"connected:{address}", self._degree())
        return Admission(True, proven=proven)

    def _second(self, address, link, dialler, now, standing, silent) -> Admission:
        """Judge a second link of a pair."""
        proven = dialler == self._own or link.run is not None
        if standing.link is silent or standing.link.ended or _is_newer(link, dialler, standing):
            reason = "replaced"
        elif link.run is not None and dialler == standing.dialler:
            return Admission(False, "duplicate")
        elif now - standing.since > YOUNG:
            return Admission(False, "duplicate", ask=standing.link)
        elif standing.dialler != dialler and dialler == min(self._own, address):
            reason, proven = "duplicate", proven or standing.proven
        else:
            return Admission(False, "duplicate")
        self._enter(address, link, dialler, now, proven, standing.chosen)
        self._write(f"disconnected:{address}:{reason}", f"connected:{address}")
        return Admission(True, reason, replaced=standing.link, proven=proven)

    def _enter(self, address, link, dialler, now, proven, chosen=False) -> None:
        if dialler == self._own and address in self._dialling:
            chosen = chosen or self._dialling[address][1]
        before = self._lost.pop(address, None) or self._rows.get(address)
        owed = None if before is None else before.doubts()
        if address in self._rows and before.proven and not self._may_lose():
            owed = None  # the limit on peers counted without a link covers replaced links, too
        self._rows[address] = Neighbour(link, dialler, now, chosen, proven, owed)
        self._renew_links()

    def _may_lose(self) -> bool:
        return len(self._lost) < self.capacity + ring.SPARE

    def probed(self, address: Address, link, alive: bool) -> bool:
        """Note what a probe found. Return whether this link was unproven."""
        row = self._rows.get(address)
        if row is None or row.proven or row.link is not link:
            return False
        row.proven, row.unreached = alive, not alive
        return True

    def remove(self, address: Address, link, reason: str, missed: bool = False) -> bool:
        """Remove this link of a peer. Return whether it was there. If `missed`, each later round
        without a link is a miss. Else misses are forgotten; but if the link was unproven, those
        from before it count again, because anybody on the peer's host may have made it."""
        row = self._rows.get(address)
        if row is None or row.link is not link:
            return False
        del self._rows[address]
        self._write(f"disconnected:{address}:{reason}", self._degree())
        self._renew_links()
        if missed and self._may_lose() or not (missed or row.proven or row.owed is None):
            row.misses, row.link = row.misses if missed else row.doubts(), None
            row.asked.clear()
            self._lost[address] = row
        return True

    def forget(self, address: Address) -> bool:
        """Forget earlier misses of a peer. Return whether it was counted without a link."""
        if address in self._rows:
            self._rows[address].owed = None
        return self._lost.pop(address, None) is not None

    def next_round(self, time: str, now: float, late: bool) -> Round:
        """Begin a round of liveness. It adds no misses if this peer was late itself."""
        limit, found, withheld = self._settings.liveness_misses, Round([], [], [], 0), 0
        missed = []
        for peer, row in sorted((self._rows | self._lost).items()):
            if row.suspect:
                continue
            silent = row.asked or row.link is None
            if silent and late:
                withheld += 1
            elif silent:
                row.misses += 1
                missed.append(f"liveness missed:{peer}:{row.misses}")
            if row.misses >= limit:
                row.suspect = True
                found.suspects.append(peer)
            elif row.link is not None:
                row.asked[time] = now
                if len(row.asked) > limit:  # late rounds add requests, but no misses
                    del row.asked[next(iter(row.asked))]
                found.ask.append(row.link)
            else:
                found.lost.append(peer)
        self._write(*missed, *(f"liveness request:{link.peer}" for link in found.ask))
        return found._replace(withheld=withheld)

    def replied(self, address: Address, time: str, now: float) -> float | None:
        """Take a reply. Return the seconds since its request; None if that is not awaited."""
        row = self._rows.get(address)
        asked = None if row is None else row.asked.get(time)
        if asked is None:
            return None
        row.asked.clear()
        row.misses, row.suspect, row.answered = 0, False, now
        return now - asked

    def could_fetch(self, said_at: float, now: float, known: float) -> bool:
        """Return whether enough neighbours heard what was said then, or have fetched it since: one
        that stays, or HEARERS, or all `known` peers."""
        since = [row.since for row in self._rows.values()
                 if row.since <= said_at or now - row.since >= FETCHED]
        return bool(since) and (len(since) >= min(HEARERS, known) or now - min(since) >= STAYS)

    def _degree(self) -> str:
        return f"degree:{self._own}=>{len(self._rows)}"

    def _renew_links(self) -> None:
        self._links = tuple(row.link for row in self._rows.values())

    def links(self) -> tuple:
        """Return the links over which gossip flows, a tuple that never changes."""
        return self._links

    def link(self, address: Address):
        return self._rows[address].link if address in self._rows else None

    def row(self, address: Address) -> Neighbour | None:
        """Return the row of a peer, even if its link broke."""
        return self._rows.get(address) or self._lost.get(address)

    def lost(self) -> list[Address]:
        return list(self._lost)

    def addresses(self) -> list[Address]:
        return sorted(self._rows)

    def proven(self) -> list[Address]:
        return sorted(address for address, row in self._rows.items() if row.proven)

    def unproven(self) -> list:
        return [row.link for _, row in sorted(self._rows.items()) if not row.proven]

    def counted(self, now: float, listed: set[Address]) -> dict[Address, ring.Tie]:
        """Return the proven and listed neighbours, which take a place."""
        return {address: tie for address, tie in self._ties(now, listed).items()
                if tie.proven and tie.listed}

    def _ties(self, now: float, listed: set[Address]) -> dict[Address, ring.Tie]:
        return {address: ring.Tie(now - row.since, row.proven, row.unreached, address in listed,
                                  row.chosen)
                for address, row in self._rows.items()}

    def surplus(self, now: float, settled: float, listed: set[Address]
                ) -> list[tuple[Address, Neighbour]]:
        if len(self._rows) <= self.capacity:
            return []
        ties = self._ties(now, listed)
        return [(address, self._rows[address])
                for address in ring.surplus(self._own, ties, self.capacity, settled)]


def _is_newer(link, dialler: Address, standing: Neighbour) -> bool:
    """Return whether a run has proved a link newer than the standing."""
    if link.run is None or standing.link.run is None:
        return False
    (start, time), (standing_start, standing_time) = link.run, standing.link.run
    return start != standing_start or dialler == standing.dialler and time > standing_time
