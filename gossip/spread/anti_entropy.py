"""Anti-entropy: two neighbours compare what they have seen, and each fetches what it lacks.

This file sends and answers the lines (`status:…`, see wire.Status); catch_up.py decides what to
fetch from which neighbour, comparisons.py when to compare again. A. Demers et al., "Epidemic
algorithms for replicated database maintenance", PODC 1987, section 1.3.

Two neighbours first compare one digest of all that they have seen; if it is equal, they stop. If it
differs, they compare digests of 64 slices. For slices that differ they send their vectors: the
numbers of the messages seen, for each run.
"""

import math

from gossip import wire
from gossip.settings import Settings
from gossip.spread.catch_up import CatchUp
from gossip.spread.comparisons import Comparisons
from gossip.spread.message_list import MessageList
from gossip.spread.run import ALL_SLICES

PAUSE = 1.0  # seconds at least between two comparisons that accompany answers to rumors, because
# digests always differ while messages are on their way
GONE_ROUNDS = 10  # intervals for which a neighbour's `gone` is believed
MOST_PUT_OFF = 4  # periodic comparisons in a row that a late peer skips
FEW = 16  # runs: a vector of so few is hardly longer than 64 digests, so it is sent at once


class AntiEntropy:
    """Compares a peer's messages with its neighbours'; a link is any object with `send(data)`."""

    def __init__(self, messages: MessageList, node, links, runs):
        """`runs` tells which runs are genuine, see Spreading."""
        settings: Settings = node.settings
        self._messages = messages
        self._runs = runs
        self._links = links  # returns the links to all neighbours
        self._now = node.now  # the clock
        self._rng = node.rng
        self._is_late = node.is_late
        self.duty = None  # the duty that calls `turn`, if there is one
        self._portion = settings.portion
        self._interval = settings.antientropy_interval
        # when the next comparison is due; with an interval of 0, never
        self._due = (node.now() + self._interval * node.rng.uniform(0.5, 1.0) if self._interval
                     else math.inf)
        self._put_off = 0  # periodic comparisons skipped in a row
        rest = GONE_ROUNDS * self._interval
        self.catch_up = CatchUp(messages, settings.fetch_patience, rest, runs.is_known)
        self._comparisons = Comparisons(rest)
        self._turn_is_set = False  # for when the neighbour that was asked counts as silent

    def turn(self, now: float) -> float | None:
        """Compare with a random neighbour every interval, but seldom if late. Request the next
        portion, after a timeout from another neighbour. Return when it is due next, if ever."""
        if now >= self._due:
            self._compare_in_turn(now)
        self.fetch()
        silent_at = self.catch_up.silent_at()
        self._turn_is_set = silent_at is not None
        due = self._due if silent_at is None else min(self._due, silent_at)
        return None if due == math.inf else due

    def _compare_in_turn(self, now: float) -> None:
        """Make the periodic comparison. A late peer skips it, but at most MOST_PUT_OFF times in a
        row, because messages that were lost may come in no other way."""
        self._due = now + self._interval
        if self._put_off < MOST_PUT_OFF and self._is_late():
            self._put_off += 1
            return
        self._put_off = 0
        links = self._links()
        if links:
            self.compare(self._rng.choice(links))

    def compare(self, link) -> None:
        """Send a neighbour the digest; it answers if its own differs."""
        self._comparisons.told_digest(link, self._now())
        link.send(wire.status("digest", self._messages.digest()))

    def compare_now_and_then(self, link) -> None:
        """Compare, unless this was done less than PAUSE seconds ago."""
        if not self._comparisons.told_digest_within(link, PAUSE, self._now()):
            self.compare(link)

    def agrees(self, link, digest: str) -> bool:
        """Return whether a neighbour with this digest needs no comparison."""
        own = self._messages.digest()
        return digest == own or self._comparisons.is_done(link, own, digest, self._now())

    def compare_anew(self) -> None:
        """Let comparisons begin anew, because runs that were refused may have room now."""
        self.catch_up.forget_gone()
        self._comparisons.forget_all()

    def fetch(self) -> None:
        """Request the next portion of missing messages, if it is time."""
        turn = self.catch_up.next_want(self._now())
        if turn is not None:
            link, want = turn
            for line in wire.status_entries("want", want):
                link.send(line)
            if self.duty is not None and not self._turn_is_set:
                self.duty.hurry()

    def on_end(self, link) -> None:
        """Fetch from others what this link, which has ended, had offered."""
        self.catch_up.on_end(link)
        self.fetch()

    def on_status(self, link, message: wire.Status) -> None:
        """Handle a line of a neighbour that compares, asks, or answers; ignore any other."""
        if message.verb == "digest":
            self._compare_digest(link, message.digest)
        elif message.verb == "parts":
            self._compare_slices(link, message.slices)
        elif message.verb == "show":
            self._show(link, message.slices[0])
        elif message.verb == "seen":
            self._hear_vector(link, message.entries)
        elif message.verb == "want":
            self._send_portion(link, message.entries)
        elif message.verb == "gone":
            self.catch_up.gone(link, message.entries, self._now())
        elif message.verb == "sent":
            self.catch_up.portion_taken(link, self._now())
            self.fetch()

    def _compare_digest(self, link, theirs: str) -> None:
        """Find out where a neighbour's digest differs, if it does."""
        own = self._messages.digest()
        if theirs == own:
            self._comparisons.agreed(link)
            return
        if not self._comparisons.begins(link, own, theirs, self._now()):
            return
        if self._messages.runs() > FEW:
            link.send(wire.Answer(wire.status_slices("parts", self._messages.slices())))
        else:
            self._tell_and_ask(link, ALL_SLICES)

    def _compare_slices(self, link, theirs) -> None:
        """Exchange vectors for the slices in which a neighbour's digest differs."""
        own = self._messages.slices()
        differing = sum(1 << at for at, one in enumerate(own) if one != theirs[at])
        if differing:
            self._tell_and_ask(link, differing)

    def _tell_and_ask(self, link, slices: int) -> None:
        """Exchange vectors, unless much was sent within this second."""
        now = self._now()
        if self._comparisons.may_tell(link, now):
            self._comparisons.told(link, slices, now)
            self._comparisons.has_told(link, self._tell(link, slices))
            link.send(wire.status_show("show", slices))

    def _show(self, link, slices: int) -> None:
        """Answer a request for the vector, unless it was sent a moment ago."""
        slices = self._comparisons.to_show(link, slices, self._now())
        if slices:
            self._tell(link, slices)

    def _tell(self, link, slices: int) -> int:
        """Send a neighbour the vector, so that it fetches what it lacks. Return its bytes."""
        lines = b"".join(wire.status_lines("seen", self._messages.vector(slices)))
        link.send(wire.Answer(lines or wire.NOTHING_SEEN))
        return len(lines)

    def _hear_vector(self, link, entries) -> None:
        """Fetch what a neighbour's vector shows to be missing here."""
        now = self._now()
        self._comparisons.heard_vector(link, now)
        unknown, whole = self.catch_up.offered(link, entries, now)
        if unknown or not whole:
            self._comparisons.forget(link)
        for run in unknown:
            self._runs.meet(run, link)
        self.fetch()

    def _send_portion(self, link, entries) -> None:
        """Send the next portion of what a neighbour asked for. It asks again after taking that."""
        lines, gone = self._messages.texts(entries, self._portion)
        rest = b"".join([*wire.status_entries("gone", gone), wire.status("sent")])
        link.send(wire.Answer(b"\n".join([*lines, rest])))

    def has_caught_up(self) -> bool:
        """Return whether all present neighbours were compared with, and all that they offered was
        fetched."""
        links = self._links()
        return (bool(links) and all(map(self._comparisons.was_compared, links))
                and not self.catch_up.offering())

    def dropped(self) -> dict[str, int]:
        """Return the counts of everything dropped since the start."""
        return {**self.catch_up.dropped(), **self._comparisons.dropped()}
