"""Catching up: which missing messages are requested, and from which neighbour.

Rules only. One neighbour at a time is asked, for one portion at a time, so that a message that six
neighbours offer is fetched once, and a large catch-up never fills a backlog. Fast and untried
neighbours are asked alternately, slow ones last, so that none delays the others for long. A
neighbour that calls its copy of an offered message gone is not asked for it again for some time.
"""

import math

from gossip import wire
from gossip.intervals import Intervals, Range
from gossip.spread.message_list import MessageList

OFFER_LIMIT = 20_000  # ranges of one offer; a later comparison brings the rest
GONE_LIMIT = 20_000  # ranges that a neighbour may call gone; beyond that, all are asked for again
GONE_LINES = 10  # `gone` lines read for each `want`, because each costs milliseconds
TOLD_LIMIT = 200_000  # ranges from all neighbours; beyond that, the largest sender's are dropped
LONG_AGO = 60.0  # seconds between a message's TIME and now, in which neighbours get it from a peer
WANT_LIMIT = 500  # ranges asked for at once
SLOW = 1 / 8  # of the patience: a neighbour that takes longer for a portion is asked last

QUICK, NEW, LATE = range(3)  # how fast a neighbour's last answer was; NEW: none yet


class _Messages(dict[bytes, Intervals]):
    """Numbers by run, and how many ranges they have together."""

    size = 0

    def put(self, run: bytes, numbers: Intervals) -> None:
        self.size += len(numbers) - len(self.get(run, ()))
        self[run] = numbers
        if not len(numbers):
            del self[run]


class _Told:
    """The messages that a neighbour has offered, or has called gone."""

    def __init__(self):
        self.offer = _Messages()
        self.forget_gone()
        self.pace = NEW  # QUICK, NEW or LATE
        self.owed = 0  # portions requested whose end has not come
        self.gone_until = math.inf  # when it may be asked for `gone` messages again
        self.gone_lines = GONE_LINES  # `gone` lines that are still read

    def forget_gone(self) -> None:
        self.gone, self.past = _Messages(), _Messages()  # past: below what was seen last

    def size(self) -> int:
        return self.offer.size + self.gone.size + self.past.size

    def had(self, run: bytes, number: int) -> bool:
        """Return whether the neighbour says that it has, or had, a message."""
        return number in self.offer.get(run, ()) or number in self.gone.get(run, ())


