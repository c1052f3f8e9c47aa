"""Anti-entropy: two neighbours compare what they have seen, and each fetches what it lacks.

The side of links and of lines (`status:…`, see wire.Status); what to fetch from whom is the rule
in catch_up.py. Link readers and the anti-entropy thread call it. A. Demers et al., "Epidemic
algorithms for replicated database maintenance", PODC 1987, section 1.3.
"""

import time

from gossip import wire
from gossip.catch_up import CatchUp
from gossip.link import Link
from gossip.message_list import MessageList
from gossip.settings import Settings


class AntiEntropy:
    """Compares one peer's message list with those of its neighbours."""

    def __init__(self, messages: MessageList, settings: Settings):
        self._messages = messages
        self._portion = settings.portion
        self.catch_up = CatchUp(messages, settings.fetch_patience)

    def meet(self, link: Link) -> None:
        """Two have become neighbours: tell all that was seen here."""
        self._tell_seen(link, "meet")

    def compare(self, link: Link) -> None:
        """Find out whether a neighbour has seen the same."""
        link.send(wire.status("digest", self._messages.digest()))

    def fetch(self) -> None:
        """Ask a neighbour for the next portion of what is lacking here, if it is time."""
        turn = self.catch_up.next_want(time.monotonic())
        if turn is not None:
            link, want = turn
            for line in wire.status_entries("want", want):
                link.send(line)

    def forget(self, link: Link) -> None:
        """The link has ended: what it offered has to come from others."""
        self.catch_up.forget(link)

    def on_status(self, link: Link, message: wire.Status) -> None:
        """A neighbour compares, asks, or answers."""
        if message.verb == "digest":
            if message.digest != self._messages.digest():
                self._tell_seen(link, "seen")
                link.send(wire.status("show"))
        elif message.verb == "show":
            self._tell_seen(link, "seen")
        elif message.verb in ("meet", "seen"):
            self.catch_up.offered(link, message.entries, message.verb == "meet")
            self.fetch()
        elif message.verb == "want":
            self._send_portion(link, message.entries)
        elif message.verb == "gone":
            self._messages.note_gone(self.catch_up.gone(link, message.entries))
        elif message.verb == "sent":
            self.catch_up.portion_taken(link)
            self.fetch()

    def _tell_seen(self, link: Link, verb: str) -> None:
        """Tell a neighbour all that was seen here, so that it fetches what it lacks."""
        lines = wire.status_lines(verb, self._messages.vector())
        if lines:
            link.send(b"".join(lines))

    def _send_portion(self, link: Link, entries) -> None:
        """Send the next of what a neighbour lacks; it asks again when it has taken that."""
        lines, gone = self._messages.texts(entries, self._portion)
        link.send(b"".join([line + b"\n" for line in lines]
                           + wire.status_entries("gone", gone) + [wire.status("sent")]))
