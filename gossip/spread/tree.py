"""Trees: new lines of a run go only to neighbours that lack them.

Of each run, the link that brought the first message is the parent, until it ends or is slow. A
neighbour that repeats what is known is told to be quiet (`status:prune:`). Half a second to one and
a half later it announces what it has seen (`status:seen:`); this peer fetches what it lacks
(anti_entropy.py), and asks that link to push again (`status:graft:`). A graft never replaces the
parent, because that would close circles under load. See README.md.

A prune silences only its link, and ends with it; lapses of a parent stay. Nothing is gathered,
because what one peer holds back is late for all peers below it.
"""

import collections
import math
from typing import Any

from gossip import wire
from gossip.intervals import Intervals, Range
from gossip.spread.flood import CROWDED, Flood
from gossip.spread.run import by_run
from gossip.tools import Rate, Recent

RUNS_LIMIT = 1_000  # runs with a tree; the least recently used is flooded again
RUNS_IN_LINE = 100  # of a prune or graft
CHANGES = 200  # prunes in a second on one link, in either direction; and trees begun
ALONE = 0.05  # seconds for which an origin holds back what follows its first message
LATER = 0.5  # seconds at least between two announcements, and the least age of what they tell
LONGEST = 1.5  # times LATER at most, by chance, because a message makes all peers begin together
RANGES = 50  # of a run in an announcement
SETTLED = 1.0  # seconds after which nothing is on its way that was pushed before a prune
TOLD_AGAIN = 5.0  # seconds after which a neighbour that goes on repeating is told again
GRAFTS = 8  # links that replace a parent
LAPSES, SUSPECTED = 2, 60.0  # repairs that make a parent suspect, and for how many seconds
SUSPECTS_LIMIT = 1_000
TO_ALL, SHARE_TO_ALL = 100, 4  # the first messages of a run, and the divisor of later numbers

OWN = object()  # the parent of this peer's own run
ONE = [(1, 1)]  # the numbers in an entry that is about a whole run


def goes_to_all(line: bytes) -> bool:
    """Return whether a message goes even to neighbours that pruned its run. All peers agree
    on it where neighbours are watched, so that there is something to judge each of them by."""
    number = wire.gossip_key(line)[1]
    return number <= TO_ALL or number % SHARE_TO_ALL == 0


class _Branch:
    """The links to neighbours, as the tree of one run has them."""

    parent: Any = None  # a link, or OWN; None until a link is chosen, and after its end
    first: Any = None  # the link that brought the latest message first
    last = b""  # the last message

    def __init__(self, since: float):
        self.since = since  # when it began, or lost or changed its parent
        self.quiet: dict = {}  # links that are not pushed to -> None; in order, unlike a set
        self.told: dict = {}  # link that was told to be quiet -> when