class CatchUp:
    """The offers of neighbours, fetched portion by portion."""

    def __init__(self, messages: MessageList, patience: float, rest: float,
                 is_known=lambda run: True):
        """`is_known(run)` tells whether the messages of a run would be accepted."""
        self._messages, self._is_known = messages, is_known
        self._patience = patience  # seconds for a portion, before another neighbour is asked
        self._rest = rest  # seconds before a message called gone is asked for again
        self._told: dict[object, _Told] = {}  # by link; the link asked last comes last
        self._asked = None  # the link that was asked for a portion
        self._first = QUICK  # QUICK or NEW, whichever is preferred next
        self.silent_at = math.inf  # when to ask another, unless the portion of `_asked` comes
        self._want = []  # the entries that `_asked` was asked for
        self.ignored = 0  # offers that were truncated or dropped, since the start

    def offered(self, link, entries, now: float) -> tuple[list[bytes], bool]:
        """Keep what is new here and was not called gone, the lowest START first. Return the
        runs not known to be genuine, which are not requested yet, and whether all was kept."""
        with_room = dict(self._messages.lacking(entries, link.peer))
        unseen = self._messages.unseen([entry for entry in entries if entry[0] in with_room])
        unseen.sort(key=lambda entry: int(entry[0].rpartition(b":")[2]))  # by START
        told, whole = self._told.setdefault(link, _Told()), True
        if now >= told.gone_until:
            told.forget_gone()
            told.gone_until = math.inf
        for run, ranges in unseen:
            numbers, gone = Intervals(ranges), told.gone.get(run)
            if gone is not None:
                numbers = numbers.minus(gone.ranges())
            before = len(told.offer.get(run, ()))
            if told.offer.size - before + len(numbers) > OFFER_LIMIT:
                whole = False
                self.ignored += 1
                break
            told.offer.put(run, numbers)
        self._limit()
        return [run for run in with_room if not self._is_known(run)], whole

    def _limit(self) -> None:
        """Drop what the largest senders have told, above the limit."""
        while sum(told.size() for told in self._told.values()) > TOLD_LIMIT:
            most = max(self._told.values(), key=_Told.size)
            most.offer = _Messages()
            most.forget_gone()
            self.ignored += 1

    def denied(self, run: bytes) -> None:
        """Remove a run that is not genuine from all offers."""
        for told in self._told.values():
            told.offer.put(run, Intervals())

    def forget_gone(self) -> None:
        """Let messages that neighbours have called gone be requested again."""
        for told in self._told.values():
            told.forget_gone()

    def offering(self) -> list:
        """Return the links with offers, and the link that owes a portion."""
        asked = [] if self._asked is None else [self._asked]
        return [link for link, told in self._told.items() if told.offer] + asked

    def next_want(self, now: float):
        """Return (link, entries to request), or None if nothing is requested."""
        if self._asked is not None:
            if now < self.silent_at:
                return None
            self._asked_over(LATE)
        offers = [(link, told) for link, told in self._told.items() if told.offer]
        offers.sort(key=lambda offer: (offer[1].pace == LATE, offer[1].pace != self._first))
        for link, told in offers:
            if want := self._still_lacking(link, told.offer):
                told.owed += 1
                told.gone_lines = GONE_LINES
                self._asked, self.silent_at, self._want = link, now + self._patience, want
                return link, want
        return None

    def _asked_over(self, pace: int) -> None:
        """Stop waiting for the neighbour that was asked; others are next."""
        link, self._asked, self.silent_at = self._asked, None, math.inf
        told = self._told[link] = self._told.pop(link)
        self._first = NEW if told.pace == QUICK else QUICK
        told.pace = pace

    def awaits(self, link) -> bool:
        return self._asked is link

    def _still_lacking(self, link, offer: _Messages) -> list[tuple[bytes, list[Range]]]:
        """Return at most WANT_LIMIT missing ranges, with room, of genuine runs. If there are none,
        drop these runs from the offer, and keep runs in question."""
        known = [(run, numbers.ranges()) for run, numbers in offer.items() if self._is_known(run)]
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
        """Stop asking a neighbour for offered messages that it no longer holds."""
        told = self._told.get(link)
        if told is not None and told.gone_lines:
            told.gone_lines -= 1
            self._note_gone(told, entries, now)

    def old(self, lines: list[bytes], time: float) -> set[bytes]:
        """Return the messages that neighbours had long ago, by their TIME and by what two of them
        have said. What one alone says counts only below the numbers seen last, because it could
        call a new message old, and so excuse itself for not forwarding it.
        `time` is in Unix seconds. Nobody can make new messages of another look old."""
        told = [some for some in self._told.values() if some.size()]
        if not told:
            return set()  # nearly always
        lines = [line for line in lines if abs(time - wire.gossip_time(line)) > LONG_AGO]
        return {line for line, (run, number, _) in zip(lines, map(wire.gossip_fields, lines))
                if any(number in some.past.get(run, ()) for some in told)
                or sum(some.had(run, number) for some in told) > 1}

    def _note_gone(self, told: _Told, entries, now: float) -> None:
        told.gone_until = min(told.gone_until, now + self._rest)
        for run, ranges in entries:
            offer, gone = told.offer.get(run), told.gone.get(run)
            if offer is not None:
                told.offer.put(run, offer.minus(ranges))
                ranges = offer.common(ranges)
                told.gone.put(run, Intervals(ranges if gone is None else gone.ranges() + ranges))
                if seen := self._messages.last_seen(run, 1):
                    past = told.past.get(run, Intervals()).ranges()
                    past += [(first, last) for first, last in ranges if last < seen[0][0]]
                    told.past.put(run, Intervals(past))
        if told.gone.size > GONE_LIMIT:
            told.forget_gone()
        self._limit()

    def portion_taken(self, link, now: float) -> None:
        """End the wait for a portion. If it brought nothing requested, all of that is gone, unless
        another portion is owed, because then it answered an earlier request."""
        told = self._told.get(link)
        if told is not None:
            told.owed = max(0, told.owed - 1)
        if self._asked is not link:
            return
        left = self.silent_at - now
        brought_nothing = self._messages.unseen(self._want) == self._want
        if brought_nothing and told.owed:
            self.silent_at = now + self._patience
            return
        self._asked_over(QUICK if left >= (1 - SLOW) * self._patience else LATE)
        if brought_nothing:
            self._note_gone(told, self._want, now)

    def on_end(self, link) -> None:
        self._told.pop(link, None)
        if self._asked is link:
            self._asked, self.silent_at = None, math.inf
