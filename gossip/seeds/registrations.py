"""A peer's registrations: with which seeds, over which links, and which seed to try next.

Rules only. The aim is always ⌊n/2⌋+1 registrations, with seeds picked at random. A seed that
refuses, is down or says nothing rests, and another takes its place. Its rest doubles with every
failure, up to a limit, and has a random part.
"""

import random

from gossip.addresses import Address
from gossip.seeds import LONG_AGO
from gossip.settings import Settings, majority
from gossip.tools import Backoff

REPEAT_PAUSE = 1.0  # seconds in which a probe of a seed has `register:` repeated there once


class _Registration:
    __slots__ = ("link", "registered", "due", "reason", "rest", "unanswered", "repeated")

    def __init__(self, settings: Settings):
        self.link = None  # the connection, from its dial to its end
        self.registered = False  # the seed has confirmed it on this link
        self.due = 0.0  # by when the seed has to answer `register:`
        self.reason = ""  # of the last failure
        self.rest = Backoff(settings.retry_first, settings.retry_last)
        self.unanswered = 0  # rounds in a row without an answer to `register:`
        self.repeated = LONG_AGO  # when a probe has had it repeated on this link last


class Registrations:
    """The seeds of config.txt, a row each."""

    def __init__(self, seeds: list[Address], settings: Settings, rng: random.Random):
        self._settings = settings
        self._rng = rng
        self._wanted = majority(len(seeds)) if seeds else 0
        self._rows = {seed: _Registration(settings) for seed in seeds}
        self._turn = 0  # counts questions for the list: seeds are asked in turn

    def next_dials(self, link_for, now: float, limit: float) -> list[tuple[Address, object]]:
        """Pick seeds to register with; return each with a new link, made by `link_for(seed)`. A
        seed may take `limit` seconds to answer `register:`."""
        missing = self._wanted - sum(row.link is not None for row in self._rows.values())
        resting = [seed for seed, row in self._rows.items()
                   if row.link is None and row.rest.due <= now]
        picked = self._rng.sample(resting, max(0, min(missing, len(resting))))
        dials = [(seed, link_for(seed)) for seed in picked]
        for seed, link in dials:
            self._rows[seed].link = link
            self._rows[seed].due = now + limit
        return dials

    def answered(self, seed: Address, link) -> bool:
        """The seed has confirmed the registration; return whether that is news."""
        row = self._rows[seed]
        if row.link is not link:
            return False
        news = not row.registered
        row.registered, row.reason, row.unanswered = True, "", 0
        row.rest.reset()
        return news

    def ended(self, seed: Address, link, reason: str, now: float) -> bool:
        """The link to a seed has ended; return whether that is news: a further failure for the same
        reason is none."""
        row = self._rows[seed]
        if row.link is not link:
            return False
        news = row.registered or reason != row.reason
        row.registered, row.link, row.reason = False, None, reason
        row.unanswered, row.repeated = 0, LONG_AGO
        row.rest.failed(now, self._rng.uniform(0.5, 1.0))
        return news

    def next_round(self, late: bool) -> tuple[list, list, int]:
        """A liveness round: return (links to repeat `register:` on, links that are silent, how many
        unanswered rounds do not count, because this one is late)."""
        repeat, silent, withheld = [], [], 0
        for row in self._rows.values():
            if row.registered:
                withheld += late and row.unanswered > 0
                row.unanswered += not late
                if row.unanswered > self._settings.register_misses:
                    silent.append(row.link)
                else:
                    repeat.append(row.link)
        return repeat, silent, withheld

    def probed(self, seed: Address, now: float):
        """A seed, or somebody in its name, has probed this peer: return the link on which to repeat
        `register:`, or None."""
        row = self._rows.get(seed)
        if row is None or not row.registered or now - row.repeated < REPEAT_PAUSE:
            return None
        row.repeated = now
        return row.link

    def overdue(self, now: float) -> list:
        """Links to seeds that have not answered `register:` in time."""
        return [row.link for row in self._rows.values()
                if row.link is not None and not row.registered and row.due <= now]

    def in_turn(self):
        """The link to the seed whose turn it is to be asked for its list, or None."""
        links = [row.link for row in self._rows.values() if row.registered]
        self._turn += 1
        return links[self._turn % len(links)] if links else None

    def links(self) -> list[tuple[Address, object]]:
        """The seeds that this peer is registered with, and the links to them."""
        return [(seed, row.link) for seed, row in self._rows.items() if row.registered]

    def next_at(self) -> float | None:
        """When the next rest ends or the next answer is due; None while nothing is missing."""
        times = [row.due for row in self._rows.values()
                 if row.link is not None and not row.registered]
        if sum(row.link is not None for row in self._rows.values()) < self._wanted:
            times += [row.rest.due for row in self._rows.values() if row.link is None]
        return min(times, default=None)