class Tree(Flood):
    """The way of spreading that pushes a run unless it was pruned."""

    ANSWERED = {"prune", "graft", "seen"}
    FETCHES = HEARS_REPETITIONS = True

    def __init__(self, links, node, messages, awaits):
        """`awaits(link)` tells whether a portion of messages was asked for there."""
        super().__init__(links, node.flusher, node.now, lambda: 0.0)
        self._messages, self._awaits = messages, awaits
        self._watched = node.settings.monitor
        self._is_late, self._rng = node.is_late, node.rng
        self._runs: collections.OrderedDict[bytes, _Branch] = collections.OrderedDict()
        self._changed: dict[bytes, None] = {}  # runs with messages that are in no entry yet
        self._shown: dict[bytes, list[Range]] = {}  # run -> what was seen, to be announced
        self._spared: set[tuple] = set()  # (link, run): it has announced as much itself
        self._held: list[tuple] | None = None  # (lines, covers) behind the first message
        self._held_size = 0  # bytes of these lines
        self._is_new = True  # this peer has sent no message of its own, or is holding the next
        self._changes, self._said = Rate(CHANGES, CHANGES), Rate(CHANGES, CHANGES)  # prunes
        self._begun = Rate(CHANGES, CHANGES)  # trees, by the neighbour that brought the run
        self._lapses = Recent(SUSPECTS_LIMIT)  # address of a parent -> how often it lapsed
        self._counts = collections.Counter()

    # Pushing.

    def forward(self, lines: list[bytes], source, covers: list[bytes] = ()) -> None:
        links, repaired, pieces = set(self._links()), [], []
        if source is None and self._is_new and links:
            lines, covers = self._first_alone(lines, covers)
        if not lines:
            return
        plain, plain_covers = [], []  # of runs without a tree
        for run, some, their in by_run(lines, covers):
            is_new = run not in self._runs
            # in a flood of new runs, few trees are of use
            if is_new and not self._begun.spend(self._now(), key=source and source.peer):
                plain += some
                plain_covers += their
                continue
            branch = self._branch(run)
            if self._note_source(branch, source, is_new):
                repaired.append(run)
                self._counts["repairs"] += len(some)
            if not branch.quiet.keys() >= links - {source}:
                pieces.append((some, source, their, branch.quiet))
            if self._watched and branch.quiet:
                pieces += self._to_all(some, source, their, links - branch.quiet.keys())
            branch.last = some[-1]
            self._changed[run] = None
        if plain:
            pieces.append((plain, source, plain_covers))
        for number, piece in enumerate(pieces, 1):
            super().forward(*piece, more=number < len(pieces))
        if repaired:
            self._graft({source: repaired})
        if not self._shown:
            self._look()

    def _to_all(self, lines: list[bytes], source, covers: list[bytes], others) -> list[tuple]:
        """Return the piece, if any, that goes to all neighbours but `others`."""
        chosen = [at for at, line in enumerate(lines) if goes_to_all(line)]
        return [([lines[at] for at in chosen], source, [covers[at] for at in chosen if covers],
                 others)] if chosen else []

    def _first_alone(self, lines: list[bytes], covers: list[bytes]) -> tuple[list, list]:
        """Return this peer's first message, with its cover. Hold back others for a moment."""
        now = int(self._held is None)  # how many lines go now
        if now:
            self._held = []
            self._flusher.take_over(self._release, ALONE)
        self._held.append((lines[now:], covers[now:]))
        self._held_size += sum(map(len, lines[now:]))
        if self._held_size > CROWDED and not now:
            self._release()
        return lines[:now], covers[:now]

    def _release(self) -> None:
        held, self._held, self._is_new = self._held or (), None, False
        for lines, covers in held:
            self.forward(lines, None, covers)

    def _note_source(self, branch: _Branch, source, is_new: bool) -> bool:
        """Note that a link has brought new messages of a run. Return whether that was a
        repair: fetched from a link that had been told not to push. Just after losing its parent, a
        tree chooses only a link that pruned, because others may be about to choose this peer."""
        now = self._now()
        if source is None:
            branch.parent = OWN
        elif self._awaits(source):
            if branch.told.get(source, now) + SETTLED < now:
                if branch.parent not in (None, OWN) and not self._is_late():  # it let this lack
                    lapses = self._lapses.get(branch.parent.peer, now, 0)
                    self._lapses.put(branch.parent.peer, lapses + 1, now + SUSPECTED)
                return True
        elif not source.ended:  # else its lines have waited, and on_end has forgotten it
            branch.first = source
            may_be_above = is_new or source in branch.quiet or branch.since + SETTLED < now
            if (branch.parent is None and may_be_above
                    and self._lapses.get(source.peer, now, 0) < LAPSES):
                branch.parent = source
        return False

    def say_behind(self, link, data: bytes, urgent: bool = True) -> None:
        if self._held:
            self._release()
        super().say_behind(link, data, urgent)

    def hurry(self) -> None:
        self._release()
        super().hurry()

    def all_sent(self) -> bool:
        return not self._held and super().all_sent()

    # Repetitions.

    def repeated(self, link, lines: list[bytes]) -> None:
        """Prune the runs whose known lines a neighbour repeats. The parent is exempt, and so are
        lines that were requested or are owed."""
        old = [line for line in lines if self._messages.holds(line)
               and not (self._watched and goes_to_all(line))]
        if not old or self._awaits(link) or self._said.take(self._now(), 0, link.peer):
            return
        if pruned := self._prunable(link, old):
            self._said.take(self._now(), len(pruned), link.peer)
            for branch in pruned.values():
                branch.told[link] = self._now()
            self._tell(link, "prune", list(pruned))

    def _prunable(self, link, lines: list[bytes]) -> dict[bytes, _Branch]:
        """Return the runs of lines that have another parent than the link. If the tree has not
        changed for TOLD_AGAIN seconds, and a parent repeats the last message, the link that brought
        this message first becomes the parent. All peers decide by the same message, so no circles
        form."""
        since = self._now() - TOLD_AGAIN
        branches = {run: self._runs[run] for run, _, _ in by_run(lines) if run in self._runs}
        for branch in branches.values():
            if (branch.parent is link and branch.first not in (None, link)
                    and branch.since <= since and branch.last in lines):
                branch.parent, branch.since = branch.first, self._now()
        return {run: branch for run, branch in branches.items()
                if branch.parent not in (None, link)
                and branch.told.get(link, -math.inf) <= since}

    def _graft(self, runs_of: dict) -> None:
        """Have runs pushed again by links that were told to be quiet."""
        for link, runs in runs_of.items():
            for run in filter(self._runs.__contains__, runs):
                self._runs[run].told.pop(link, None)
            self._tell(link, "graft", runs)

    def _tell(self, link, verb: str, runs: list[bytes]) -> None:
        entries = [wire.status_entry(run, ONE) for run in runs]
        for at in range(0, len(entries), RUNS_IN_LINE):
            link.send(b"".join(wire.status_lines(verb, entries[at:at + RUNS_IN_LINE])))
        self._counts[verb + "s"] += len(runs)

    def answered(self, link, message: wire.Status) -> None:
        """Take what a neighbour says of trees. Only prunes are limited, because a graft takes a
        prune back. A graft is answered by what was seen, because that was not pushed before."""
        if message.verb == "seen":
            for run, ranges in message.entries:
                seen = self._shown.get(run)
                if seen is not None and Intervals(ranges).common(seen) == seen:
                    self._spared.add((link, run))
            return
        runs = [run for run, _ in message.entries[:RUNS_IN_LINE]]
        if message.verb == "prune" and not self._changes.spend(self._now(), len(runs), link.peer):
            runs.clear()
        self._counts["prunes and grafts ignored"] += len(message.entries) - len(runs)
        grafted = {}
        for run in filter(self._runs.__contains__, runs):
            quiet = self._runs[run].quiet
            if message.verb == "prune":
                quiet[link] = None
            elif link in quiet:
                del quiet[link]
                grafted[run] = self._messages.last_seen(run, RANGES)
        self._show({link: grafted})

    # Announcements.

    def _look(self) -> None:
        """Note what was seen of changed runs, to announce it later."""
        self._shown = {run: self._messages.last_seen(run, RANGES) for run in self._changed}
        self._changed.clear()
        self._spared.clear()
        if self._shown:
            self._flusher.take_over(self._announce, LATER * self._rng.uniform(1.0, LONGEST))

    def _announce(self) -> None:
        """Tell quiet links what was seen at the last look."""
        shown_to = collections.defaultdict(dict)
        for run, seen in self._shown.items():
            for link in self._runs[run].quiet if run in self._runs else ():
                if (link, run) not in self._spared:
                    shown_to[link][run] = seen
        self._show(shown_to)
        self._look()

    @staticmethod
    def _show(shown_to: dict) -> None:
        """Tell links what was seen of some runs, unless these are forgotten."""
        for link, shown in shown_to.items():
            lines = wire.status_entries("seen", [entry for entry in shown.items() if entry[1]])
            if lines:
                link.send(b"".join(lines))

    # Runs and links that come and go.

    def _branch(self, run: bytes) -> _Branch:
        """Return the branch of a run. Of too many branches, forget the least recently used, as many
        as fit into a line: have these runs pushed again, and announce what was not announced."""
        branch = self._runs.setdefault(run, _Branch(self._now()))
        self._runs.move_to_end(run)
        if len(self._runs) > RUNS_LIMIT:
            grafts, shown_to = collections.defaultdict(list), collections.defaultdict(dict)
            for _ in range(RUNS_IN_LINE):
                old, forgotten = self._runs.popitem(last=False)
                for link in forgotten.told:
                    grafts[link].append(old)
                for link in forgotten.quiet:
                    shown_to[link][old] = self._messages.last_seen(old, RANGES)
            self._graft(grafts)
            self._show(shown_to)
        return branch

    def on_end(self, link) -> None:
        """Forget a link that has ended. Where it was the parent, others push again."""
        grafts = collections.defaultdict(list)
        for run, branch in self._runs.items():
            branch.quiet.pop(link, None)
            branch.told.pop(link, None)
            branch.first = None if branch.first is link else branch.first
            if branch.parent is link:
                branch.parent, branch.since = None, self._now()
                told = list(branch.told)
                for other in told if len(told) <= GRAFTS else self._rng.sample(told, GRAFTS):
                    grafts[other].append(run)
        self._graft(grafts)

    def dropped(self) -> dict[str, int]:
        """Return counts of the trees, and of what was said so far."""
        branches = self._runs.values()
        return {"runs with a parent": sum(branch.parent is not None for branch in branches),
                "links not pushed to": sum(len(branch.quiet) for branch in branches),
                **{name: self._counts[name] for name in
                   ("prunes", "grafts", "repairs", "prunes and grafts ignored")}}
