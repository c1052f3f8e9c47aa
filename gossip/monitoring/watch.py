"""The watch: counts of what a peer sees of its neighbours. Rules only.

The README says by which messages a neighbour is judged, and when. Besides, the link must have stood
for `settle` seconds when the message came. A link stands from the first reply after this peer has
caught up with the neighbour, because then the neighbour has this peer in its table, too. Who
replies has read all that was sent before the request. If it got a message first from here, it owes
no copy; else its copy was sent before the reply. Two replies are needed, because the first request
may overtake gossip that still waits to be sent.

A message whose run had to be confirmed first, or that anti-entropy has fetched, counts only for the
neighbour that brought it. No neighbour is judged by a run that has contradicted itself, because it
may have the other text. Lines are kept as hashes, which are small, and salted anew in each process.
"""

import collections
from typing import NamedTuple

from gossip.addresses import Address
from gossip.monitoring import grammar
from gossip.settings import Settings
from gossip.spread.run import by_run
from gossip.spread.tree import goes_to_all
from gossip.tools import Recent

LOG_LIMIT = 20_000  # messages that neighbours are to be judged by; of more, the oldest are dropped
COPIES_LIMIT = 50_000  # lines noted of a neighbour, before irrelevant lines are dropped
GENERATIONS_LIMIT = 8  # of a neighbour that does not answer
ASKED_LIMIT = 8  # requests of which a reply is awaited
WAITING_LIMIT = 2_000  # lines that wait until their run is confirmed
CHEATS_LIMIT = 10_000  # runs remembered that have contradicted themselves
STILL = 1.5  # periods between two turns above which this peer itself stood still
CATCHING_UP = 6  # replies after which a link stands, even if there is still something to fetch


class _Batch(NamedTuple):
    """Messages that became known together."""

    at: float
    lines: dict[bytes, list[int]]  # run -> its messages
    link: object  # over which they came first; None: made here


class _Row:
    """The state of a watched link."""

    def __init__(self, met: float, judged: int):
        self.met = met  # when the link began
        self.replies = 0
        self.stands = float("inf")  # since when it stands
        self.judged = judged  # the number of the first batch that is not judged yet, from 0 on
        self.horizon = float("-inf")  # the neighbour has read what was said until then
        self.asked = Recent(ASKED_LIMIT)  # TIME of a request -> when it left, the horizon then
        # lines that came over the link, in sets: (when the next set began, lines), the oldest first
        self.copies: collections.deque[list] = collections.deque([[float("inf"), set()]])

    def begin_generation(self, now: float) -> None:
        """Note what comes from now on in a new set."""
        self.copies[-1][0] = now
        self.copies.append([float("inf"), set()])
        self.join_oldest(GENERATIONS_LIMIT)

    def join_oldest(self, most: int) -> None:
        """Join the oldest sets, until there are at most so many."""
        while len(self.copies) > most:
            _, oldest = self.copies.popleft()
            self.copies[0][1] |= oldest

    def forget_copies(self, horizon: float) -> None:
        """Drop the lines that came before all messages still to be judged."""
        # but for one set, because a copy may be noted just before its message
        while len(self.copies) > 1 and self.copies[1][0] <= horizon:
            self.copies.popleft()

    def missing(self, lines: list[int]) -> int:
        return len(set(lines).difference(*[copies for _, copies in self.copies]))


