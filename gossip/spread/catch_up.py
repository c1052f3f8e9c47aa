"""Catching up: which messages are lacking here, which neighbour offers them, which is asked next.

The rules of anti-entropy (Demers et al. 1987, section 1.3) for the side that lacks something;
no socket, no clock.

One neighbour is asked at a time, for one portion at a time: messages that six neighbours offer
are fetched once, and a large catch-up never fills a backlog. All other offers wait. Neighbours that
were quick the last time and neighbours that were not asked yet are asked alternately, slow ones
last. So no neighbour holds up the others for long by bringing little, or late.

When a neighbour calls a message gone that it has offered, it is not asked for it again for some
time. That is its word about its own copy: others are asked for theirs.
"""

from typing import NamedTuple

from gossip.intervals import Intervals, Range
from gossip.spread.message_list import MessageList

OFFER_LIMIT = 20_000  # ranges that an offer may have; a later comparison brings the rest
GONE_LIMIT = 20_000  # ranges that a neighbour may call gone; of more, all may be asked for again
GONE_LINES = 10  # in which it may do so, each time that it is asked: each costs milliseconds
TOLD_LIMIT = 200_000  # ranges that all have told together; of more, those of who has told most go
WANT_LIMIT = 500  # ranges asked for at once
SLOW = 1 / 8  # of the patience: who takes longer for a portion is asked after all others

QUICK, NEW, LATE = range(3)  # how a neighbour was when it was asked last


class Offered(NamedTuple):
    """The consequences of an offer: the runs that are not known to be genuine, and whether all was
    kept for which there is room."""

    unknown: list[bytes]
    whole: bool


class _Messages:
    """Messages by their runs, and how many ranges they have together."""

    __slots__ = ("runs", "size")

    def __init__(self):
        self.runs: dict[bytes, Intervals] = {}
        self.size = 0

    def put(self, run: bytes, numbers: Intervals) -> None:
        """Replace the numbers of a run."""
        self.size += len(numbers) - len(self.runs.get(run, ()))
        if len(numbers):
            self.runs[run] = numbers
        else:
            self.runs.pop(run, None)


class _Told:
    """The offer of a neighbour, and what it called gone."""

    __slots__ = ("offer", "gone", "gone_until", "gone_lines", "pace", "owed")

    def __init__(self, pace: int = NEW, owed: int = 0):
        self.offer = _Messages()
        self.gone = _Messages()
        self.pace = pace  # QUICK, NEW or LATE
        self.owed = owed  # portions that it was asked for, and whose end has not come
        self.gone_until = float("inf")  # when it may be asked for these again
        self.gone_lines = GONE_LINES  # that still count

    def size(self) -> int:
        return self.offer.size + self.gone.size


