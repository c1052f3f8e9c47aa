"""A watch in the hands of a test: links that answer when they are told to, and what is counted."""

import itertools

from gossip.monitoring.watch import Watch
from gossip.settings import Settings
from tests.tools.fakes import peer

SETTLE = 2.0
YOUNG = 2.5  # a link that begins at 0, and whose first reply comes at once, is older


class Link:
    def __init__(self, number):
        self.peer = peer(number)


class Watched:
    """A watch with links to neighbours, each of which answers at once when it is asked."""

    def __init__(self, neighbours=2, stands=True, counts=lambda run: True, **changes):
        self.watch = Watch(Settings(settle=SETTLE)._replace(**changes), counts)
        self.links = [Link(number + 1) for number in range(neighbours)]
        self._times = map(str, itertools.count())
        for link in self.links:
            self.watch.linked(link, 0.0)
            if stands:
                self.answer(link, 0.0)

    def ask(self, link, at):
        time = next(self._times)
        self.watch.asked(link, time, at)
        return time

    def reply(self, link, time, at, caught_up=True):
        self.watch.replied(link, time, at, caught_up)

    def answer(self, link, at, caught_up=True):
        """A request, and its reply."""
        self.reply(link, self.ask(link, at), at, caught_up)

    def settle(self, at, *links):
        """Two requests, both answered, to all neighbours, or to these."""
        for moment in (at, at + 1):
            for link in links or self.links:
                self.answer(link, moment)

    def bring(self, link, lines, at, owed=True):
        """Lines come over a link, and are new."""
        self.watch.noted(link, lines)
        self.watch.fresh(lines, link, at, owed)

    def counted(self):
        """(EXPECTED, MISSING, FIRST, CORRUPT, FORBIDDEN) of each neighbour, by its number."""
        return {entry.peer.port: tuple(entry)[1:] for entry in self.watch.entries()}


def lines(number, kind="x", run=b"127.0.0.1:5000:1"):
    return [b"gmessage:1.000000:%b:%d:%b" % (run, at, kind.encode()) for at in range(1, number + 1)]