class Watch:
    """The observations of a peer about its neighbours, by their links."""

    def __init__(self, settings: Settings, counts=lambda run: True):
        self._run_counts = counts  # returns whether a run counts; if few seeds name it, asks them
        self._cheats = Recent(CHEATS_LIMIT)  # run that has contradicted itself -> True
        self._settle = settings.settle
        self._longest = STILL * settings.report_interval  # seconds between two turns
        self._owes = settings.spread != "rumor"  # else nobody owes anybody a copy
        self._in_tree = settings.spread == "tree"
        self._turned: float | None = None  # when the last turn was
        self._rows: dict[object, _Row] = {}  # link -> what is known of it
        self._log: list[_Batch] = []  # batches by which not all neighbours are judged yet
        self._begin = 0  # the number of the first batch in it
        self._size = 0  # messages in it
        self._waiting = Recent(WAITING_LIMIT)  # line of an unknown run -> links that brought it
        # neighbour in this period, present or former -> its counts, by the names in an Entry
        self._counts: dict[Address, collections.Counter] = {}

    def linked(self, link, now: float) -> None:
        self._rows[link] = _Row(now, self._begin + len(self._log))
        self._counts.setdefault(link.peer, collections.Counter())

    def asked(self, link, time: str, now: float) -> None:
        """Note a request that leaves behind everything sent; `time` is its TIME."""
        row = self._rows.get(link)
        if row is None:
            return
        row.asked.put(time, (now, row.horizon))
        row.begin_generation(now)

    def replied(self, link, time: str, now: float, caught_up: bool) -> None:
        """Judge a neighbour that replied, by messages known long enough before. If it is
        `caught_up`, nothing is to be fetched from it."""
        self._notice_stand(now)
        row = self._rows.get(link)
        asked = row and row.asked.pop(time)
        if asked is None:
            return
        at, horizon = asked
        row.replies += 1
        if caught_up or row.replies >= CATCHING_UP:
            row.stands = min(row.stands, now)
        self._judge(link, row, horizon)
        row.forget_copies(horizon)
        row.horizon = max(row.horizon, at - self._settle)
        self._drop_judged()

    def on_end(self, link) -> None:
        """Forget a link, but keep the counts of some former neighbours."""
        if self._rows.pop(link, None) is None:
            return
        self._drop_judged()
        for links in self._waiting.all().values():
            links.pop(link, None)
        present = {other.peer for other in self._rows}
        if link.peer not in present and len(self._counts) > len(present) + grammar.ENTRIES_LIMIT:
            del self._counts[link.peer]

    def noted(self, link, lines: list[bytes]) -> None:
        """Note lines that have come over a link, whatever they are."""
        row = self._rows.get(link)
        if row is None:
            return
        self._thin(row)  # before these come in: their messages may not be known yet
        row.copies[-1][1].update(map(hash, lines))

    def fresh(self, lines: list[bytes], link, now: float, owed: bool) -> None:
        """Note new messages from `link`, or from this peer itself (None). `owed`: all other
        neighbours owe a copy."""
        lines = self._owed_by_all(lines)
        if not lines:
            return
        judged = self._judged_by(lines) if owed else {}
        self._count_first(len(lines), link, now)  # an excuse, even if few seeds name the run
        if judged:
            self._log.append(_Batch(now, judged, link))
            self._size += sum(map(len, judged.values()))
        if self._size > LOG_LIMIT:
            self._drop_judged()
        while self._size > LOG_LIMIT and len(self._log) > 1:
            self._drop(1)

    def _owed_by_all(self, lines: list[bytes]) -> list[bytes]:
        return list(filter(goes_to_all, lines)) if self._in_tree else lines

    def _judged_by(self, lines: list[bytes]) -> dict[bytes, list[int]]:
        """Return the messages by which neighbours are judged, by their runs."""
        return {run: list(map(hash, some)) for run, some, _ in by_run(lines)
                if self._run_counts(run) and not self.is_cheat(run)}

    def is_cheat(self, run: bytes) -> bool:
        return self._cheats.get(run, default=False)

    def contradicted(self, run: bytes) -> bool:
        """Judge nobody by a run that contradicted itself. Return whether that is news."""
        for batch in self._log:
            self._size -= len(batch.lines.pop(run, ()))
        return self._cheats.add(run, True)

    def brought(self, lines: list[bytes], link) -> None:
        """Note lines that have come, but whose run has to be confirmed."""
        if link not in self._rows:
            return
        for line in map(hash, self._owed_by_all(lines)):
            self._waiting.add(line, {})
            self._waiting.get(line)[link] = None

    def confirmed(self, lines: list[bytes], now: float) -> None:
        """Count lines whose run is confirmed now as known. Every link that has brought a line
        counts as first, because this peer may seem to have withheld the line."""
        for line in map(hash, lines):
            for link in self._waiting.pop(line, default=()):
                self._count_first(1, link, now)

    def broken(self, link, what: str, count: int) -> None:
        if link in self._rows:
            self._counts[link.peer][what] += count

    def turn(self, now: float) -> bool:
        """Return whether this peer stood still in the period that ends."""
        stood = self._notice_stand(now)
        self._turned = now
        return stood

    def _notice_stand(self, now: float) -> bool:
        """Return whether this peer stood still; then judge by no old messages. What was judged in
        this period is taken back."""
        if self._turned is None or now <= self._turned + self._longest:
            return False
        if not self._owes:
            return True  # nobody was judged by missing messages, so nobody needs an excuse
        for row in self._rows.values():
            row.judged = self._begin + len(self._log)
        for counts in self._counts.values():
            counts["expected"], counts["missing"] = counts["first"], 0
        return True

    def entries(self) -> list[grammar.Entry]:
        """End the period. Return what was seen of each neighbour, and of each former one that was
        judged in this period: who was one for a moment only is not named."""
        present = {link.peer: collections.Counter() for link in self._rows}
        counts = {peer: self._counts[peer] for peer in present} | {  # these come first
            peer: counted for peer, counted in self._counts.items()
            if counted["expected"] > counted["first"]}
        self._counts = present
        self._drop_judged()
        return [grammar.Entry(peer, *[counted[name] for name in grammar.Entry._fields[1:]])
                for peer, counted in counts.items()]

    def _drop_judged(self) -> None:
        """Drop messages by which all neighbours are judged."""
        judged = min((row.judged for row in self._rows.values()),
                     default=self._begin + len(self._log))
        self._drop(max(0, judged - self._begin))

    def _thin(self, row: _Row) -> None:
        """Drop copies of judged messages, if there are too many copies. Two sets of what is not
        judged are below the limit again."""
        if sum(len(copies) for _, copies in row.copies) > COPIES_LIMIT:
            row.join_oldest(2)
            for _, copies in row.copies:
                copies.intersection_update(_lines_of(self._log))

    def _drop(self, count: int) -> None:
        self._size -= len(_lines_of(self._log[:count]))
        del self._log[:count]
        self._begin += count

    def _judge(self, link, row: _Row, horizon: float) -> None:
        """Judge a neighbour by messages that came up to `horizon`."""
        owed = []
        row.judged = max(row.judged, self._begin)
        for batch in self._log[row.judged - self._begin:]:
            if batch.at > horizon:
                break
            row.judged += 1
            if batch.link is not link and batch.at >= row.stands + self._settle:
                owed += _lines_of([batch])
        if owed:
            counts = self._counts[link.peer]
            counts["expected"] += len(owed)
            if self._owes:
                counts["missing"] += row.missing(owed)

    def _count_first(self, count: int, link, now: float) -> None:
        """Count FIRST at once, because the neighbour may miss the message soon."""
        row = self._rows.get(link)
        if row is not None and now >= row.met + self._settle:  # it judges no young link
            counts = self._counts[link.peer]
            counts["expected"] += count
            if self._owes:
                counts["first"] += count


def _lines_of(batches: list[_Batch]) -> list[int]:
    """Return the messages of all runs in these batches."""
    return [line for batch in batches for lines in batch.lines.values() for line in lines]