class CatchUp:
    """The offers of neighbours: messages that are lacking here, fetched portion by portion."""

    def __init__(self, messages: MessageList, patience: float, rest: float,
                 is_known=lambda run: True):
        """`is_known(run)` tells whether the messages of a run would be taken."""
        self._messages = messages
        self._is_known = is_known
        self._patience = patience  # seconds for a portion, before another neighbour is asked
        self._rest = rest  # seconds for which what is gone is not asked for again
        self._told: dict[object, _Told] = {}  # link -> what it has told; who was asked last is last
        self._asked = None  # the link that was asked for a portion
        self._first = QUICK  # or NEW: whose turn it is next, if there are some
        self._silent_at = 0.0  # when it counts as silent, unless its portion has come
        self._want = []  # the entries it was asked for
        self._ignored = 0  # offers that were cut off, or forgotten

    def offered(self, link, entries, now: float) -> Offered:
        """A neighbour tells what it has seen: the part that is lacking here is its offer. Messages
        of runs that are not known to be genuine are not asked for until they are.

        Runs come in the order of their STARTs: the older ones first, or where START is the hash of
        a key, in any order that two neighbours agree about.
        """
        with_room = dict(self._messages.lacking(entries, link.peer))
        unseen = self._messages.unseen([entry for entry in entries if entry[0] in with_room])
        unseen.sort(key=_start)
        whole = self._keep(self._told.setdefault(link, _Told()), unseen, now)
        self._ignored += not whole
        self._limit()
        return Offered([run for run in with_room if not self._is_known(run)], whole)

    def _keep(self, told: _Told, unseen, now: float) -> bool:
        """Keep what a neighbour offers, but for what it has called gone; answer whether that was
        all."""
        if now >= told.gone_until:
            told.gone, told.gone_until = _Messages(), float("inf")
        for run, ranges in unseen:
            numbers, gone = Intervals(ranges), told.gone.runs.get(run)
            if gone is not None:
                numbers = numbers.minus(gone.ranges())
            before = len(told.offer.runs.get(run, ()))
            if told.offer.size - before + len(numbers) > OFFER_LIMIT:
                return False
            told.offer.put(run, numbers)
        return True

    def _limit(self) -> None:
        """Forget what those have told who have told most, while it is too much together."""
        while sum(told.size() for told in self._told.values()) > TOLD_LIMIT:
            most = max(self._told, key=lambda link: self._told[link].size())
            self._told[most] = _Told(self._told[most].pace, self._told[most].owed)
            self._ignored += 1

    def denied(self, run: bytes) -> None:
        """A run is not genuine: it leaves all offers."""
        for told in self._told.values():
            told.offer.put(run, Intervals())

    def forget_gone(self) -> None:
        """Let messages that neighbours have called gone be asked for again."""
        for told in self._told.values():
            told.gone = _Messages()

    def dropped(self) -> dict[str, int]:
        """How often an offer was cut off since the start."""
        return {"offers too large to keep": self._ignored}

    def offering(self) -> list:
        """The links whose offers are kept, and the one that was asked for a portion."""
        return [*self._with_offers(), *([] if self._asked is None else [self._asked])]

    def _with_offers(self) -> list:
        """In the order in which they are asked."""
        offers = [(told.pace, link) for link, told in self._told.items() if told.offer.runs]
        offers.sort(key=lambda offer: (offer[0] == LATE, offer[0] != self._first))
        return [link for _, link in offers]

    def next_want(self, now: float):
        """Return (link to ask, entries to ask for), or None while there is nothing to ask."""
        if self._asked is not None and now < self._silent_at:
            return None
        if self._asked is not None:
            self._asked_over(LATE)
        for link in self._with_offers():
            want = self._still_lacking(link)
            if want:
                self._told[link].owed += 1
                self._told[link].gone_lines = GONE_LINES
                self._asked, self._silent_at, self._want = link, now + self._patience, want
                return link, want
        return None

    def _asked_over(self, pace: int) -> None:
        """The turn of who was asked is over: others are next."""
        link, self._asked = self._asked, None
        if link in self._told:
            told = self._told[link] = self._told.pop(link)
            self._first = NEW if told.pace == QUICK else QUICK
            told.pace = pace

    def awaits(self, link) -> bool:
        """Whether a portion is awaited from this link."""
        return self._asked is link

    def silent_at(self) -> float | None:
        """When another neighbour is asked, unless the portion comes first; None while no portion
        is awaited."""
        return None if self._asked is None else self._silent_at

    def _still_lacking(self, link) -> list[tuple[bytes, list[Range]]]:
        """The part of an offer that is still lacking and for which there is room, at most so much
        as is asked for at once; an offer of which nothing is left is dropped. Runs that are not
        known wait in it."""
        offer = self._told[link].offer
        known = [(run, numbers.ranges()) for run, numbers in offer.runs.items()
                 if self._is_known(run)]
        unseen = self._messages.unseen(known)
        lacking = self._messages.lacking(unseen, link.peer)
        left = dict(unseen) if lacking else {}
        for run, _ in known:
            offer.put(run, Intervals(left.get(run, [])))
        want, room = [], WANT_LIMIT
        for run, ranges in lacking:
            if room > 0:
                want.append((run, ranges[:room]))
                room -= len(ranges)
        return want

    def gone(self, link, entries, now: float) -> None:
        """A neighbour no longer holds these: it is not asked for that part of them again that it
        has offered."""
        told = self._told.get(link)
        if told is None or not told.gone_lines:
            return
        told.gone_lines -= 1
        self._note_gone(link, entries, now)

    def _note_gone(self, link, entries, now: float) -> None:
        told = self._told[link]
        told.gone_until = min(told.gone_until, now + self._rest)
        for run, ranges in entries:
            offer, gone = told.offer.runs.get(run), told.gone.runs.get(run)
            if offer is not None:
                told.offer.put(run, offer.minus(ranges))
                ranges = offer.common(ranges)
                told.gone.put(run, Intervals(ranges if gone is None else gone.ranges() + ranges))
        if told.gone.size > GONE_LIMIT:
            told.gone = _Messages()
        self._limit()

    def portion_taken(self, link, now: float) -> None:
        """A portion has come. If it brought nothing of what was asked for, that is gone there,
        unless the answer is still to come: this one was to an earlier question, of a neighbour that
        had taken too long."""
        told = self._told.get(link)
        if told is not None:
            told.owed = max(0, told.owed - 1)
        if self._asked is not link:
            return
        left = self._silent_at - now
        brought_nothing = self._messages.unseen(self._want) == self._want
        if brought_nothing and told.owed:
            self._silent_at = now + self._patience
            return
        self._asked_over(QUICK if left >= (1 - SLOW) * self._patience else LATE)
        if brought_nothing:
            self._note_gone(link, self._want, now)

    def on_end(self, link) -> None:
        """A link has ended."""
        self._told.pop(link, None)
        if self._asked is link:
            self._asked = None


def _start(entry) -> int:
    """The START of the run of an entry."""
    return int(entry[0].rpartition(b":")[2])
