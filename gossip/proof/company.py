"""Company: which runs had to meet, and until when they heard of one another.

Files do not show a cable that is pulled, or a machine without power. They show how a link ended:
by a word of the other end, or because there was none. In the second case the two were last in
contact when one of them had a Liveness Reply from the other; and so they were when one of them has
missed a reply since, as a cut may be mended, or a frozen peer end, without a word getting through.
"""

import collections
import functools

from gossip.proof import graph
from gossip.proof.events import Linked
from gossip.proof.pieces import Pieces
from gossip.proof.reach import CLOSED, Reach, pause, together, without
from gossip.proof.records import Records
from gossip.proof.runs import PROBE_TIME, PeerRun
from gossip.settings import Settings

ON_ITS_WAY = 1.0  # seconds that a message, or the end of a connection, may take

# Reasons for which a link ends by a word of the other end.
HEARD = {*CLOSED, "left", "full", "duplicate"}


class Company:
    """The runs of a folder, in pairs."""

    def __init__(self, records: Records):
        self._records = records
        self._newest = records.newest()
        self._had_to_meet: dict[tuple[PeerRun, PeerRun], bool] = {}
        self._partners: dict[PeerRun, frozenset[PeerRun]] = {}
        self._alone: dict[PeerRun, float | None] = {}  # when each lost its last neighbour
        self._contacts: dict[tuple[PeerRun, PeerRun], list[tuple[float, float]]] = {}

    @functools.cached_property
    def reach(self) -> Reach:
        """When seeds were up, and in reach of each peer."""
        return Reach(self._records)

    def end_of(self, run: PeerRun) -> float:
        """When a run left, ended or died; the time of the newest line for a run that is up."""
        return graph.up_until(run, self._newest)

    def had_to_meet(self, one: PeerRun, other: PeerRun) -> bool:
        """Whether two runs had to be joined by links, directly or through others: because they were
        before, or because a seed that both can reach is up now, or was up for long enough."""
        if (one, other) not in self._had_to_meet:
            self._had_to_meet[one, other] = (
                self._joined.joined(one, other)
                or self._have_seed_now(one, other) or self.had_time_to_meet(one, other))
        return self._had_to_meet[one, other]

    def had_to_be_joined(self, run: PeerRun) -> frozenset[PeerRun]:
        """The runs that had to meet this one; only those that are up, and none if it is not."""
        if run not in self._partners:
            up = () if run.has_ended(self._newest) else self._up
            self._partners[run] = frozenset(one for one in up if self.had_to_meet(one, run))
        return self._partners[run]

    @functools.cached_property
    def _up(self) -> list[PeerRun]:
        return [run for run in self._records.peers if not run.has_ended(self._newest)]

    @functools.cached_property
    def _joined(self) -> Pieces:
        """All runs, linked if they have ever been neighbours."""
        joined, runs = Pieces(), collections.defaultdict(list)
        for run in self._records.peers:
            joined.add(run)
            runs[run.address].append(run)
        for run in self._records.peers:
            for address in run.ever_linked:
                for other in runs.get(address, ()):
                    if self.contacts(run, other):
                        joined.link(run, other)
        return joined

    def _have_seed_now(self, one: PeerRun, other: PeerRun) -> bool:
        """Whether both are up at the newest line, and a seed in reach of both."""
        return min(self.end_of(one), self.end_of(other)) >= self._newest and any(
            end >= self._newest for _, end in self._seeds(one, other))

    def _seeds(self, one: PeerRun, other: PeerRun) -> list[tuple[float, float]]:
        """The times in which both could reach one and the same seed; chat servers need none."""
        if one.chat:
            return [(one.first, self._newest)]
        mine, theirs = self.reach.of(one), self.reach.of(other)
        return [time for seed in mine for time in together(mine[seed], theirs[seed])]

    def had_time_to_meet(self, one: PeerRun, other: PeerRun, since: float = 0.0) -> bool:
        """Whether both were up, and a seed in reach of both, from `since` on for so long that they
        had to be joined: two rounds, and some more if they have lost neighbours meanwhile. A
        seed that comes back is tried again after a pause. Who takes itself for registered with
        enough seeds looks for no other: the time until it notices that one is silent counts not."""
        rounds = 2.0
        if one.first_linked is not None and other.first_linked is not None:
            rounds = 3 + max(one.setting("liveness-misses"), other.setting("liveness-misses"))
        patience = PROBE_TIME + rounds * max(one.setting("liveness-interval"),
                                             other.setting("liveness-interval"))
        first = min(one.first, other.first)
        begin = max(one.first, other.first, since)
        end = min(self._in_touch_until(one), self._in_touch_until(other))
        misled = [*self.reach.misled(one), *self.reach.misled(other)]
        for up, down in self._seeds(one, other):
            times = [(max(begin, up + pause(first, up)), min(end, down))]
            for lost, noticed in misled:
                times = without(times, lost, noticed)
            if any(until - since > patience for since, until in times):
                return True
        return False

    def _in_touch_until(self, run: PeerRun) -> float:
        """When a run ended; if it never had a neighbour and ended without a word, the last moment
        before that at which it must have noticed that it was cut off from its seeds."""
        end = self.end_of(run)
        if run.first_linked is None and run.left is run.ended is None and end < self._newest:
            end -= (Settings().register_misses + 1) * run.setting("liveness-interval")
        return end

    def contacts(self, one: PeerRun, other: PeerRun) -> list[tuple[float, float]]:
        """From when until when two runs were neighbours, by the word of both, and in contact."""
        if (one, other) not in self._contacts:
            self._contacts[one, other] = [
                time for mine in one.links.get(other.address, ())
                for theirs in other.links.get(one.address, ())
                for time in self._contact(one, mine, other, theirs)]
        return self._contacts[one, other]

    def _contact(self, one: PeerRun, mine: Linked, other: PeerRun,
                 theirs: Linked) -> list[tuple[float, float]]:
        """The time in which they were in contact over one link, which each has told of; none if
        these are two links."""
        begin = max(mine.begin, theirs.begin)
        end = min(mine.end, theirs.end, self.end_of(one), self.end_of(other))
        replied = max(_last(one.replies, other, end), _last(other.replies, one, end), begin)
        if (self._fell_silent(one, mine, other, theirs)
                or self._fell_silent(other, theirs, one, mine)
                or max(_last(one.missed, other, end), _last(other.missed, one, end)) > replied):
            end = replied
        return [(begin, end)] if begin <= end else []

    def _fell_silent(self, run: PeerRun, mine: Linked, other: PeerRun, theirs: Linked) -> bool:
        """Whether a run saw the link to another end without a word of it at that time."""
        if run.chat:
            return False  # chat servers have no connections
        if mine.end > self._newest:  # it has not seen the end
            if theirs.end > self._newest and self.end_of(run) < self._newest:
                return other.ended is None or run.ended is None  # nobody tells of the end
            return self.end_of(run) >= self._newest > self.end_of(other)
        if mine.reason == "given up":
            return theirs.reason != "full"  # then the other end has heard of it
        if mine.reason in CLOSED and (theirs.reason in CLOSED or min(
                theirs.end, self.end_of(other)) > mine.end + ON_ITS_WAY):
            return True  # it was not closed there, but broke somewhere between
        if mine.reason in CLOSED and other.left is not None and other.left < mine.end:
            return True  # a leaver says goodbye on all its links: this one carried nothing any more
        return mine.reason not in HEARD or mine.end > other.last + ON_ITS_WAY

    def slowness(self, one: PeerRun, other: PeerRun, since: float) -> float:
        """Seconds that bytes took at most from one run to another, by the replies since a time."""
        return max((reply.took / 2 for run, peer in ((one, other), (other, one))
                    for reply in run.replies if reply.at >= since and reply.peer == peer.address),
                   default=0.0)

    def goodbye(self, leaver: PeerRun, other: PeerRun) -> float:
        """How many seconds the goodbye of a run was on its way to another; 0 when none arrived."""
        if leaver.left is None:
            return 0.0
        return min((link.end - leaver.left for link in other.links.get(leaver.address, ())
                    if link.reason == "left" and link.end > leaver.left), default=0.0)

    def alone_since(self, run: PeerRun, at: float) -> float | None:
        """Since when a run had no neighbour, if it had none from a time on until its end."""
        if run not in self._alone:
            ends = [link.end for links in run.links.values() for link in links
                    if link.begin <= self.end_of(run)]
            self._alone[run] = max(ends, default=None)
        last = self._alone[run]
        if last is None:
            return run.first
        return last if last < at else None


def _last(times: list[tuple], peer: PeerRun, until: float) -> float:
    """The last of the times, until a moment, that belong to a peer; 0 when there is none."""
    return next((at for at, who, *_ in reversed(times) if who == peer.address and at <= until), 0.0)
