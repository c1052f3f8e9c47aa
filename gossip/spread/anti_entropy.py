"""Anti-entropy: neighbours compare what they have seen, and fetch what they lack.

This file sends and answers most lines `status:…` (see wire.Status); catch_up.py decides what to
fetch from which neighbour. A. Demers et al., "Epidemic algorithms for replicated database
maintenance", PODC 1987, section 1.3.

Two neighbours compare one digest of all that they have seen, then digests of 64 slices, then
vectors, which are the numbers seen of each run. If two peers differ for good, because one has no
room, or nobody holds the texts, the same digests are not compared again for some time.
"""

import math
import weakref

from gossip import wire
from gossip.settings import MIB, Settings
from gossip.spread.catch_up import CatchUp
from gossip.spread.message_list import MessageList
from gossip.spread.origin import REST_LIMIT
from gossip.spread.run import ALL_SLICES
from gossip.tools import Rate

PAUSE = 1.0  # seconds at least between two comparisons that accompany answers to rumors, because
# digests always differ while messages are on their way
GONE_ROUNDS = 10  # intervals for which a neighbour's `gone` is believed
MOST_PUT_OFF = 4  # periodic comparisons in a row that a late peer skips
FEW = 16  # runs: a vector of so few is hardly longer than 64 digests, so it is sent at once
SHOWN_AGAIN = 1.0  # seconds at least between two answers to `show` on one link, and after an
# unasked vector, because two peers that meet both send a digest, then a vector, then `show`
TOLD_BYTES = 64 << 10  # bytes of unasked vectors on one link in a second; then no more
TOLD_LEAST = 8 << 10  # bytes for which each unasked vector counts at least
GIVEN, GIVEN_AT_ONCE = 16 * MIB, 64 * MIB  # bytes of texts that a neighbour gets: a second, burst


class _Comparison:
    """The state of the comparisons with one neighbour."""

    digest_told = -math.inf  # when it was last sent a digest
    told = -math.inf  # when it was last sent an unasked vector
    told_slices = 0  # the slices of the unasked vectors within this second
    second = -math.inf  # the beginning of the second that `bytes` counts
    bytes = 0  # bytes of unasked vectors sent in this second
    shown = -math.inf  # when it was last sent a vector that it asked for
    begun: tuple | None = None  # the digests, own and theirs, that were found to differ
    done: tuple | None = None  # the same, once the neighbour has sent its vector
    done_until = -math.inf  # from then on they are compared again anyway
    compared = False  # its digest was equal once, or its vector was heard

    def rests(self, own: str, theirs: str, now: float) -> bool:
        """Return whether these digests were compared, and need no comparison for now."""
        return self.done == (own, theirs) and now < self.done_until


