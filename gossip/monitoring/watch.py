"""The watch: what a peer saw of its neighbours, counted, a period at a time.

Rules only: link readers and the duty of reporting call it, and hand it the time.

Every peer owes every message to every neighbour but the one that it had it first from. What honest
peers do is never held against them, so a message is judged about a neighbour only when

- the link had stood for `settle` seconds when the message came. It stands from the first reply on
  that comes when this peer has caught up with the neighbour: by then the neighbour has it in its
  table, too, and whatever the neighbour knew before has been fetched;
- the neighbour has answered two requests, the first of which left at least `settle` seconds after
  the message came, and the second when the first was answered. They leave in order, behind the
  message: who answers has read it, and either had it first from here, and says so itself, or is
  about to send it. An answer may overtake what waits to be sent, hence two. A neighbour that is
  frozen or slow is judged later, not wrongly.

Messages whose run had to be confirmed first are not judged about others, and neither are those
that a neighbour has brought because it was asked for what it knows (anti-entropy). Whoever stood
still itself judges nobody by what it knew before: what excuses a neighbour may be too old by then.

Lines are kept as numbers, their hashes in this process: nobody outside can make two the same, and
however long lines are, these tables stay small.
"""

import collections
import itertools
import threading
from typing import NamedTuple

from gossip import wire
from gossip.addresses import Address
from gossip.settings import Settings

LOG_LIMIT = 20_000  # messages that wait to be judged; of more, the oldest are not
COPIES_LIMIT = 50_000  # lines noted in one generation, before those that do not matter go
GENERATIONS_LIMIT = 8  # of a neighbour that does not answer
ASKED_LIMIT = 8  # requests of which a reply is awaited
WAITING_LIMIT = 2_000  # lines that wait until their run is confirmed
STILL = 1.5  # periods: when two turns are farther apart than that, this peer itself stood still
CATCHING_UP = 6  # replies after which a link stands, even if there is still something to fetch


class _Batch(NamedTuple):
    """Messages that became known together."""

    at: float
    lines: list[int]
    link: object  # over which they came first; None: made here


class _Row:
    """What is known of one link."""

    __slots__ = ("met", "replies", "stands", "judged", "horizon", "since", "asked", "copies",
                 "counts")

    def __init__(self, met: float, judged: int):
        self.met = met  # when the link began
        self.replies = 0
        self.stands: float | None = None  # since when it stands
        self.judged = judged  # the number of the first batch that is not judged yet, from 0 on
        self.horizon = float("-inf")  # the neighbour has read what was said until then
        # TIME of a request -> (when it left, what the horizon was then)
        self.asked: dict[str, tuple[float, float]] = {}
        # lines that came over the link, in sets: (when the next set began, lines), the oldest first
        self.copies: collections.deque[list] = collections.deque([[float("inf"), set()]])
        self.counts = collections.Counter()  # by the names in an Entry

    def begin_generation(self, now: float) -> set[int]:
        """Note what comes from now on in a set of its own; return the oldest set. Of too many, the
        two oldest become one."""
        self.copies[-1][0] = now
        self.copies.append([float("inf"), set()])
        if len(self.copies) > GENERATIONS_LIMIT:
            _, oldest = self.copies.popleft()
            self.copies[0][1] |= oldest
        return self.copies[0][1]

    def forget_copies(self, horizon: float) -> None:
        """Drop the lines that came before all that is to be judged yet. The youngest of these sets
        stays: a copy may be noted a moment before its message."""
        while len(self.copies) > 1 and self.copies[1][0] <= horizon:
            self.copies.popleft()

    def missing(self, lines: list[int]) -> int:
        """How many of these lines never came over the link."""
        return len(set(lines).difference(*[copies for _, copies in self.copies]))


