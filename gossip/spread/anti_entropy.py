"""Anti-entropy: two neighbours compare what they know, and each fetches what it lacks.

This file sends and answers the lines (`status:…`, see wire.Status); catch_up.py decides what to
fetch from whom. Link readers and the anti-entropy thread call it. A. Demers et al., "Epidemic
algorithms for replicated database maintenance", PODC 1987, section 1.3.

A peer knows a message that it has seen, or that a neighbour called gone. First the two compare one
digest of all that they know (when they meet: of all that they have seen); if it is equal, they say
no more. When it differs, they compare digests of 64 slices. For slices that differ they tell their
vectors: for each run, the numbers of its messages that are known.
"""

import threading
import weakref

from gossip import wire
from gossip.settings import Settings
from gossip.spread.catch_up import CatchUp
from gossip.spread.message_list import MessageList
from gossip.spread.run import ALL_SLICES

PAUSE = 1.0  # seconds at least between two comparisons that go along with answers to rumors: while
# messages are on their way, the digests of any two differ
MOST_PUT_OFF = 4  # periodic comparisons that a late peer leaves out in a row
FEW = 16  # runs: the vector of so few is hardly longer than 64 digests, so it is told at once


class AntiEntropy:
    """Compares one peer's message list with those of its neighbours. A neighbour is known by
    its link: any object with `send(data)`."""

    def __init__(self, messages: MessageList, node, links, runs):
        """`runs` tells which runs are genuine, see Spreading."""
        settings: Settings = node.settings
        self._messages = messages
        self._runs = runs
        self._links = links  # names the links to all neighbours
        self._now = node.now  # the clock
        self._rng = node.rng
        self._is_late = node.is_late
        self.duty = None  # the duty that calls `turn`, if there is one
        self._portion = settings.portion
        self._interval = settings.antientropy_interval
        self._due = node.now() + self._interval * node.rng.uniform(0.5, 1.0)  # the next comparison
        self._put_off = 0  # comparisons in a row
        self.catch_up = CatchUp(messages, settings.fetch_patience, runs.is_known)
        self._turn_is_set = False  # for when the neighbour that was asked counts as silent
        self._lock = threading.Lock()  # guards _compared
        self._compared = weakref.WeakKeyDictionary()  # link -> when it was last told a digest

    def turn(self, now: float) -> float:
        """Every interval, compare what was seen with one random neighbour, but seldom while this
        peer is late. Sooner, when a neighbour that was asked does not send, ask another one."""
        if now >= self._due:
            self._compare_in_turn(now)
        self.fetch()
        self._turn_is_set = True  # set before silent_at is read, so that no question is missed
        silent_at = self.catch_up.silent_at()
        if silent_at is None:
            self._turn_is_set = False
            silent_at = self.catch_up.silent_at()  # a thread may have asked in between
        return self._due if silent_at is None else min(self._due, silent_at)

    def _compare_in_turn(self, now: float) -> None:
        """The periodic comparison is due: compare, unless this peer is late. It puts off so many
        in a row at most: what a neighbour has lost may come in no other way."""
        self._due = now + self._interval
        if self._put_off < MOST_PUT_OFF and self._is_late():
            self._put_off += 1
            return
        self._put_off = 0
        links = self._links()
        if links:
            self.compare(self._rng.choice(links))

    def meet(self, link) -> None:
        """Two have become neighbours: tell the other a digest of all that was seen here."""
        link.send(wire.status("meet digest", self._messages.digest(seen_only=True)))

    def compare(self, link) -> None:
        """Tell a neighbour the digest; it answers when its own differs."""
        with self._lock:
            self._compared[link] = self._now()
        link.send(wire.status("digest", self._messages.digest()))

    def compare_now_and_then(self, link) -> None:
        """Compare, unless this was done less than PAUSE seconds ago."""
        with self._lock:
            lately = self._compared.get(link, 0.0) + PAUSE > self._now()
        if not lately:
            self.compare(link)

    def fetch(self) -> None:
        """Ask a neighbour for the next portion of what is lacking here, if it is time."""
        turn = self.catch_up.next_want(self._now())
        if turn is not None:
            link, want = turn
            for line in wire.status_entries("want", want):
                link.send(line)
            if self.duty is not None and not self._turn_is_set:
                self.duty.hurry()

    def on_end(self, link) -> None:
        """The link has ended: what it offered has to come from others."""
        self.catch_up.on_end(link)
        self.fetch()

    def on_status(self, link, message: wire.Status) -> None:
        """A neighbour compares, asks, or answers."""
        if message.verb == "digest":
            if message.digest != self._messages.digest(message.meeting):
                self._differ(link, message.meeting)
        elif message.verb == "parts":
            self._compare_slices(link, message.meeting, message.slices)
        elif message.verb == "show":
            self._tell(link, False, message.slices[0])
        elif message.verb == "seen":
            for run in self.catch_up.offered(link, message.entries, message.meeting):
                self._runs.meet(run, link)
            self.fetch()
        elif message.verb == "want":
            self._send_portion(link, message.entries)
        elif message.verb == "gone":
            self._messages.note_gone(self.catch_up.gone(link, message.entries))
        elif message.verb == "sent":
            self.catch_up.portion_taken(link)
            self.fetch()

    def _differ(self, link, meeting: bool) -> None:
        """A neighbour's digest differs: find out where."""
        if meeting or self._messages.runs() > FEW:
            verb = "meet parts" if meeting else "parts"
            link.send(wire.Answer(wire.status_slices(verb, self._messages.slices(meeting))))
        else:
            self._tell_and_ask(link, meeting, ALL_SLICES)

    def _compare_slices(self, link, meeting: bool, theirs) -> None:
        """A neighbour has sent its slices of the digest: go on with those that differ."""
        own = self._messages.slices(meeting)
        self._tell_and_ask(link, meeting, sum(1 << at for at, one in enumerate(own)
                                              if one != theirs[at]))

    def _tell_and_ask(self, link, meeting: bool, slices: int) -> None:
        """Tell what is known here, and ask for the same; when two meet, both tell unasked."""
        self._tell(link, meeting, slices)
        if not meeting:
            link.send(wire.status_show("show", slices))

    def _tell(self, link, meeting: bool, slices: int) -> None:
        """Tell a neighbour what is known here, so that it fetches what it lacks."""
        lines = wire.status_lines("meet seen" if meeting else "seen", self._messages.vector(slices))
        if lines:
            link.send(wire.Answer(b"".join(lines)))

    def _send_portion(self, link, entries) -> None:
        """Send the next portion of what a neighbour lacks; it asks again when it has taken that."""
        lines, gone = self._messages.texts(entries, self._portion)
        rest = b"".join([*wire.status_entries("gone", gone), wire.status("sent")])
        link.send(wire.Answer(b"\n".join([*lines, rest])))