class AntiEntropy:
    """The comparisons of a peer with the neighbours that `links()` returns."""

    def __init__(self, messages: MessageList, node, links, runs):
        settings: Settings = node.settings
        self._messages, self._links, self._runs = messages, links, runs
        self._now, self._rng, self._is_late = node.now, node.rng, node.is_late
        self.duty = None  # the duty that calls `turn`, if there is one
        self._portion = settings.portion
        self._interval = interval = settings.antientropy_interval
        self._due = node.now() + interval * node.rng.uniform(0.5, 1.0) if interval else math.inf
        self._put_off = 0  # periodic comparisons skipped in a row
        self._rest = GONE_ROUNDS * interval  # seconds for which a result counts
        self.catch_up = CatchUp(messages, settings.fetch_patience, self._rest, runs.is_known)
        self._comparisons = weakref.WeakKeyDictionary()  # link -> _Comparison
        self._not_shown = self._not_told = 0  # how often a vector was not sent
        self._given = Rate(GIVEN, GIVEN_AT_ONCE)

    def _with(self, link) -> _Comparison:
        return self._comparisons.setdefault(link, _Comparison())

    def turn(self, now: float) -> float | None:
        """Compare with a random neighbour every interval, and request the next portion. Return when
        it is due next, if ever. A late peer skips comparisons, but not too many in a row, because
        lost messages may come in no other way."""
        if now >= self._due:
            self._due = now + self._interval
            skips = self._put_off < MOST_PUT_OFF and self._is_late()
            self._put_off = self._put_off + 1 if skips else 0
            if not skips and (links := self._links()):
                self.compare(self._rng.choice(links))
        self.fetch()
        due = min(self._due, self.catch_up.silent_at)
        return None if due == math.inf else due

    def compare(self, link, pause: float = 0.0) -> None:
        """Send a neighbour the digest, unless this was done less than `pause` seconds ago. The
        neighbour answers if its own digest differs."""
        now, comparison = self._now(), self._with(link)
        if comparison.digest_told + pause <= now:
            comparison.digest_told = now
            link.send(wire.status("digest", self._messages.digest()))

    def agrees(self, link, digest: str) -> bool:
        """Return whether a neighbour with this digest needs no comparison."""
        own = self._messages.digest()
        return digest == own or self._with(link).rests(own, digest, self._now())

    def compare_anew(self) -> None:
        """Forget earlier results, because refused runs may have room now."""
        self.catch_up.forget_gone()
        for comparison in self._comparisons.values():
            comparison.done = None

    def fetch(self) -> None:
        """Request the next portion of missing messages, if it is time."""
        if turn := self.catch_up.next_want(self._now()):
            link, want = turn
            for line in wire.status_entries("want", want):
                link.send(line)
            if self.duty is not None:
                self.duty.hurry()  # it is due when this neighbour counts as silent

    def on_end(self, link) -> None:
        self.catch_up.on_end(link)
        self.fetch()

    def on_status(self, link, message: wire.Status) -> None:
        """Handle a neighbour's comparison, request or answer; ignore other verbs."""
        if message.verb == "digest":
            own, comparison = self._messages.digest(), self._with(link)
            if message.digest == own:
                comparison.compared = True
            elif not comparison.rests(own, message.digest, self._now()):
                comparison.begun = own, message.digest
                if self._messages.runs() > FEW:
                    link.send(wire.Answer(wire.status_slices("parts", self._messages.slices())))
                else:
                    self._tell_and_ask(link, ALL_SLICES)
        elif message.verb == "parts":
            differing = sum(1 << at for at, (own, theirs) in enumerate(
                zip(self._messages.slices(), message.slices)) if own != theirs)
            if differing:
                self._tell_and_ask(link, differing)
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

    def _tell_and_ask(self, link, slices: int) -> None:
        """Exchange vectors of slices that differ. If much was sent within this second, drop the
        comparison, which the neighbour's next digest begins anew."""
        now, comparison = self._now(), self._with(link)
        if comparison.second + SHOWN_AGAIN <= now:
            comparison.second, comparison.bytes = now, 0
        if comparison.bytes >= TOLD_BYTES:
            comparison.begun = None
            self._not_told += 1
            return
        if comparison.told + SHOWN_AGAIN <= now:
            comparison.told_slices = 0
        comparison.told = now
        comparison.told_slices |= slices
        comparison.bytes += max(self._tell(link, slices), TOLD_LEAST)
        link.send(wire.status_slices("show", [slices]))

    def _show(self, link, slices: int) -> None:
        """Answer a request for the vector, without slices just sent."""
        now, comparison = self._now(), self._with(link)
        if comparison.shown + SHOWN_AGAIN > now:
            self._not_shown += 1
            return
        if comparison.told + SHOWN_AGAIN > now:
            slices &= ~comparison.told_slices
        if slices:
            comparison.shown = now
            self._tell(link, slices)

    def _tell(self, link, slices: int) -> int:
        """Send a neighbour the vector. Return its bytes."""
        lines = b"".join(wire.status_lines("seen", self._messages.vector(slices)))
        link.send(wire.Answer(lines or wire.NOTHING_SEEN))
        return len(lines)

    def _hear_vector(self, link, entries) -> None:
        """Fetch what a neighbour's vector shows to be missing. This ends a comparison."""
        now, comparison = self._now(), self._with(link)
        comparison.compared = True
        if comparison.begun is not None:
            comparison.done, comparison.begun = comparison.begun, None
            comparison.done_until = now + self._rest
        unknown, whole = self.catch_up.offered(link, entries, now)
        if unknown or not whole:
            comparison.done = None  # not all of it can be fetched yet
        for run in unknown:
            self._runs.meet(run, link)
        self.fetch()

    def _send_portion(self, link, entries) -> None:
        """Send the next portion of what a neighbour requested. One that has requested too much is
        read more slowly, because a request is a thousandth of what it brings."""
        lines, gone = self._messages.texts(entries, self._portion)
        now = self._now()
        if rest := self._given.take(now, sum(map(len, lines)), link.peer):
            link.rest_until = max(link.rest_until, now + min(rest, REST_LIMIT))
        rest = b"".join([*wire.status_entries("gone", gone), wire.status("sent")])
        link.send(wire.Answer(b"\n".join([*lines, rest])))

    def has_caught_up(self) -> bool:
        """Return whether everything that present neighbours have was offered and fetched."""
        links = self._links()
        return (bool(links) and all(self._with(link).compared for link in links)
                and not self.catch_up.offering())

    def dropped(self) -> dict[str, int]:
        return {"offers too large to keep": self.catch_up.ignored,
                "vectors not told twice in a second": self._not_shown,
                "vectors not told unasked": self._not_told}
