"""Rounds of liveness: which neighbours answer, how often others have not, and which are suspects.

Rules only. A neighbour whose link broke is still counted, and misses every round until it is linked
again, forgotten, or dead. When too many are counted that way, those that were lost last are not:
strangers that come and go push nobody out. A new link clears a peer's old misses only once the peer
has answered at its address; if the link ends before that, they count again.
"""

from typing import NamedTuple

from gossip.addresses import Address


SLEPT = 0.5  # seconds; a round that is this late, and half an interval, counts no miss


class Round(NamedTuple):
    """The tasks of a liveness round, in the order of addresses."""

    ask: list[Address]  # peers that are sent a request
    missed: list[tuple[Address, int]]  # peers that missed the round, and how many in a row
    suspects: list[Address]  # peers that have just reached the limit: one more probe
    lost: list[Address]  # peers without a link: they are dialled again
    withheld: int  # how many missed a round that was late, which does not count

    def events(self) -> list[str]:
        """The round in the words of the output file."""
        return [*(f"liveness missed:{peer}:{misses}" for peer, misses in self.missed),
                *(f"liveness request:{peer}" for peer in self.ask)]


def slept(behind: float, interval: float) -> bool:
    """Whether a round that comes `behind` seconds late shows that this peer itself was asleep."""
    return behind > max(SLEPT, interval / 2)


class _Count:
    __slots__ = ("link", "misses", "asked", "answered", "suspect", "owed", "proven")

    def __init__(self, link, now: float, owed: int | None):
        self.link = link  # None once it broke
        self.misses = 0  # rounds missed in a row
        self.asked: dict[str, float] = {}  # TIME of each unanswered request -> when it was sent
        self.answered = now  # when it last proved that it lives
        self.suspect = False
        self.owed = owed  # misses before this link came; None: the peer was not counted
        self.proven = False  # the peer has answered at its address since this link came

    def doubts(self) -> int | None:
        """How many misses to carry over to this peer's next link."""
        if self.link is None or self.proven:
            return self.misses
        if self.owed is None:
            return self.misses or None
        return max(self.misses, self.owed)


class Rounds:
    """Counts missed rounds: `limit` in a row, e.g. 3, make a suspect."""

    def __init__(self, limit: int, lost_limit: int):
        self._limit = limit
        self._lost_limit = lost_limit  # peers counted without a link; of more, the last is not
        self._rows: dict[Address, _Count] = {}

    def linked(self, peer: Address, link, now: float) -> None:
        """A link was made."""
        self._rows[peer] = _Count(link, now, self._owed_after(self._rows.pop(peer, None)))

    def _owed_after(self, row: _Count | None) -> int | None:
        """The misses that the next link of a peer inherits: none, if there is no room to count one
        more lost peer."""
        if row is None or row.link is not None and row.proven and self._lost() >= self._lost_limit:
            return None
        return row.doubts()

    def _lost(self) -> int:
        """How many are counted without a link."""
        return sum(row.link is None for row in self._rows.values())

    def proved(self, peer: Address, link) -> None:
        """The peer whose link this is has answered at its address."""
        row = self._rows.get(peer)
        if row is not None and row.link is link:
            row.proven = True

    def lost(self, peer: Address, link) -> None:
        """This link broke: from now on every round is a miss."""
        row = self._rows.get(peer)
        if row is not None and row.link is link:
            row.link = None
            row.asked.clear()
            if self._lost() > self._lost_limit:
                del self._rows[peer]

    def withdraw(self, peer: Address, link) -> None:
        """An unproven link ended: restore the count from before it, if there was one."""
        row = self._rows.get(peer)
        if row is None or row.link is not link:
            return
        if row.owed is None and not row.proven:
            del self._rows[peer]
        else:
            row.misses, row.link = row.doubts(), None
            row.asked.clear()

    def forget(self, peer: Address, link=None) -> bool:
        """Stop counting a peer whose link this is (None: whose link broke); return whether it was
        counted."""
        if peer not in self._rows or self._rows[peer].link is not link:
            return False
        del self._rows[peer]
        return True

    def counted(self) -> dict[Address, object]:
        """The peers that are counted, and the link of each; None for one whose link broke."""
        return {peer: row.link for peer, row in self._rows.items()}

    def next_round(self, time: str, now: float, late: bool) -> Round:
        """Begin a round at `now`; `time` is the TIME of its requests.

        A late round adds no misses: this peer itself was asleep or overloaded.
        """
        ask, missed, suspects, lost, withheld = [], [], [], [], 0
        for peer, row in sorted(self._rows.items()):
            if row.suspect:
                continue
            silent = row.asked or row.link is None
            if silent and late:
                withheld += 1
            elif silent:
                row.misses += 1
                missed.append((peer, row.misses))
            if row.misses >= self._limit:
                row.suspect = True
                suspects.append(peer)
            elif row.link is not None:
                row.asked[time] = now
                if len(row.asked) > self._limit:  # late rounds add requests, but no misses
                    del row.asked[next(iter(row.asked))]
                ask.append(peer)
            else:
                lost.append(peer)
        return Round(ask, missed, suspects, lost, withheld)

    def reply_from(self, peer: Address, time: str, now: float) -> float | None:
        """A reply has come; return the seconds since its request, or None if none was waiting."""
        row = self._rows.get(peer)
        if row is None or time not in row.asked:
            return None
        sent = row.asked[time]
        row.asked.clear()
        row.misses = 0
        row.suspect = False
        row.answered = now
        return now - sent

    def spare(self, peer: Address, heard: float) -> bool:
        """A suspect has answered the last probe. If something has come over its link (at `heard`)
        since the first unanswered request, the link is slow, not dead, and counting begins
        anew; return whether that is so."""
        row = self._rows.get(peer)
        if row is None or not row.suspect or heard <= min(row.asked.values(), default=heard):
            return False
        row.asked.clear()
        row.misses = 0
        row.suspect, row.proven = False, True
        return True

    def postpone(self, peer: Address) -> None:
        """The last probe of a suspect has found nothing out: one miss less, so that the next round
        that is not late has it probed again."""
        row = self._rows.get(peer)
        if row is not None and row.suspect:
            row.misses -= 1
            row.suspect = False

    def verdict(self, peer: Address):
        """The last probe is over: stop counting, and return (whether the peer is still a suspect,
        its link if it has one). It may have answered or linked again meanwhile."""
        if peer not in self._rows or not self._rows[peer].suspect:
            return False, None
        return True, self._rows.pop(peer).link

    def answered_within(self, peer: Address, seconds: float, now: float) -> bool:
        """Whether the peer has a link and proved within the last `seconds` that it lives."""
        row = self._rows.get(peer)
        return row is not None and row.link is not None and now - row.answered < seconds
