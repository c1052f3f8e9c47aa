"""The registrations of a peer: with which seeds it is registered, which is dialled next. Pure.

The aim is always ⌊n/2⌋+1 of the n seeds, drawn at random. A seed that refuses, is down or says
nothing rests for a while. A seed is known by its line in config.txt, an address or a name.
"""

import math
import random

from grapevine.addresses import Address, Target
from grapevine.settings import majority
from grapevine.tools import Backoff

ANSWER_TIME = 10.0  # seconds that a seed may take to answer `register`
FIRST_REST, LONGEST_REST = 0.5, 5.0  # seconds
MISSES = 3  # rounds without an answer to `register`, before another seed is tried
REPEAT = 1.0  # seconds at least between two `register` that probes of a seed cause


class Registration:
    """A row: one seed."""

    def __init__(self):
        self.link = None  # from its dial to its end
        self.is_registered = False  # the seed has confirmed it on this link
        self.unanswered = 0  # rounds in a row
        self.repeated_at = -math.inf  # when a probe of the seed had `register` repeated last
        self.backoff = Backoff(FIRST_REST, LONGEST_REST)
        self.failure = ""  # the one that was written down last
        self.address: Address | None = None  # where the seed was last


class Registrations:
    def __init__(self, seeds: list[Target], rng: random.Random):
        self.rows = {seed: Registration() for seed in seeds}
        self._wanted, self._rng = majority(len(seeds)), rng

    def to_dial(self, now: float) -> list[Target]:
        """Return the seeds to dial, as many as are missing: those that have rested longest, and
        before them those that have not failed."""
        missing = self._wanted - sum(row.link is not None for row in self.rows.values())
        rested = [seed for seed, row in self.rows.items()
                  if row.link is None and row.backoff.due <= now]
        self._rng.shuffle(rested)
        return sorted(rested, key=lambda seed: self.rows[seed].backoff.due)[:max(0, missing)]

    def one_more(self) -> list[Target]:
        """Return one of the other seeds, if there are any, once enough list this peer."""
        others = [seed for seed, row in self.rows.items() if row.link is None]
        return self._rng.sample(others, 1) if others and len(self.links()) >= self._wanted else []

    def next_at(self, now: float) -> float:
        """Return when the next seed has rested."""
        return min((row.backoff.due for row in self.rows.values()
                    if row.link is None and row.backoff.due > now), default=now + LONGEST_REST)

    def registered(self, seed: Target) -> bool:
        """The seed has answered; return whether this peer was not registered before."""
        row = self.rows[seed]
        is_new, row.is_registered = not row.is_registered, True
        row.unanswered, row.failure = 0, ""
        row.backoff.reset()
        return is_new

    def ended(self, seed: Target, reason: str, now: float) -> bool:
        """The link has ended; return whether the reason is news."""
        row = self.rows[seed]
        is_news = row.is_registered or row.failure != reason
        row.link, row.is_registered, row.unanswered, row.failure = None, False, 0, reason
        row.backoff.failed(now)
        return is_news

    def next_round(self) -> tuple[list, list]:
        """Begin a round; return the links on which `register` is to be said again, and those on
        which it was not answered too often."""
        repeat, silent = [], []
        for row in self.rows.values():
            if row.is_registered:
                row.unanswered += not row.link.is_held  # or its answer may wait here
                (silent if row.unanswered > MISSES else repeat).append(row.link)
        return repeat, silent

    def probed_by(self, asker: Address, now: float):
        """Return the link on which to repeat `register`, because its seed asks for a sign of life;
        None if it is no seed of this peer's, or was told just now."""
        for row in self.rows.values():
            if row.is_registered and row.address == asker and now - row.repeated_at >= REPEAT:
                row.repeated_at = now
                return row.link
        return None

    def links(self) -> list:
        """Return the links to the seeds that list this peer."""
        return [row.link for row in self.rows.values() if row.is_registered]
