"""Trees: the messages of a run go along a tree of links, on which each peer gets them once.

J. Leitão et al., "Epidemic broadcast trees", SRDS 2007. The first message of a run is flooded. The
link that brings it is the parent; a neighbour that repeats what is known is told to push no more of
this run (`status:prune:`), so its link is quiet. What a peer has seen is announced over quiet links
(`status:seen:`) after half a second to one and a half. Who lacks something fetches it there, and
has that link push again (`status:graft:`). A graft never replaces the parent, because under load
that would close circles. A prune ends with its link.
"""

import collections
import math

from grapevine import wire
from grapevine.intervals import Intervals, Range
from grapevine.tools import Accounts
from grapevine.ways import Flood

RUNS_LIMIT = 1_000  # runs that have a tree; the one that was used longest ago is flooded again
RUNS_IN_LINE = 100  # of one prune or graft
CHANGES = 200  # prunes a second that a neighbour says, and is told; and trees that it may begin
BUDGETS = 3_000  # of neighbours that are remembered
FIRST_ALONE = 0.05  # seconds for which a new origin holds back what follows its first message
HELD_LIMIT = 128 << 10  # bytes held back
PAUSE, LONGEST_PAUSE = 0.5, 0.75  # seconds between two announcements, by chance
RANGES = 50  # of a run in an announcement: the last ones
SETTLED = 1.0  # seconds after a prune, when nothing pushed before it is on its way any more
AGAIN = 5.0  # seconds after which a neighbour that goes on repeating is told again
GRAFTS = 8  # links at most that replace a parent
OWN = object()  # the parent of a run of this peer
WHOLE_RUN = [(1, 1)]  # the numbers in an entry that means the run


class Branch:
    """The links of a peer in the tree of one run."""

    def __init__(self, since: float):
        self.parent = None  # a link, or OWN; None before one is chosen, and after its end
        self.since = since  # when it began, lost or changed its parent
        self.latest, self.latest_from = b"", None  # the latest message; the link that brought it
        self.quiet: dict = {}  # links that have pruned it: nothing is pushed there
        self.pruned: dict = {}  # links that were told to push no more, or anew -> when


