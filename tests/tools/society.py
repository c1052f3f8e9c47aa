"""Whole networks as rows, to see whom the verdicts convict: peers flood messages, report, and some
of them lie; seeds judge and kick. No node, no socket; the time is counted in periods.

A peer judges what it has known for two periods, once a period at a moment of its own, and reports
it a period later. Of links, a part breaks at the beginning of each period, and peers with room make
new ones. What is left out: lost reports, copies that come late, comparisons.
"""

import collections
import itertools
import random

from gossip.capacity import BY_RULE
from gossip.monitoring import grammar
from gossip.monitoring.verdicts import Case, evaluate
from tests.tools.fakes import peer
from tests.tools.rows import Row

SETTLE = 2.0  # periods
WINDOW = 12  # periods for which rows are kept
FREEZE, THAW = 9, 19  # periods between which some are stopped
SHARE = 0.3  # of what is forwarded, so much is changed, or invented besides

DROPS = {"drop": 1.0, "mute": 1.0, "drophalf": 0.5}
INVENTS = {"forge", "forbidden"}
SLANDERS = {"slander", "collude"}
KINDS = ["drop", "drophalf", "tamper", "forge", "forbidden", "slander", "collude", "onoff"]


def mixed(count, colluding=0):
    """So many attackers of all kinds in turn, besides those that collude."""
    others = itertools.cycle(kind for kind in KINDS if kind != "collude" or not colluding)
    return [*itertools.islice(others, count - colluding), *["collude"] * colluding]


class Message:
    """A message on its way: who had it first from whom, and which copies were not as they should
    be."""

    def __init__(self, at):
        self.at = at
        self.first = {}  # peer -> the neighbour that it had it first from; None: made here
        self.dropped = set()  # (from, to): no true copy
        self.broken = collections.Counter()  # (from, to) -> corrupt or forbidden copies


