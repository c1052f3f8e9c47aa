"""A peer that joins, in the hands of a test: its clock, its links to seeds, and what it writes."""

import random
import types

from gossip.registering.joining import Joining
from gossip.settings import Settings
from tests.tools.fakes import peer


class Link:
    """A link that keeps what is sent."""

    def __init__(self, role, other):
        self.role, self.peer, self.target = role, other, other
        self.sent, self.reason, self.ended = [], "", False

    def send(self, data):
        self.sent.append(data)

    def close(self, reason):
        self.reason, self.ended = reason, True


class Joiner:
    """A peer, as far as joining knows it."""

    settings, rng, leaving = Settings(), random.Random(2), False

    def __init__(self, seeds):
        self.clock, self.events, self.links, self.withheld = 0.0, [], [], 0
        self.output = types.SimpleNamespace(write=lambda *events: self.events.extend(events))
        self.membership = types.SimpleNamespace(hurry=lambda: None)
        self.joining = Joining(self, seeds, lambda seed: b"register\n")

    def now(self):
        return self.clock

    def more_patience(self):
        return 0.0

    def withhold(self):
        self.withheld += 1

    def new_link(self, role, seed):
        return Link(role, seed)

    def dial(self, link):
        self.links.append(link)

    # What a test does.

    def dials(self, now):
        """Have registrations kept, and return the links that were made."""
        self.links, self.clock = [], now
        self.joining.keep_registrations(now)
        return self.links

    def registered(self, link):
        self.joining.on_registered(link, None)

    def end(self, link, reason, now):
        self.clock = now
        link.close(reason)
        self.joining.on_end(link)

    def rest(self, port):
        """Seconds until a seed may be dialled again."""
        return self.joining._rows[peer(port)].rest.due - self.clock
