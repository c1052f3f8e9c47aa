"""A seed that decides, in the hands of a test: its rows, its links, and what it writes."""

import collections
import types

from gossip import wire
from gossip.monitoring import grammar
from gossip.monitoring.deciding import Deciding
from gossip.registering.registry import Registry
from gossip.settings import Settings
from gossip.tools import Recent
from tests.tools.fakes import peer
from tests.tools.rows import NOW, PERIOD, always, of

S, A, B, C, D, E = map(peer, range(5000, 5006))
SEED = peer(4000)
BAN = 600.0
KICK = grammar.kick(S, 0.5, BAN)


class Link:
    """A link that keeps what is sent."""

    def __init__(self, other=None):
        self.peer = other
        self.sent = b""
        self.reason = None

    def send(self, data):
        assert self.reason is None
        self.sent += data

    def close(self, reason):
        self.reason = reason


class Output:
    def __init__(self):
        self.events = []

    def write(self, *events):
        self.events += events


class Node:
    """A seed, as far as deciding knows it."""

    def __init__(self):
        self.settings = Settings(report_interval=PERIOD, ban=BAN)
        self.output = Output()
        self.registry = Registry(self.settings, self.output.write)
        self.clock = NOW

    def now(self):
        return self.clock

    def register(self, address):
        link = Link(address)
        self.registry.register(address, link, self.clock)
        self.output.events.clear()
        return link


class Keeping:
    """The rows of a seed, in the hands of a test."""

    def __init__(self):
        self.rows = collections.defaultdict(list)
        self.judged = []
        self.told = []
        self.forgotten = []
        self.late = Recent(10)
        self.silent = set()  # reporters whose rows have ceased to come
        self.links = self

    tending = types.SimpleNamespace(behind=0.0)

    def judge(self, subject, rows):
        self.judged.append(subject)
        self.rows[subject] = of(subject, rows)

    def judged_here(self, now):
        return self.judged

    def rows_of(self, subject):
        return self.rows[subject]

    def to_all(self, lines):
        self.told += [wire.parse(line) for line in lines.splitlines()]

    def is_silent(self, reporter, now):
        return reporter in self.silent

    def forget(self, address):
        self.forgotten.append(address)

    def take(self, kind):
        """What was told of a kind since it was last asked for."""
        taken = [message for message in self.told if message.kind == kind]
        self.told = [message for message in self.told if message.kind != kind]
        return taken


class Seat:
    """A seed that decides."""

    def __init__(self):
        self.node, self.keeping = Node(), Keeping()
        self.deciding = Deciding(self.node, self.keeping)

    def turn(self):
        self.deciding.turn(self.node.clock)
        return self.keeping.take("verdicts")

    def hear(self, seed=SEED, known=0, judged=(), void=(), unconfirmed=()):
        self.deciding.on_verdicts(Link(seed), grammar.Verdicts(
            known, tuple(judged), tuple(void), tuple(unconfirmed)))

    def hear_kick(self, address, badness=0.75, seconds=BAN):
        self.deciding.on_kick(Link(SEED), grammar.Kick(address, badness, seconds))

    def events(self, judged=False):
        """What was written since this was last asked; what is judged in each turn, or all else."""
        events, self.node.output.events = self.node.output.events, []
        return [event for event in events if event.startswith("judged:") is judged]


def against(subject, *reporters, corrupt=20, honest=()):
    return [row for one in (*reporters, *honest)
            for row in always(one, subject, expected=20, corrupt=0 if one in honest else corrupt)
            + always(subject, one, expected=20)]


def denied_by(reporter, *subjects):
    """The reporter says that it gets nothing; that is no slander, so it is not kicked for it."""
    return [row for one in subjects
            for row in always(reporter, one, expected=20, missing=20)]


def convict(seat, **counts):
    seat.keeping.judge(S, against(S, B, A, honest=[C], **counts))
    seat.turn()
