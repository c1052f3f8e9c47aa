"""A network of watches: peers flood messages, and each tells what its Watch has counted. No node,
no socket, no thread; the time is counted in periods.

What is as in the program: a link keeps the order of messages and requests, replies may overtake;
both ends of a link notice at different moments that it begins or has ended; whoever links anew
fetches what it lacks; messages of a run that is not known yet wait until it is confirmed. A peer
that is frozen does nothing, and does everything that has come when it wakes. A dropper hands
nothing on. What is left out: anti-entropy beyond that, corrupt copies, lines lost but with a link.
"""

import heapq
import itertools
import random

from gossip import wire
from gossip.monitoring.verdicts import WINDOWS, Case, badness_of
from gossip.monitoring.watch import Watch
from gossip.settings import Settings
from tests.tools.fakes import peer
from tests.tools.rows import Row, of

LINKS = 5  # that each peer makes sure to have
DELAY = 0.3  # periods that a line is on its way at most
CONFIRMING = 1.0  # periods until it is known whether a run is genuine, at most
SETTLE = 2.0
KEPT = 12.0  # periods for which rows count


class Pipe:
    """One end of a link, as its owner's Watch knows it: what it says comes to the other end."""

    def __init__(self, owner, other):
        self.owner, self.peer = owner, other.address
        self.twin = None  # the other end
        self.ended = False
        self.fetching = False  # its owner waits for what it has asked for
        self.free = 0.0  # when the next line can arrive


class Watcher:
    """One peer."""

    def __init__(self, number, drops=False):
        self.address = peer(5001 + number)
        self.drops = drops
        self.watch = Watch(Settings(settle=SETTLE))
        self.pipes = []
        self.known = {}  # the messages, in order
        self.runs = {self.address: True}  # run -> whether it is confirmed
        self.waiting = {}  # run -> {line: the pipe that brought it}
        self.frozen_until = 0.0
        self.period = 0


