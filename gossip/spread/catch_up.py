"""Catching up: what each neighbour has that was missed, and from whom to fetch it next.

The rules of anti-entropy (Demers et al. 1987, section 1.3) on the side that lacks something;
no socket, no clock. Link readers call it when a vector, a portion or the end of a link comes.

One neighbour is asked at a time, for one portion at a time, so that what six neighbours have
is fetched once and a large catch-up never fills a backlog. What it has to say beyond that is
an offer that waits for its turn.
"""

import threading

from gossip.intervals import Intervals
from gossip.spread.message_list import MessageList

OFFER_LIMIT = 20_000  # ranges kept per neighbour; a later comparison brings the rest
WANT_LIMIT = 500  # ranges asked for at once


class CatchUp:
    """Offers by neighbours of what this peer lacks, fetched portion by portion."""

    def __init__(self, messages: MessageList, patience: float):
        self._messages = messages
        self._patience = patience  # seconds without a word before another's turn comes
        self._lock = threading.Lock()  # guards everything below
        self._offers: dict[object, dict[bytes, Intervals]] = {}  # link -> run -> numbers
        self._sizes: dict[object, int] = {}  # link -> ranges offered since it was last counted
        self._asked = None  # the link that was asked for a portion
        self._silent_at = 0.0  # when it counts as silent, unless its portion has come
        self._want = []  # what it was asked for
        self._ignored = 0  # offers of which the end was dropped

    def offered(self, link, entries, meeting: bool) -> None:
        """A neighbour says what it has seen: note what of it is lacking here.

        Older runs come first. When two have just met, what others called gone is asked for
        once more: the new neighbour may hold it.
        """
        lacking = self._messages.lacking(entries, ask_again=meeting)
        lacking.sort(key=_start)
        with self._lock:
            offer = self._offers.setdefault(link, {})
            for run, ranges in lacking:
                size = self._sizes.get(link, 0) + len(ranges)
                if size > OFFER_LIMIT:
                    self._ignored += 1
                    break
                self._sizes[link] = size
                offer[run] = Intervals(ranges)

    def dropped(self) -> dict[str, int]:
        """What was dropped since the start, and how often."""
        with self._lock:
            return {"offers too large to keep": self._ignored}

    def next_want(self, now: float):
        """Return (link to ask, what to ask it for), or None while nothing is to be asked."""
        with self._lock:
            if self._asked is not None and now < self._silent_at:
                return None
            stalled, self._asked = self._asked, None
            if stalled in self._offers:  # its next turn comes after all others
                self._offers[stalled] = self._offers.pop(stalled)
            links = list(self._offers)
        for link in links:
            want = self._still_lacking(link)
            if not want:
                continue
            with self._lock:
                if self._asked is not None:
                    return None
                self._asked, self._silent_at, self._want = link, now + self._patience, want
            return link, want
        return None

    def silent_at(self) -> float | None:
        """When another neighbour's turn comes, unless a portion comes first; None when no portion
        is awaited."""
        with self._lock:
            return None if self._asked is None else self._silent_at

    def _still_lacking(self, link):
        """What of an offer has not come from elsewhere meanwhile; an empty offer is dropped."""
        with self._lock:
            offer = dict(self._offers.get(link, {}))
        lacking = self._messages.lacking(
            [(run, numbers.ranges()) for run, numbers in offer.items()], ask_again=True)
        left = {run: Intervals(ranges) for run, ranges in lacking}
        with self._lock:
            standing = self._offers.get(link, {})
            for run, numbers in offer.items():
                if standing.get(run) is numbers:  # not offered anew meanwhile
                    del standing[run]
                    if run in left:
                        standing[run] = left[run]
            if standing:
                self._sizes[link] = sum(map(len, standing.values()))
            else:
                self._drop(link)
        want, room = [], WANT_LIMIT
        for run, ranges in lacking:
            if room > 0:
                want.append((run, ranges[:room]))
                room -= len(ranges)
        return want

    def gone(self, link, entries):
        """A neighbour no longer holds these; return those of them that it had offered."""
        with self._lock:
            offer = dict(self._offers.get(link, {}))
        heard, left = [], {}
        for run, ranges in entries:
            if run in offer:
                heard.append((run, offer[run].common(ranges)))
                left[run] = offer[run].minus(ranges)
        with self._lock:
            standing = self._offers.get(link, {})
            for run, numbers in left.items():
                if standing.get(run) is offer[run]:
                    del standing[run]
                    if len(numbers):
                        standing[run] = numbers
        return heard

    def portion_taken(self, link) -> None:
        """The portion that was asked for has come; if it changed nothing, so much of the offer
        was empty."""
        with self._lock:
            if self._asked is not link:
                return
            self._asked, want = None, self._want
        if self._messages.lacking(want, ask_again=False) == want:
            self.gone(link, want)

    def _drop(self, link) -> None:
        """Forget what a link offers. Expects the lock."""
        self._offers.pop(link, None)
        self._sizes.pop(link, None)

    def on_end(self, link) -> None:
        """A link has ended."""
        with self._lock:
            self._drop(link)
            if self._asked is link:
                self._asked = None


def _start(entry) -> int:
    """When a run began, by its origin's clock."""
    return int(entry[0].rpartition(b":")[2])
