"""The watch: counts of what a peer saw of its neighbours each period.

Rules only; the time is handed in.

Every peer owes every message to every neighbour but the neighbour that brought it first. So that
honest peers are never blamed, a neighbour is judged by a message only when

- the link had stood for `settle` seconds when the message came. A link stands from the first reply
  on that comes when this peer has caught up with the neighbour: by then the neighbour has this peer
  in its table, too, and what the neighbour knew before has been fetched;
- the neighbour has answered two requests, the first of which left at least `settle` seconds after
  the message came, and the second when the first was answered. They leave in order, behind the
  message, so a neighbour that answers has read it: either it had the message first from here, and
  says so itself, or it is about to send it. Two requests are needed because an answer may overtake
  what waits to be sent. A neighbour that is frozen or slow is judged later, not wrongly.

Nobody else is judged by messages whose run had to be confirmed first, or that a neighbour sent when
it was asked for what it knows (anti-entropy). Nobody is judged by a message whose run few seeds
name, because the neighbour may have denied that run; nor by a run that has contradicted itself,
because the neighbour may have another text; nor, after a pause of this peer, by older messages,
because what excuses a neighbour may have expired.

The tables hold hashes of lines, which are small, and which nobody outside can predict.
"""

import collections
from typing import NamedTuple

from gossip import wire
from gossip.addresses import Address
from gossip.monitoring import grammar
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
    lines: dict[bytes, list[int]]  # run -> its messages
    link: object  # over which they came first; None: made here


class _Row:
    """The state of one watched link."""

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
        """Note what comes from now on in a new set; return the oldest set."""
        self.copies[-1][0] = now
        self.copies.append([float("inf"), set()])
        if len(self.copies) > GENERATIONS_LIMIT:  # the two oldest become one
            _, oldest = self.copies.popleft()
            self.copies[0][1] |= oldest
        return self.copies[0][1]

    def forget_copies(self, horizon: float) -> None:
        """Drop the lines that came before all messages still to be judged."""
        # but for one set, because a copy may be noted just before its message
        while len(self.copies) > 1 and self.copies[1][0] <= horizon:
            self.copies.popleft()

    def missing(self, lines: list[int]) -> int:
        """How many of these lines never came over the link."""
        return len(set(lines).difference(*[copies for _, copies in self.copies]))


