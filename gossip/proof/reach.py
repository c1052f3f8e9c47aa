"""Reach: until when seeds were up, and when a peer could reach them, as far as files tell.

A seed that is killed writes nothing, and one that has nothing to do writes nothing either. But a
peer writes `unregistered:SEED:REASON` when it has lost a seed, or has tried one in vain. From then
until its next `registered:SEED` the seed is out of its reach. That has a limit where the connection
was closed or refused: then the seed did not run, but lines of its own afterwards tell that it ran
again, and that the peer had to try again. A seed that refuses a peer is up; if it refuses because
it cannot reach the peer, and has registered others, the two are too far apart meanwhile.

Before a peer writes that word the seed may have been frozen or cut off: for four rounds if the peer
was registered there. If it was not, the seed may have been frozen for the ten seconds that a seed
has to answer, and during which a peer that ends writes nothing; or cut off since the peer began, as
it tries a seed only when it needs one. Lines of a seed whose connection was closed tell that it was
not frozen.
"""

import bisect
import collections
import math

from gossip.proof.events import NOT_REACHED, Registered
from gossip.proof.records import Records
from gossip.proof.runs import PeerRun
from gossip.proof.seed_runs import SeedRun
from gossip.settings import Settings

# Reasons for which a link ends at once when the other end does not run any more.
CLOSED = {"closed by the other end", "Connection reset by peer", "Broken pipe"}
# The same, said by the other end itself: a reset may come from a machine between the two.
NOT_RUNNING = {"closed by the other end", "Connection refused"}

Times = list[tuple[float, float]]  # (begin, end) of times that do not overlap


class Reach:
    """The seeds of a folder, as they and the peers tell of them. A seed without a file is up from
    the first time that a peer registers with it."""

    def __init__(self, records: Records):
        self._newest = records.newest()
        self._lives: dict[str, Times] = {}
        # seed -> when it wrote a line, or told a peer of a death
        self._spoke: dict[str, list[float]] = collections.defaultdict(list)
        # seed -> until when peers were registered there, by the last word of each
        self._registered_until: dict[str, float] = collections.defaultdict(float)
        # seed -> (when a peer wrote that it was out of reach, since when that may have been so)
        self._lost: dict[str, Times] = collections.defaultdict(list)
        self._begins: dict[str, list[float]] = collections.defaultdict(list)  # seed -> its starts
        self._of: dict[PeerRun, dict[str, Times]] = {}
        for run in records.seeds:
            end = run.last if run.stopped else math.inf
            lives = self._lives.setdefault(run.address, [])
            if lives and lives[-1][1] > run.first:
                lives[-1] = (lives[-1][0], run.first)
            lives.append((run.first, end))
            self._spoke[run.address] += run.times
            self._begins[run.address].append(run.first)
        elsewhere = collections.defaultdict(list)
        for run in records.peers:
            for at, seed, _ in run.told:
                self._spoke[seed].append(at)
            for seed, words in run.registrations.words.items():
                self._lost[seed] += [
                    (word.at, max(_since(run, words, number), word.at - _patience(run)))
                    for number, word in enumerate(words) if _is_down(word)]
                if words[-1].lost is None:
                    end = run.last if run.has_ended(self._newest) else math.inf
                    self._registered_until[seed] = max(self._registered_until[seed], end)
                elsewhere[seed] += [word.at for word in words if word.lost is None]
        self._registering = {seed for seed, times in elsewhere.items() if times}
        for seed, times in elsewhere.items():
            if times and seed not in self._lives:
                self._lives[seed] = [(min(times), math.inf)]
                self._spoke[seed] += times
        for times in [*self._lost.values(), *self._spoke.values()]:
            times.sort()

    def end_of(self, seed: SeedRun) -> float:
        """When a seed ended, or may have: at its last line, or when a peer lost it after that, or
        when the last peer that was registered there ended. Infinity: one still is."""
        if seed.stopped:
            return seed.last
        begins, lost = self._begins[seed.address], self._lost[seed.address]
        following = bisect.bisect_right(begins, seed.first)
        again = begins[following] if following < len(begins) else math.inf
        since = [since for at, since in lost if seed.last < at < again]
        if since:
            spoke = self._spoke[seed.address]
            at = bisect.bisect_right(lost, (seed.last, math.inf))
            return max(spoke[bisect.bisect_right(spoke, lost[at][0]) - 1], min(since))
        if seed.superseded:
            return seed.last
        return max(seed.last, self._registered_until[seed.address])

    def of(self, run: PeerRun) -> dict[str, Times]:
        """For every seed, when it was up and in reach of a peer."""
        if run not in self._of:
            self._of[run] = {seed: self._in_reach(run, seed) for seed in self._lives}
        return self._of[run]

    def misled(self, run: PeerRun) -> Times:
        """When a peer may have taken a seed for one that it was registered with, and that did not
        answer any more: until it noticed."""
        return [(_since(run, words, number), words[number].at)
                for words in run.registrations.words.values() for number in range(1, len(words))
                if words[number - 1].lost is None and _is_down(words[number])
                and words[number].lost not in CLOSED]

    def _in_reach(self, run: PeerRun, seed: str) -> Times:
        """When a seed was up, without the times in which the peer says that it was out of reach."""
        times, words = self._lives[seed], run.registrations.of(seed)
        if not run.registrations.ever() and not words and run.has_ended(self._newest):
            end = run.last if run.left is None else run.left
            return without(times, end - Settings().register_limit, math.inf)
        for number, word in enumerate(words):
            if not (_is_down(word) or seed in self._registering and _is_too_far(word)):
                continue
            until = next((later.at for later in words[number:] if later.lost is None), math.inf)
            since = _since(run, words, number)
            times = without(times, since, until)
            if word.lost in NOT_RUNNING:
                times += (self._ran_again(seed, since, word.at)
                          + self._ran_again(seed, word.at, until))
        return times

    def _ran_again(self, seed: str, begin: float, end: float) -> Times:
        """The time between the first and the last line that a seed wrote within a time."""
        spoke = self._spoke[seed]
        first, after = bisect.bisect_right(spoke, begin), bisect.bisect_left(spoke, end)
        return [(spoke[first], spoke[after - 1])] if after - first > 1 else []


