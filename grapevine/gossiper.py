"""A node that gossips: it remembers messages, spreads what is new, fetches what it lacks.

A peer is one, and so is a chat server. A subclass says over which links (`gossip_links`), and calls
`receive` with the gossip lines of one, `heard` with its status lines, `gossip_ended` at its end.
"""

import itertools
import math

from grapevine import wire
from grapevine.addresses import Address
from grapevine.asking import LineNode
from grapevine.intervals import Intervals
from grapevine.messages import Added, Messages
from grapevine.settings import word_finder
from grapevine.sync import Sync
from grapevine.ways import make_way

PASSED_ON = 1.0  # seconds in which a neighbour that goes on has passed on what was said
EFFORT = 30  # bytes that take as long to send as it takes to look at a range of an offer
DIGEST_PAUSE = 1.0  # seconds in which a neighbour that tells rumors is told no second digest


class Gossiper(LineNode):
    MESSAGES = Messages
    make_way = make_way

    def __init__(self, address: Address, settings, output, world, is_named=lambda origin: True):
        """`is_named(address)` tells whether an origin is known, so that it has room of its own."""
        super().__init__(address, settings, output, world)
        self.start_number = self.new_start()
        self.run = f"{address}:{self.start_number}"  # this life
        self.messages = self.MESSAGES(self.run.encode(), settings.cache_size, is_named,
                                      word_finder(settings.filter))
        self.sync = Sync(self.messages, settings.antientropy_interval)
        self.way = self.make_way()
        self.is_leaving = False
        self.said_at = -math.inf  # when it said something last
        self.is_unheard = False  # no neighbour can have, or pass on, something that it has said
        self.numbers = itertools.count(1)  # of its messages; the next one is taken without a lock

    def gossip_links(self) -> list:
        """Return the links over which it gossips."""
        raise NotImplementedError

    def new_start(self) -> int:
        """Return the START of a new life: the milliseconds of the clock."""
        return int(self.time() * 1000)

    # What is made here.

    def check(self, text: str) -> None:
        """Raise ValueError if this text is no message: too long, for example. Needs no lock."""
        wire.make_gossip(wire.format_time(self.time()), self.run, wire.NUMBER_LIMIT, text)
        if self.messages.forbids(text):
            raise ValueError("it has a forbidden word; nothing was sent")

    def originate(self, texts: list[str]) -> None:
        """Make messages, write them down, and spread them. ValueError, and none is made, if one
        does not fit into a line."""
        if not (self.is_leaving or self.stopping):
            self.publish(self.seal(self.make(texts)))

    def make(self, texts: list[str]) -> list[bytes]:
        """Return the gossip lines of new messages, which are to be sealed, and published in this
        order. Needs no lock. ValueError, and none has a number, if a text does not fit."""
        time = wire.format_time(self.time())
        for text in texts:  # a gap in the numbers would never close
            wire.make_gossip(time, self.run, wire.NUMBER_LIMIT, text)
        return [wire.make_gossip(time, self.run, next(self.numbers), text) for text in texts]

    def seal(self, lines: list[bytes]) -> list[bytes]:
        """Return what is published of gossip lines with one TIME, which come here in the order of
        their numbers. Needs no lock."""
        return lines

    def publish(self, lines: list[bytes]) -> None:
        """Write down and spread messages that were made here."""
        if not lines:
            return
        self.output.write_lines("generated:", self.messages.add(lines, is_own=True).messages)
        self.said_at = self.now()
        self.is_unheard = self.is_unheard or not self.gossip_links()
        self.way.new(lines, None)

    # What comes from others.

    def receive(self, link, lines: list[bytes]) -> list[bytes]:
        """Take a neighbour's gossip: write down, spread and return what is new. ProtocolError for
        an invalid line, once the lines before it are taken."""
        added = self.messages.add(lines)
        if added.forbidden:
            self.output.write_lines(f"forbidden:{link.peer}:", added.forbidden)
        if added.new:
            self.output.write_lines(f"received:{link.peer}:", added.messages)
            self.way.new(added.new, link)
        self.brought(link, added)
        if added.fault is not None:
            raise added.fault
        return added.new

    def receive_rumors(self, link, lines: list[bytes]) -> None:
        """Take gossip of which the neighbour waits to hear whether it was new here."""
        lines = [wire.rumor_told(line) for line in lines]
        unknown = self.messages.drop_known(lines)
        if len(unknown) < len(lines):
            self.way.repeated(link, lines)
        new = set(self.receive(link, unknown))
        took, knew = {}, {}
        for line in lines:
            if (found := self.messages.span(line)) is not None:
                run, *numbers = found
                (took if line in new else knew).setdefault(run, []).append(tuple(numbers))
        for verb, numbers in ("took", took), ("knew", knew):
            if numbers:
                link.send(wire.say_entries(verb, [
                    wire.entry(run, Intervals(ranges).ranges())
                    for run, ranges in numbers.items()]))
        self.compare(link, DIGEST_PAUSE)

    def brought(self, link, added: Added) -> None:
        """A neighbour has brought this, which a subclass may charge."""

    def compare(self, link, pause: float = 0.0) -> None:
        """Compare what both have seen, unless that was done within `pause` seconds."""
        if (self.settings.antientropy_interval
                and self.sync.may_tell_digest(link, self.now(), pause)):
            link.send(wire.say_digest(self.messages.digest()))

    def heard(self, link, status: wire.Status) -> int:
        """Take a status line; return the bytes of what it made this node say. A range that was
        looked at for it, or in a digest, counts as EFFORT bytes."""
        hashed = self.messages.hashed
        self.way.heard(link, status)
        if status.verb == "gone":
            for run, ranges in self.sync.gone(link, status.entries):
                self.output.write(f"gone:{link.peer}:{wire.entry(run, ranges).decode()}")
        answer = self.sync.heard(link, status, self.now())
        if answer:
            link.send(answer)
        if status.verb == "want" and self.run.encode() in dict(status.entries):
            self.told_own(link, len(answer) < self.sync.portion)
        asked = self.fetch() if status.verb in ("seen", "sent") else 0
        return len(answer) + asked + EFFORT * (self.sync.effort + self.messages.hashed - hashed)

    def told_own(self, link, is_rest: bool) -> None:
        """A neighbour has asked for messages of this node; `is_rest`: it is sent all of them."""
        self.is_unheard = self.is_unheard and not is_rest

    def fetch(self) -> int:
        """Ask the next neighbour for what is lacking, if none is asked at the moment; return the
        bytes of the question."""
        now = self.now()
        want = self.sync.next_want(now)
        if want is None:
            return 0
        link, line = want
        link.send(line)
        self.later(self.sync.patient_until - now + 0.01, self.fetch)
        return len(line)

    def has_caught_up(self) -> bool:
        """Tell whether everything that its neighbours have told to have is here."""
        return self.sync.has_caught_up(self.gossip_links())

    def gossip_ended(self, link) -> None:
        """A link over which it gossiped has ended, and is not among `gossip_links` any more. If it
        was the last one, maybe nobody has passed on what was said just before."""
        if not self.gossip_links() and self.now() < self.said_at + PASSED_ON:
            self.is_unheard = True
        self.sync.ended(link)
        self.way.ended(link)
        self.fetch()