class Tree(Flood):
    def __init__(self, node):
        super().__init__(node)
        self._branches: collections.OrderedDict[bytes, Branch] = collections.OrderedDict()
        self._budgets = Accounts(BUDGETS, CHANGES, CHANGES)  # of (what a neighbour may, who it is)
        self._changed: dict[bytes, None] = {}  # runs whose news are in no announcement yet
        self._shown: dict[bytes, list[Range]] = {}  # run -> what the next announcement tells
        self._spared: set[tuple] = set()  # (link, run): that neighbour has announced as much
        self._held: list[bytes] | None = None  # own lines behind the first one
        self._is_new = True  # no tree of this peer's run has grown yet
        self._said = collections.Counter()

    # Pushing.

    def new(self, lines: list[bytes], source) -> None:
        links, now, repaired = self.node.gossip_links(), self.node.now(), []
        if source is None and self._is_new and links:
            lines = self._first_alone(lines)
        pushed = {link: [] for link in links if link is not source}  # each is sent to once
        for run, some in by_run(lines):
            is_new, quiet = run not in self._branches, ()
            # in a flood of new runs trees are of little use: what begins one too many goes to all
            if not is_new or self._budgets.of(("begun", source and source.peer)).spend(1, now):
                branch = self._branch(run)
                if self._note_source(branch, source, is_new, now):
                    repaired.append(run)
                branch.latest, quiet = some[-1], branch.quiet
                self._changed[run] = None
            to_all = list(filter(self.goes_to_all, some)) if quiet else []
            for link, told in pushed.items():
                told += to_all if link in quiet else some
        for link, told in pushed.items():
            if told:
                self.push(told, [link])
        if repaired:
            self._graft({source: repaired})
            for run in self._branches.keys() & repaired:  # not to be pruned for the next message
                self._branches[run].pruned[source] = now  # that the parent does bring
        if self._changed and not self._shown:
            self._plan_announcement()

    def _first_alone(self, lines: list[bytes]) -> list[bytes]:
        """Return this peer's first message; while its tree grows, others wait for a moment."""
        first = []
        if self._held is None:
            first, self._held = lines[:1], []
            self.node.later(FIRST_ALONE, self.finish)
        self._held += lines[len(first):]
        if sum(map(len, self._held)) > HELD_LIMIT and not first:
            self.node.later(0.0, self.finish)
        return first

    def finish(self) -> None:
        held, self._held, self._is_new = self._held, None, False
        if held:
            self.new(held, None)

    def _note_source(self, branch: Branch, source, is_new: bool, now: float) -> bool:
        """Note which link has brought news of a run; return whether that was a repair: fetched from
        one that was told not to push. A tree that has just lost its parent takes only a link that
        had pruned, because any other may be about to choose this peer."""
        if source is None:
            branch.parent = OWN
        elif self.node.sync.owes(source):
            return branch.pruned.get(source, now) + SETTLED < now
        else:
            branch.latest_from = source
            may_be_above = is_new or source in branch.quiet or branch.since + SETTLED < now
            if branch.parent is None and may_be_above:
                branch.parent = source
        return False

    # Repetitions.

    def repeated(self, link, lines: list[bytes]) -> None:
        """Tell a neighbour to push no more of the runs that it repeats, unless it was asked to."""
        now, said = self.node.now(), self._budgets.of(("said", link.peer))
        old = [line for line in lines if line in self.node.messages.texts
               and not self.goes_to_all(line)]
        if not old or self.node.sync.owes(link) or said.charge(0, now):
            return
        pruned = [run for run, some in by_run(old) if run in self._branches
                  and self._is_to_be_pruned(self._branches[run], link, some, now)]
        said.charge(len(pruned), now)
        for run in pruned:
            self._branches[run].pruned[link] = now
        self._say(link, "prune", pruned)

    @staticmethod
    def _is_to_be_pruned(branch: Branch, link, lines: list[bytes], now: float) -> bool:
        """Tell whether a link shall push no more of a run. A parent that repeats the latest
        message, when nothing has changed for long, gives way to the link that was faster. All peers
        decide that by the same message, so that no circle closes."""
        since = now - AGAIN
        if (branch.parent is link and branch.latest_from not in (None, link)
                and branch.since <= since and branch.latest in lines):
            branch.parent, branch.since = branch.latest_from, now
        return (branch.parent not in (None, link)
                and branch.pruned.get(link, -math.inf) <= since)

    def _graft(self, runs_of: dict) -> None:
        """Have links push runs again."""
        for link, runs in runs_of.items():
            for run in runs:
                if run in self._branches:
                    self._branches[run].pruned.pop(link, None)
            self._say(link, "graft", runs)

    def _say(self, link, verb: str, runs: list[bytes]) -> None:
        self._said[f"{verb}s"] += len(runs)
        for at in range(0, len(runs), RUNS_IN_LINE):
            link.send(wire.say_entries(verb, [wire.entry(run, WHOLE_RUN)
                                              for run in runs[at:at + RUNS_IN_LINE]]))

    def heard(self, link, status: wire.Status) -> None:
        if status.verb == "seen":
            for run, ranges in status.entries:
                if run in self._shown:
                    seen = Intervals(ranges)
                    if not any(seen.missing(*part) for part in self._shown[run]):
                        self._spared.add((link, run))
            return
        runs = [run for run, _ in status.entries[:RUNS_IN_LINE] if run in self._branches]
        if status.verb == "prune":
            if self._budgets.of(("heard", link.peer)).spend(len(runs), self.node.now()):
                for run in runs:
                    self._branches[run].quiet[link] = None
        elif status.verb == "graft":  # answered by what was seen, because that was not pushed
            grafted = [run for run in runs if link in self._branches[run].quiet]
            for run in grafted:
                del self._branches[run].quiet[link]
            self._show({link: {run: self._seen(run) for run in grafted}})

    # Announcements.

    def _plan_announcement(self) -> None:
        """Note what was seen of changed runs, to announce that later."""
        self._shown = {run: self._seen(run) for run in self._changed}
        self._changed.clear()
        self._spared.clear()
        if self._shown:
            self.node.later(self.node.rng.uniform(PAUSE, LONGEST_PAUSE), self._announce)

    def _announce(self) -> None:
        shown_to: dict = collections.defaultdict(dict)
        for run, seen in self._shown.items():
            for link in self._branches[run].quiet if run in self._branches else ():
                if (link, run) not in self._spared:
                    shown_to[link][run] = seen
        self._show(shown_to)
        self._plan_announcement()

    def _seen(self, run: bytes) -> list[Range]:
        return self.node.messages.runs[run].seen.ranges()[-RANGES:]

    @staticmethod
    def _show(shown_to: dict) -> None:
        for link, shown in shown_to.items():
            if shown:
                link.send(wire.say_entries("seen", [wire.entry(*one) for one in shown.items()]))

    def goes_to_all(self, line: bytes) -> bool:
        return False

    # Runs and links that come and go.

    def _branch(self, run: bytes) -> Branch:
        """Return the branch of a run. Of too many, those that were used longest ago are forgotten:
        they are pushed over all links again, and announced once more."""
        branch = self._branches.setdefault(run, Branch(self.node.now()))
        self._branches.move_to_end(run)
        if len(self._branches) > RUNS_LIMIT:
            grafts, shown_to = collections.defaultdict(list), collections.defaultdict(dict)
            for _ in range(RUNS_IN_LINE):
                old, forgotten = self._branches.popitem(last=False)
                for link in forgotten.pruned:
                    grafts[link].append(old)
                for link in forgotten.quiet:
                    shown_to[link][old] = self._seen(old)
            self._graft(grafts)
            self._show(shown_to)
        return branch

    def ended(self, link) -> None:
        """Forget a link; where it was the parent, others push again."""
        grafts = collections.defaultdict(list)
        for run, branch in self._branches.items():
            branch.quiet.pop(link, None)
            branch.pruned.pop(link, None)
            if branch.latest_from is link:
                branch.latest_from = None
            if branch.parent is link:
                branch.parent, branch.since = None, self.node.now()
                others = list(branch.pruned)
                for other in self.node.rng.sample(others, min(len(others), GRAFTS)):
                    grafts[other].append(run)
        self._graft(grafts)

    def is_busy(self) -> bool:
        return bool(self._held)

    def counts(self) -> dict[str, int]:
        branches = self._branches.values()
        return {"runs with a parent": sum(branch.parent is not None for branch in branches),
                "links not pushed to": sum(len(branch.quiet) for branch in branches), **self._said}


def by_run(lines: list[bytes]) -> list[tuple[bytes, list[bytes]]]:
    """Return gossip lines by run, in order."""
    groups: dict[bytes, list[bytes]] = {}
    for run, line in zip(wire.runs_of(lines), lines):
        groups.setdefault(run, []).append(line)
    return list(groups.items())