def _is_down(word: Registered) -> bool:
    """Whether a peer says that a seed is out of reach; a seed that refuses it is not."""
    return word.lost is not None and not word.lost.startswith("registration refused")


def _is_too_far(word: Registered) -> bool:
    return word.lost is not None and word.lost.startswith(NOT_REACHED)


def _patience(run: PeerRun) -> float:
    """Seconds after which a peer notices at the latest that a seed does not answer."""
    usual = Settings()
    return max(usual.register_limit,
               (usual.register_misses + 1) * run.setting("liveness-interval"))


def _since(run: PeerRun, words: list[Registered], number: int) -> float:
    """Since when a seed may have been out of reach, of which a peer says so with this word."""
    usual, at = Settings(), words[number].at
    before = words[number - 1] if number else None
    if words[number].lost == "Connection refused":
        limit = 0.0
    elif before is not None and before.lost is None:
        limit = (usual.register_misses + 1) * run.setting("liveness-interval")
    elif words[number].lost in CLOSED:
        limit = usual.register_limit
    else:
        limit = math.inf
    return max(at - limit, before.at if before is not None else run.first)


def without(times: Times, begin: float, end: float) -> Times:
    """What is left of the times when another is taken out of them."""
    return [part for one, other in times
            for part in ((one, min(other, begin)), (max(one, end), other)) if part[0] < part[1]]


def pause(first: float, up: float) -> float:
    """Seconds until a peer that is up from the first time on tries a seed that is up from the
    other on: pauses grow with the time for which it was tried in vain."""
    return max(0.0, min(Settings().retry_last, up - first + Settings().retry_first))


def together(one: Times, other: Times) -> Times:
    """The times that are in both."""
    return [(max(a, c), min(b, d)) for a, b in one for c, d in other if max(a, c) < min(b, d)]
