"""Rounds of liveness: which neighbours answer, how often others have not, and which are suspects.

Rules only; the table is overlay/neighbours.py. A peer whose link broke misses every round until it
is linked again, forgotten, or dead. A new link clears old misses only once the peer has answered at
its address; if the link ends before that, they count again.
"""

import dataclasses
import math
from typing import Any, NamedTuple

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


@dataclasses.dataclass(eq=False, slots=True, kw_only=True)
class Count:
    """How often a peer has not answered."""

    link: Any  # None once it broke
    proven: bool  # the peer has answered at its address since this link came
    answered: float  # when it last proved that it lives
    owed: int | None  # misses before this link came; None: the peer was not counted
    misses: int = 0  # rounds missed in a row
    asked: dict[str, float] = dataclasses.field(
        default_factory=dict)  # TIME of each unanswered request -> when it was sent
    suspect: bool = False

    def doubts(self) -> int | None:
        """How many misses to carry over to this peer's next link."""
        if self.link is None or self.proven:
            return self.misses
        if self.owed is None:
            return self.misses or None
        return max(self.misses, self.owed)

    def lose(self, misses: int) -> None:
        """The link is over, and every round from now on is a miss after so many."""
        self.misses, self.link = misses, None
        self.asked.clear()

    def replied(self, time: str, now: float) -> float | None:
        """Begin anew after a reply. Return the seconds since its request; None if none waits."""
        asked = self.asked.get(time)
        if asked is None:
            return None
        self._begin_anew()
        self.answered = now
        return now - asked

    def _begin_anew(self) -> None:
        self.asked.clear()
        self.misses, self.suspect = 0, False

    def spare(self) -> bool:
        """Begin anew if something has come over the link since the first unanswered request: then
        the link is slow, and not dead. Return whether that is so. The last probe was answered."""
        if self.link is None or self.link.heard <= min(self.asked.values(), default=math.inf):
            return False
        self._begin_anew()
        return True

    def postpone(self) -> None:
        """Have the next round on time repeat the last probe, which found nothing out."""
        self.misses, self.suspect = self.misses - 1, False


def next_round(counts: dict[Address, Count], limit: int, time: str, now: float,
               late: bool) -> Round:
    """Begin a round: `limit` misses in a row, e.g. 3, make a suspect. `time` is the TIME of its
    requests. A late round adds no misses: this peer itself was asleep or overloaded."""
    found, withheld = Round([], [], [], [], 0), 0
    for peer, count in sorted(counts.items()):
        if count.suspect:
            continue
        silent = count.asked or count.link is None
        if silent and late:
            withheld += 1
        elif silent:
            count.misses += 1
            found.missed.append((peer, count.misses))
        if count.misses >= limit:
            count.suspect = True
            found.suspects.append(peer)
        elif count.link is not None:
            count.asked[time] = now
            if len(count.asked) > limit:  # late rounds add requests, but no misses
                del count.asked[next(iter(count.asked))]
            found.ask.append(peer)
        else:
            found.lost.append(peer)
    return found._replace(withheld=withheld)