class Society:
    """A network with liars: `kinds` has the kind of each. `breaks` is the share of links that break
    in each period, `frozen` how many honest peers are stopped for ten periods."""

    def __init__(self, number, kinds=(), peers=40, capacity=BY_RULE, breaks=0.05, seeds=5,
                 messages=20, frozen=0):
        self.rng = random.Random(number)
        self.peers = [peer(5001 + at) for at in range(peers)]
        self.kinds = dict(zip(self.rng.sample(self.peers, len(kinds)), kinds))
        self.honest = [one for one in self.peers if one not in self.kinds]
        self.frozen = self.rng.sample(self.honest, frozen)
        self.capacity = {one: capacity.of(one) for one in self.peers}
        self.breaks = breaks
        self.per_period = messages
        self.phase = {one: self.rng.random() for one in self.peers}  # when in a period it judges
        self.links = {one: {} for one in self.peers}  # peer -> neighbour -> since when
        self.apart = set()  # pairs of which one never named the other
        self.messages = collections.deque()
        self.judged_to = dict.fromkeys(self.peers, -1.0)  # peer -> up to when it judged messages
        self.waiting = collections.defaultdict(list)  # (peer, frozen neighbour) -> to be judged by
        self.rows = {one: collections.deque() for one in self.peers}  # by subject
        self.reported = []  # rows on their way
        self.seed_phases = sorted(self.rng.random() for _ in range(seeds))
        self.told = [None] * seeds
        self.void = [()] * seeds
        self.kicked = {}  # peer -> when
        self.worst = 0.0  # the largest badness of an honest peer
        self.period = 0
        self._link_all(-SETTLE)

    def run(self, periods):
        for self.period in range(periods):
            self._change_links()
            if self.period == THAW:
                self._thaw()
            self._gossip()
            self._file_reports()
            for one in self.peers:
                if not (one in self.kicked or self._is_frozen(one)
                        or self.kinds.get(one) == "mute"):
                    self._report(one)
            self._judge()
        return self

    # What came of it.

    def missed(self):
        """Attackers that were not kicked."""
        return [one for one in self.kinds if one not in self.kicked]

    def falsely_kicked(self):
        return [one for one in self.kicked if one not in self.kinds]

    # Links.

    def _link_all(self, now):
        """Link whoever has room with others that have, at random."""
        free = [one for one in self.peers if self._room(one) > 0]
        pairs = list(itertools.combinations(free, 2))
        self.rng.shuffle(pairs)
        for one, other in pairs:
            if (other not in self.links[one] and (one, other) not in self.apart
                    and self._room(one) > 0 and self._room(other) > 0):
                self.links[one][other] = self.links[other][one] = now

    def _room(self, one):
        return 0 if one in self.kicked else self.capacity[one] - len(self.links[one])

    def _unlink(self, one, other):
        self.links[one].pop(other, None)
        self.links[other].pop(one, None)

    def _change_links(self):
        for one in self.peers:
            for other in list(self.links[one]):
                if one < other and self.rng.random() < self.breaks:
                    self._unlink(one, other)
        self._link_all(self.period)

    # Messages.

    def _is_frozen(self, one):
        return one in self.frozen and FREEZE <= self.period < THAW

    def _thaw(self):
        """Who was stopped reads all that one neighbour has sent, then what the others have."""
        for one in self.frozen:
            source = self.rng.choice(list(self.links[one]))
            for message in self.messages:
                if one not in message.first and message.at >= FREEZE:
                    message.first[one] = source

    def _gossip(self):
        origins = [one for one in self.peers if one not in self.kicked and not self._is_frozen(one)]
        for at in range(self.per_period):
            message = Message(self.period + at / self.per_period)
            self._flood(message, self.rng.choice(origins))
            self.messages.append(message)
        while self.messages[0].at < self.period - WINDOW - 2:
            self.messages.popleft()

    def _flood(self, message, origin):
        """Copies arrive in any order; each peer hands on the first one."""
        message.first[origin] = None
        ways = self._handed_on(message, origin)
        rng = self.rng.random
        while ways:
            at = int(rng() * len(ways))
            ways[at], ways[-1] = ways[-1], ways[at]
            source, target = ways.pop()
            if target not in message.first and not self._is_frozen(target):
                message.first[target] = source
                ways += self._handed_on(message, target)

    def _handed_on(self, message, one):
        """The (from, to) of the true copies that a peer sends."""
        source, kind = message.first[one], self.kinds.get(one)
        ways = [(one, other) for other in self.links[one] if other != source]
        if kind is None or source is None:
            return ways
        return [way for way in ways if self._is_true(message, kind, way)]

    def _is_true(self, message, kind, way):
        """Whether an attacker sends a true copy; what it sends else is noted."""
        rng = self.rng.random
        tampers = kind in ("tamper", "collude") or kind == "onoff" and self.period % 2
        changed = tampers and rng() < SHARE
        if changed or kind in INVENTS and rng() < SHARE:
            message.broken[way] += 1
        if changed or rng() < DROPS.get(kind, 0.0):
            message.dropped.add(way)
            return False
        return True

    # Reports.

    def _report(self, one):
        """A peer judges what it has known for long enough; the rows arrive a period later."""
        now = self.period + self.phase[one]
        counts = {other: [0, 0, 0, 0] for other in self.links[one]}
        last = now - SETTLE
        if one in self.frozen and FREEZE < last < THAW:  # what it has read since is too new
            last = FREEZE
        for message in self.messages:
            if self.judged_to[one] < message.at <= last and one in message.first:
                self._judge_message(one, message, counts)
        self.judged_to[one] = max(self.judged_to[one], last)
        for other in self.links[one]:
            if not self._is_frozen(other):
                for message in self.waiting.pop((one, other), ()):
                    self._judge_link(one, other, message, counts)
        for other, (expected, missing, first, broken) in counts.items():
            entry = self._lie(one, grammar.Entry(other, expected, missing, first, broken, 0))
            for side in (grammar.ABOUT, grammar.BY):
                self.reported.append(Row(side, one, 1, self.period + 1, now + 1, entry))

    def _judge_message(self, one, message, counts):
        source = message.first[one]
        if source is not None:  # counts also on a link that is young, or has ended
            counts.setdefault(source, [0, 0, 0, 0])[2] += 1
            counts[source][0] += 1
        for other in self.links[one]:
            if self._is_frozen(other):
                self.waiting[one, other].append(message)
            else:
                self._judge_link(one, other, message, counts)

    def _judge_link(self, one, other, message, counts):
        count = counts[other]
        count[3] += message.broken[other, one]
        if other != message.first[one] and self.links[one][other] + SETTLE <= message.at:
            count[0] += 1
            count[1] += (other not in message.first or message.first[other] == one
                         or (other, one) in message.dropped)

    def _lie(self, one, entry):
        kind = self.kinds.get(one)
        if kind in DROPS:
            return entry._replace(first=entry.expected)
        if kind in SLANDERS and entry.peer not in self.kinds:
            return entry._replace(corrupt=entry.expected)
        if kind == "collude" and self.kinds[entry.peer] == "collude":
            return entry._replace(missing=0, corrupt=0)
        return entry

    def _file_reports(self):
        for row in self.reported:
            subject = row.entry.peer if row.side == grammar.ABOUT else row.reporter
            self.rows[subject].append(row)
        self.reported.clear()
        for rows in self.rows.values():
            while rows and rows[0].at < self.period - WINDOW:
                rows.popleft()

    # Verdicts.

    def _judge(self):
        for seed, phase in enumerate(self.seed_phases):
            now = self.period + phase
            cases = [Case(one, self.rows[one], now, 1.0, self.kicked)
                     for one in self.peers[seed::len(self.seed_phases)] if one not in self.kicked]
            others = [told for at, told in enumerate(self.told) if told is not None and at != seed]
            found = evaluate(cases, others, self.void[seed])
            self.void[seed] = found.void
            self.told[seed] = grammar.Verdicts(found.known, tuple(found.judged.items()),
                                            tuple(found.void), tuple(found.unconfirmed))
            self._act(found, now)

    def _act(self, found, now):
        self.worst = max([self.worst, *(badness for one, badness in found.judged.items()
                                        if one not in self.kinds)])
        for one, other in found.unconfirmed:
            self.apart |= {(one, other), (other, one)}
            self._unlink(one, other)
        for one in found.guilty:
            self.kicked[one] = now
            for other in list(self.links[one]):
                self._unlink(one, other)