class Watch:
    """The observations of one peer about its neighbours, by their links."""

    def __init__(self, settings: Settings, counts=lambda run: True, cheats=()):
        """`counts(run)`: do most seeds name a run? `cheats`: runs that contradict themselves."""
        self._run_counts = counts
        self._cheats = cheats
        self._settle = settings.settle
        self._longest = STILL * settings.report_interval  # seconds between two turns
        self._floods = settings.spread == "flood"  # else nobody owes anybody a copy
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
        self._rows[link] = _Row(now, self._begin + len(self._log))

    def asked(self, link, time: str, now: float) -> None:
        """A request leaves, behind all that was sent before; `time` is its TIME."""
        row = self._rows.get(link)
        if row is None:
            return
        row.asked[time] = now, row.horizon
        if len(row.asked) > ASKED_LIMIT:
            del row.asked[next(iter(row.asked))]
        self._thin(row.begin_generation(now))

    def replied(self, link, time: str, now: float, caught_up: bool) -> None:
        """A reply has come: judge by messages known long enough before.

        `caught_up`: nothing is to be fetched from this neighbour."""
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
        """A link has ended: keep only its counts."""
        row = self._rows.pop(link, None)
        if row is None:
            return
        self._drop_judged()
        for links in self._waiting.values():
            links.pop(link, None)
        if link.peer in self._former or len(self._former) < grammar.ENTRIES_LIMIT:
            self._former.setdefault(link.peer, collections.Counter()).update(row.counts)

    # Messages.

    def noted(self, link, lines: list[bytes]) -> None:
        """These lines have come over a link, whatever they are."""
        row = self._rows.get(link)
        if row is None:
            return
        copies = row.copies[-1][1]
        self._thin(copies)  # before these come in: their messages may not be known yet
        copies.update(map(hash, lines))

    def fresh(self, lines: list[bytes], link, now: float, owed: bool) -> None:
        """These messages have become known. `link` has brought them; None: they were made here.

        `owed`: all other neighbours owe a copy."""
        if not lines:
            return
        by_run = self._judged_by(lines) if owed else {}
        self._count_first(len(lines), link, now)  # an excuse, whoever knows what of the run
        by_run = {run: some for run, some in by_run.items() if run not in self._cheats}
        if by_run:
            self._log.append(_Batch(now, by_run, link))
            self._size += sum(map(len, by_run.values()))
        if self._size > LOG_LIMIT:
            self._drop_judged()
        while self._size > LOG_LIMIT and len(self._log) > 1:
            self._drop(1)

    def _judged_by(self, lines: list[bytes]) -> dict[bytes, list[int]]:
        """The messages by which neighbours are judged, by their runs."""
        by_run: dict[bytes, list[int]] = {}
        for line in lines:
            by_run.setdefault(wire.gossip_key(line)[0], []).append(hash(line))
        return {run: some for run, some in by_run.items() if self._run_counts(run)}

    def contradicted(self, run: bytes) -> None:
        """Judge nobody by the messages of a run that contradicted itself."""
        for batch in self._log:
            self._size -= len(batch.lines.pop(run, ()))

    def brought(self, lines: list[bytes], link) -> None:
        """These lines have come, but their run has to be confirmed first."""
        if link not in self._rows:
            return
        for line in map(hash, lines):
            self._waiting.setdefault(line, {})[link] = None
        while len(self._waiting) > WAITING_LIMIT:
            del self._waiting[next(iter(self._waiting))]

    def confirmed(self, lines: list[bytes], now: float) -> None:
        """The run of these lines is confirmed, so they are known now.

        All that brought a line meanwhile were first: this peer may seem to have withheld it."""
        for line in map(hash, lines):
            for link in self._waiting.pop(line, ()):
                self._count_first(1, link, now)

    def broken(self, link, what: str, count: int) -> None:
        """So many copies have come that were "corrupt", or "forbidden"."""
        if link in self._rows:
            self._rows[link].counts[what] += count

    # The period.

    def turn(self, now: float) -> bool:
        """A period is over; return whether this peer stood still meanwhile."""
        stood = self._notice_stand(now)
        self._turned = now
        return stood

    def _notice_stand(self, now: float) -> bool:
        """Return whether this peer stood still; then judge nobody by old messages.

        What was judged in this period is taken back."""
        if self._turned is None or now <= self._turned + self._longest:
            return False
        if not self._floods:
            return True  # nothing was judged that an excuse could be missing for
        for row in self._rows.values():
            row.judged = self._begin + len(self._log)
        for counts in (*(row.counts for row in self._rows.values()), *self._former.values()):
            counts["expected"], counts["missing"] = counts["first"], 0
        return True

    def entries(self) -> list[grammar.Entry]:
        """End the period: what was seen of each neighbour in it."""
        counts = collections.defaultdict(collections.Counter)
        for peer, counted in [*((link.peer, row.counts) for link, row in self._rows.items()),
                              *self._former.items()]:
            counts[peer].update(counted)
            counted.clear()
        self._former.clear()
        self._drop_judged()
        return [grammar.Entry(peer, *[counted[name] for name in grammar.Entry._fields[1:]])
                for peer, counted in counts.items()]

    # The log.

    def _drop_judged(self) -> None:
        """Drop what is judged about all neighbours."""
        judged = min((row.judged for row in self._rows.values()),
                     default=self._begin + len(self._log))
        self._drop(max(0, judged - self._begin))

    def _thin(self, copies: set[int]) -> None:
        """If there are too many copies, keep only those of messages that wait to be judged."""
        if len(copies) > COPIES_LIMIT:
            copies.intersection_update(_lines_of(self._log))

    def _drop(self, count: int) -> None:
        self._size -= len(_lines_of(self._log[:count]))
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
                owed.append(batch)
        if lines := _lines_of(owed):
            row.counts["expected"] += len(lines)
            if self._floods:
                row.counts["missing"] += row.missing(lines)

    def _count_first(self, count: int, link, now: float) -> None:
        """Count at once what came first, because the neighbour may miss it soon."""
        row = self._rows.get(link)
        if row is not None and now >= row.met + self._settle:  # it does not judge by a young link
            row.counts["expected"] += count
            if self._floods:
                row.counts["first"] += count


def _lines_of(batches: list[_Batch]) -> list[int]:
    """The messages of all runs in these batches."""
    return [line for batch in batches for lines in batch.lines.values() for line in lines]
