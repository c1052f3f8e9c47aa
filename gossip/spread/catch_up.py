"""Catching up: which messages are lacking here, which neighbour offers them, which is asked next.

The rules of anti-entropy (Demers et al. 1987, section 1.3) for the side that lacks something;
no socket, no clock. Link readers call it when a vector, a portion or the end of a link comes.

One neighbour is asked at a time, for one portion at a time: messages that six neighbours offer
are fetched once, and a large catch-up never fills a backlog. All other offers wait.
"""

import threading

from gossip.intervals import Intervals
from gossip.spread.message_list import MessageList

OFFER_LIMIT = 20_000  # ranges that an offer may have; a later comparison brings the rest
WANT_LIMIT = 500  # ranges asked for at once


class CatchUp:
    """The offers of neighbours: messages that are lacking here, fetched portion by portion."""

    def __init__(self, messages: MessageList, patience: float, is_known=lambda run: True):
        """`is_known(run)` tells whether the messages of a run would be taken."""
        self._messages = messages
        self._is_known = is_known
        self._patience = patience  # seconds for a portion, before another neighbour is asked
        self._lock = threading.Lock()  # guards everything below
        self._offers: dict[object, dict[bytes, Intervals]] = {}  # link -> run -> numbers
        self._sizes: dict[object, int] = {}  # link -> ranges in its offer, at most
        self._asked = None  # the link that was asked for a portion
        self._silent_at = 0.0  # when it counts as silent, unless its portion has come
        self._want = []  # the entries it was asked for
        self._ignored = 0  # offers that were cut off

    def offered(self, link, entries, meeting: bool) -> list[bytes]:
        """A neighbour tells what it knows: the part that is lacking here is its offer. Return the
        runs in it that are not known to be genuine; their messages are not asked for until they
        are.

        Runs come in the order of their STARTs: the older ones first, or where START is the hash of
        a key, in any order that two neighbours agree about. When two have just met, numbers that
        are gone are asked for once more, for the new neighbour may hold the texts.
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
        return [run for run, _ in lacking if not self._is_known(run)]

    def denied(self, run: bytes) -> None:
        """A run is not genuine: it leaves all offers."""
        with self._lock:
            for link, offer in list(self._offers.items()):
                if offer.pop(run, None) is not None and not offer:
                    self._drop(link)

    def dropped(self) -> dict[str, int]:
        """How often an offer was cut off since the start."""
        with self._lock:
            return {"offers too large to keep": self._ignored}

    def offering(self) -> list:
        """The links whose offers are kept, and the one that was asked for a portion."""
        with self._lock:
            return [*self._offers, *([] if self._asked is None else [self._asked])]

    def next_want(self, now: float):
        """Return (link to ask, entries to ask for), or None while there is nothing to ask."""
        with self._lock:
            if self._asked is not None and now < self._silent_at:
                return None
            stalled, self._asked = self._asked, None
            if stalled in self._offers:  # it is asked again after all others
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

    def awaits(self, link) -> bool:
        """Whether a portion is awaited from this link."""
        with self._lock:
            return self._asked is link

    def silent_at(self) -> float | None:
        """When another neighbour is asked, unless the portion comes first; None while no portion
        is awaited."""
        with self._lock:
            return None if self._asked is None else self._silent_at

    def _still_lacking(self, link):
        """The part of an offer that is still lacking, at most so much as is asked for at once;
        an offer of which nothing is left is dropped. Runs that are not known wait in it."""
        with self._lock:
            offer = dict(self._offers.get(link, {}))
        offer = {run: numbers for run, numbers in offer.items() if self._is_known(run)}
        lacking = self._messages.lacking(
            [(run, numbers.ranges()) for run, numbers in offer.items()], ask_again=True)
        left = {run: Intervals(ranges) for run, ranges in lacking}
        with self._lock:
            standing = self._offers.get(link, {})
            for run, numbers in offer.items():
                if standing.get(run) is numbers:  # no newer offer has come meanwhile
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
        """A neighbour no longer holds these; return the part of them that it had offered."""
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
        """The portion that was asked for has come. If it brought nothing, what was asked for leaves
        the offer."""
        with self._lock:
            if self._asked is not link:
                return
            self._asked, want = None, self._want
        if self._messages.lacking(want, ask_again=False) == want:
            self.gone(link, want)

    def _drop(self, link) -> None:
        """Drop the offer of a link. Expects the lock."""
        self._offers.pop(link, None)
        self._sizes.pop(link, None)

    def on_end(self, link) -> None:
        """A link has ended."""
        with self._lock:
            self._drop(link)
            if self._asked is link:
                self._asked = None


def _start(entry) -> int:
    """The START of the run of an entry."""
    return int(entry[0].rpartition(b":")[2])