class Watchers:
    """A network of watchers, `number` being that of its chances."""

    def __init__(self, number, peers=16, droppers=0, messages=20, breaks=0.05, confirmed=True):
        self.rng = random.Random(number)
        self.now = 0.0
        self.per_period, self.breaks, self.confirmed = messages, breaks, confirmed
        self.rows = []
        self._events, self._order, self._serial = [], itertools.count(), itertools.count(1)
        self._times = map(str, itertools.count())
        self.peers = []
        for at in range(peers):
            self.join(drops=at < droppers)

    # Chance and time.

    def run(self, periods):
        """Let so many periods pass; links break in each, and peers say something."""
        for _ in range(periods):
            for at in range(self.per_period):
                self._at(self.now + self.rng.random(), self._say)
            self._break_links()
            self._mend_links()
            self._until(self.now + 1.0)

    def _until(self, end):
        while self._events and self._events[0][0] <= end:
            self.now, _, act, args = heapq.heappop(self._events)
            act(*args)
        self.now = end

    def _at(self, when, act, *args):
        heapq.heappush(self._events, (when, next(self._order), act, args))

    def _awake(self, who, act, *args):
        """Have a peer do something now, or as soon as it wakes; in order."""
        if who.frozen_until > self.now:
            self._at(who.frozen_until, self._awake, who, act, *args)
        else:
            act(*args)

    # Who is there, and who is linked.

    def join(self, drops=False):
        who = Watcher(len(self.peers), drops)
        if self.confirmed:
            for other in self.peers:
                other.runs[who.address] = who.runs[other.address] = True
        self.peers.append(who)
        self._at(self.now + self.rng.random(), self._tick, who)
        self._mend_links()
        return who

    def freeze(self, who, periods):
        who.frozen_until = self.now + periods

    def linked(self, who):
        return {pipe.peer for pipe in who.pipes if not pipe.ended and not pipe.twin.ended}

    def _mend_links(self):
        for who in self.peers:
            others = [other for other in self.peers if other is not who
                      and other.address not in self.linked(who)]
            missing = min(len(others), LINKS - len(self.linked(who)))
            for other in self.rng.sample(others, max(0, missing)):
                if other.address not in self.linked(who):
                    self._link(who, other)

    def _break_links(self):
        for who in self.peers:
            for pipe in list(who.pipes):
                if not pipe.ended and self.rng.random() < self.breaks / 2:
                    for end in (pipe, pipe.twin):
                        self._at(self.now + self._delay(), self._awake, end.owner, self._end, end)

    def _delay(self):
        return self.rng.random() * DELAY

    def _link(self, who, other):
        ends = Pipe(who, other), Pipe(other, who)
        ends[0].twin, ends[1].twin = ends[::-1]
        for end in ends:
            end.fetching = end.twin.owner.known.keys() - end.owner.known.keys() != set()
            end.owner.pipes.append(end)
            end.owner.watch.linked(end, self.now)
            self._send(end.twin, self._serve, end.twin, len(end.twin.owner.known))

    def _end(self, pipe):
        if not pipe.ended:
            pipe.ended = True
            pipe.owner.watch.on_end(pipe)
            pipe.owner.pipes.remove(pipe)

    def _send(self, pipe, act, *args, overtakes=False):
        """Have something arrive at a pipe, behind what was sent to it before, or not."""
        when = self.now + self._delay()
        if not overtakes:
            when = pipe.free = max(when, pipe.free)
        self._at(when, self._arrive, pipe, act, args)

    def _arrive(self, pipe, act, args):
        if pipe.owner.frozen_until > self.now:
            self._at(pipe.owner.frozen_until, self._arrive, pipe, act, args)
        elif not pipe.ended:
            act(*args)

    def _serve(self, pipe, known):
        """The other end has asked for what it lacked when the link began."""
        for line in list(itertools.islice(pipe.owner.known, known)):
            if line not in pipe.twin.owner.known:
                self._send(pipe.twin, self._hear, pipe.twin, line)
        self._send(pipe.twin, self._fetched, pipe.twin)

    def _fetched(self, pipe):
        pipe.fetching = False

    # Messages.

    def _say(self):
        who = self.rng.choice(self.peers)
        if who.frozen_until <= self.now:
            line = wire.gossip("1.000000", who.address, 1, next(self._serial), "")
            who.known[line] = None
            who.watch.fresh([line], None, self.now, owed=True)
            self._forward(who, line, None)

    def _forward(self, who, line, source):
        for pipe in who.pipes:
            if pipe is not source and not (who.drops and source is not None):
                self._send(pipe.twin, self._hear, pipe.twin, line)

    def _hear(self, pipe, line):
        who, run = pipe.owner, str(wire.check_run(wire.gossip_key(line)[0]))
        who.watch.noted(pipe, [line])
        if line in who.known:
            return
        if str(who.address) != run and not self._confirms(who, run):
            who.watch.brought([line], pipe)
            who.waiting.setdefault(run, {}).setdefault(line, pipe)
            return
        who.known[line] = None
        who.watch.fresh([line], pipe, self.now, owed=not pipe.fetching)
        self._forward(who, line, pipe)

    def _confirms(self, who, run):
        if self.confirmed or who.runs.get(run):
            return True
        if run not in who.runs:
            who.runs[run] = False
            self._at(self.now + self.rng.random() * CONFIRMING, self._awake, who, self._confirm,
                     who, run)
        return False

    def _confirm(self, who, run):
        who.runs[run] = True
        for line, source in who.waiting.pop(run, {}).items():
            who.known[line] = None
            who.watch.confirmed([line], self.now)
            self._forward(who, line, source)

    # Periods.

    def _tick(self, who):
        """The duty of reporting."""
        if who.frozen_until > self.now:
            self._at(who.frozen_until, self._tick, who)
            return
        time = next(self._times)
        for pipe in who.pipes:
            who.watch.asked(pipe, time, self.now)
            self._send(pipe.twin, self._answer, pipe.twin, time)
        who.period += 1
        self.rows += [Row("", who.address, 1, who.period, self.now, entry)
                      for entry in who.watch.entries()]
        self._at(self.now + 1.0, self._tick, who)

    def _answer(self, pipe, time):
        self._send(pipe.twin, self._replied, pipe.twin, time, overtakes=True)

    def _replied(self, pipe, time):
        pipe.owner.watch.replied(pipe, time, self.now, caught_up=not pipe.fetching)

    # What a seed makes of it.

    def badness(self, who):
        """The least badness of a peer in the four windows that a charge needs; None when it could
        not be judged in all of them."""
        self.rows = [row for row in self.rows if row.at > self.now - KEPT]
        case = Case(who.address, of(who.address, self.rows), self.now, 1.0)
        found = [badness_of(case.rates(k, None), ()) for k in range(WINDOWS)]
        return None if None in found else min(found)