class Watch:
    """What one peer saw of its neighbours, by their links."""

    def __init__(self, settings: Settings):
        self._settle = settings.settle
        self._longest = STILL * settings.report_interval  # seconds between two turns
        self._floods = settings.spread == "flood"  # else nobody owes anybody a copy
        self._lock = threading.Lock()  # guards everything below
        self._turned: float | None = None  # when the last turn was
        self._rows: dict[object, _Row] = {}  # link -> what is known of it
        self._log: list[_Batch] = []  # what is not judged about all yet
        self._begin = 0  # the number of the first batch in it
        self._size = 0  # messages in it
        self._waiting: dict[int, dict] = {}  # line of an unknown run -> the links that brought it
        self._former: dict[Address, collections.Counter] = {}  # counts of links that have ended

    # Links.

    def linked(self, link, now: float) -> None:
        """A link to a neighbour begins."""
        with self._lock:
            self._rows[link] = _Row(now, self._begin + len(self._log))

    def asked(self, link, time: str, now: float) -> None:
        """A request leaves, behind all that was sent before; `time` is its TIME."""
        with self._lock:
            row = self._rows.get(link)
            if row is None:
                return
            row.asked[time] = now, row.horizon
            if len(row.asked) > ASKED_LIMIT:
                del row.asked[next(iter(row.asked))]
            self._thin(row.begin_generation(now))

    def replied(self, link, time: str, now: float, caught_up: bool) -> None:
        """A reply has come: judge what was known long enough before a request that was answered
        before this one left. `caught_up`: nothing is to be fetched from this neighbour."""
        with self._lock:
            self._notice_stand(now)
            row = self._rows.get(link)
            if row is None or time not in row.asked:
                return
            at, horizon = row.asked.pop(time)
            row.asked = {other: asked for other, asked in row.asked.items() if asked[0] > at}
            row.replies += 1
            if row.stands is None and (caught_up or row.replies >= CATCHING_UP):
                row.stands = now
            self._judge(link, row, horizon)
            row.forget_copies(horizon)
            row.horizon = max(row.horizon, at - self._settle)
            self._drop_judged()

    def on_end(self, link) -> None:
        """A link has ended: it judges nothing more. What was counted is still told."""
        with self._lock:
            row = self._rows.pop(link, None)
            if row is None:
                return
            self._drop_judged()
            for links in self._waiting.values():
                links.pop(link, None)
            if link.peer in self._former or len(self._former) < wire.ENTRIES_LIMIT:
                self._former.setdefault(link.peer, collections.Counter()).update(row.counts)

    # Messages.

    def noted(self, link, lines: list[bytes]) -> None:
        """These lines have come over a link, whatever they are."""
        with self._lock:
            row = self._rows.get(link)
            if row is None:
                return
            copies = row.copies[-1][1]
            self._thin(copies)  # before these come in: their messages may not be known yet
            copies.update(map(hash, lines))

    def fresh(self, lines: list[bytes], link, now: float, owed: bool) -> None:
        """These messages have become known; `link` has brought them, None: they were made here.
        `owed`: all other neighbours owe a copy."""
        if lines:
            with self._lock:
                self._count_first(len(lines), link, now)
                if owed:
                    self._enter(list(map(hash, lines)), link, now)

    def brought(self, lines: list[bytes], link) -> None:
        """These have come, but their run has to be confirmed first."""
        with self._lock:
            if link not in self._rows:
                return
            for line in map(hash, lines):
                self._waiting.setdefault(line, {})[link] = None
            while len(self._waiting) > WAITING_LIMIT:
                del self._waiting[next(iter(self._waiting))]

    def confirmed(self, lines: list[bytes], now: float) -> None:
        """The run of these is confirmed, so that they are known now. To whoever has brought one
        meanwhile it may look as if this peer had kept it back: each of them was the first."""
        with self._lock:
            for line in map(hash, lines):
                for link in self._waiting.pop(line, ()):
                    self._count_first(1, link, now)

    def corrupt(self, link, count: int) -> None:
        """So many corrupt lines have come."""
        self._count(link, "corrupt", count)

    def forbidden(self, link, count: int) -> None:
        """So many messages with a forbidden word have come."""
        self._count(link, "forbidden", count)

    def _count(self, link, what: str, count: int) -> None:
        with self._lock:
            if link in self._rows:
                self._rows[link].counts[what] += count

    # The period.

    def turn(self, now: float) -> bool:
        """A period is over, or several, if this peer stood still; return whether it did."""
        with self._lock:
            stood = self._notice_stand(now)
            self._turned = now
            return stood

    def _notice_stand(self, now: float) -> bool:
        """After this peer stood still, judge nobody by what it knows by now, and take back what was
        judged in this period; return whether it did stand. Expects the lock."""
        if self._turned is None or now <= self._turned + self._longest:
            return False
        if not self._floods:
            return True  # nothing was judged that an excuse could be missing for
        for row in self._rows.values():
            row.judged = self._begin + len(self._log)
        for counts in (*(row.counts for row in self._rows.values()), *self._former.values()):
            counts["expected"], counts["missing"] = counts["first"], 0
        return True

    def entries(self) -> list[wire.Entry]:
        """What was seen in this period, by neighbour, and of those whose link has ended in it. The
        next period begins."""
        with self._lock:
            counts: dict[Address, collections.Counter] = {}
            for link, row in self._rows.items():
                counts.setdefault(link.peer, collections.Counter()).update(row.counts)
                row.counts.clear()
            for peer, former in self._former.items():
                counts.setdefault(peer, collections.Counter()).update(former)
            self._former.clear()
            self._drop_judged()
        return [wire.Entry(peer, *[counted[name] for name in wire.Entry._fields[1:]])
                for peer, counted in counts.items()][:wire.ENTRIES_LIMIT]

    # The log. All of these expect the lock.

    def _enter(self, lines: list[int], link, now: float) -> None:
        self._log.append(_Batch(now, lines, link))
        self._size += len(lines)
        if self._size > LOG_LIMIT:
            self._drop_judged()
        while self._size > LOG_LIMIT and len(self._log) > 1:
            self._drop(1)

    def _drop_judged(self) -> None:
        """Drop what is judged about all neighbours."""
        judged = min((row.judged for row in self._rows.values()),
                     default=self._begin + len(self._log))
        self._drop(max(0, judged - self._begin))

    def _thin(self, copies: set[int]) -> None:
        """Of too many copies, keep those of messages that wait to be judged."""
        if len(copies) > COPIES_LIMIT:
            copies.intersection_update(
                itertools.chain.from_iterable([batch.lines for batch in self._log]))

    def _drop(self, count: int) -> None:
        self._size -= sum(len(batch.lines) for batch in self._log[:count])
        del self._log[:count]
        self._begin += count

    def _judge(self, link, row: _Row, horizon: float) -> None:
        """Judge what came until then."""
        stood = float("inf") if row.stands is None else row.stands + self._settle
        owed = []
        row.judged = max(row.judged, self._begin)
        for batch in self._log[row.judged - self._begin:]:
            if batch.at > horizon:
                break
            row.judged += 1
            if batch.link is not link and batch.at >= stood:
                owed.append(batch.lines)
        if owed:
            lines = list(itertools.chain.from_iterable(owed))
            row.counts["expected"] += len(lines)
            if self._floods:
                row.counts["missing"] += row.missing(lines)

    def _count_first(self, count: int, link, now: float) -> None:
        """Count what came first over a link, at once: the neighbour may miss it soon. While the
        link is young the neighbour does not judge by it, see above."""
        row = self._rows.get(link)
        if row is not None and now >= row.met + self._settle:
            row.counts["expected"] += count
            if self._floods:
                row.counts["first"] += count
