"""The watch of a peer: what each neighbour owed, and what it brought. Pure.

A link keeps the order of lines, so who replies to a Liveness Request has read all that was sent
before. If it got a message first from here, it owes no copy; else its own copy was sent before the
reply. So a new message is owed by every neighbour but the one that brought it, a copy pays for it,
and what is left when a reply comes, and is older than its request, is missing.

Nobody owes a message of this peer, one that was said long ago or before the link stood, or one of
a run that others may not take. Copies are counted by line: who signs a number in two lines has
contradicted itself, and nobody owes its messages.
"""

import functools

from grapevine.addresses import Address
from grapevine.monitoring.grammar import Entry
from grapevine.signing.ed25519 import check
from grapevine.signing.grammar import Signed
from grapevine.tools import Recent
from grapevine.wire import origin_of

RECENT = 10.0  # seconds between TIME of a message and this peer's clock, beyond which nobody owes
# it: it was fetched, or clocks disagree
STANDS = 2.0  # seconds after which a link is at both ends in the table of neighbours
LOG_LIMIT = 20_000  # messages that neighbours are still to be judged by
EARLY_LIMIT = 1_000  # runs of dropped lines that are remembered of each neighbour
EXPECTED, MISSING, FIRST, CORRUPT, FORBIDDEN = range(5)  # in counts, as in an Entry

_check = functools.lru_cache(maxsize=EARLY_LIMIT)(check)


class _Owed:
    """A signed line that neighbours owe. The line itself may be large, and is not kept."""

    __slots__ = ("line", "run", "numbers", "said_at", "sources", "brought_by")

    def __init__(self, signed: Signed, said_at: float, sources: set):
        self.line, self.run, self.numbers = hash(signed.line), signed.run, signed.numbers
        self.said_at, self.sources, self.brought_by = said_at, sources, {*sources}  # links


class _Row:
    """A watched link."""

    def __init__(self, stands_at: float, judged: int):
        self.stands_at = stands_at  # what was said before is not owed
        self.judged = judged  # number of the first line that it is not judged by yet
        self.asked: tuple[float, int] | None = None  # TIME of a request, lines that were owed then
        # run of dropped lines -> their last number; key, content and signature of that line
        self.early = Recent(EARLY_LIMIT)

    def has_early(self, signed: Signed) -> bool:
        """Tell whether this line, or a later one of its run, came and was dropped. What nobody has
        signed does not count: who makes it up would owe no message of that run."""
        last, *evidence = self.early.get(signed.run, (0,))
        return signed.first <= last and _check(*evidence)


class Watch:
    def __init__(self, owes: bool):
        """`owes`: neighbours owe each other all messages; where rumors spread, they do not."""
        self._owes = owes
        self._rows: dict[object, _Row] = {}  # by link
        self._log: list[_Owed] = []  # lines that not all neighbours are judged by
        self._begin, self._size = 0, 0  # number of the first of them; their messages
        self._of_line: dict[int, _Owed] = {}  # by the hash of the line
        # neighbour in this period, present or former -> its counts
        self._counts: dict[Address, list[int]] = {}

    def linked(self, link, now: float) -> None:
        self._rows[link] = _Row(now + STANDS, self._begin + len(self._log))
        self._counts.setdefault(link.peer, [0] * 5)

    def ended(self, link) -> None:
        self._rows.pop(link, None)

    # What comes.

    def copies(self, link, lines: list[bytes]) -> None:
        """Note lines of a neighbour, of whatever kind."""
        for owed in filter(None, map(self._of_line.get, map(hash, lines))):
            owed.brought_by.add(link)

    def came_early(self, link, lines: list[Signed]) -> None:
        """Note lines that are dropped, as their run is unknown or has no room: nobody brings them
        again. The last number of a run is enough, because who has that owed those before it
        earlier, and of many lines some would be forgotten."""
        early = self._rows[link].early if link in self._rows else {}
        for signed in lines:
            if signed.last > early.get(signed.run, (0,))[0]:
                early[signed.run] = signed.last, signed.key, signed.content, signed.signature

    def new(self, link, signed: Signed, time: float, now: float, since: float) -> None:
        """Note a new line of a neighbour; it is owed if it was said after `since`. Its own messages
        do not count for it, or who says much could keep back what others say. Who brought it early
        was first, too: it may have asked before this peer could take and forward the line. `time`
        is what a clock shows at the moment `now`: it may be set, so all other times are moments."""
        sources = {link} | {other for other, row in self._rows.items() if row.has_early(signed)}
        for source in sources:
            if origin_of(signed.run) != source.peer:
                self.count(source, FIRST, len(signed.texts))  # at once: it may miss them soon
                self.count(source, EXPECTED, len(signed.texts))
        age = time - float(signed.line.split(b":", 6)[5])
        said_at = now - max(0.0, age)  # or who is ahead would be owed what came before
        if said_at >= since and abs(age) <= RECENT:
            owed = _Owed(signed, said_at, sources)
            self._of_line[owed.line] = owed
            self._log.append(owed)
            self._size += len(signed.texts)
        while self._size > LOG_LIMIT:
            self._forget(1)

    def count(self, link, what: int, number: int) -> None:
        if link in self._rows:
            self._counts[link.peer][what] += number

    def contradicted(self, run: bytes) -> None:
        """Judge nobody by a run of which others may have another text."""
        for owed in self._log:
            if owed.run == run:
                owed.brought_by.update(self._rows)

    # Judging.

    def may_ask(self, link, time: float) -> bool:
        """Note that a request leaves now behind all that was sent; not while one is unanswered."""
        row = self._rows.get(link)
        if row is None or row.asked is not None:
            return False
        row.asked = time, self._begin + len(self._log)
        return True

    def replied(self, link, time: float) -> None:
        """Judge a neighbour that has replied to a request of this TIME."""
        row = self._rows.get(link)
        if row is None or row.asked is None or time < row.asked[0]:
            return
        (_, until), row.asked = row.asked, None
        for owed in self._log[max(0, row.judged - self._begin):max(0, until - self._begin)]:
            has_brought = link in owed.brought_by
            if (link not in owed.sources and row.stands_at <= owed.said_at
                    and (has_brought or self._owes)):
                self.count(link, EXPECTED, len(owed.numbers))
                if not has_brought:
                    self.count(link, MISSING, len(owed.numbers))
        row.judged = max(row.judged, until)

    def _forget(self, count: int) -> None:
        for owed in self._log[:count]:
            self._size -= len(owed.numbers)
            self._of_line.pop(owed.line, None)
        del self._log[:count]
        self._begin += count

    def entries(self) -> list[Entry]:
        """End a period. Return what was seen of each neighbour, and of each former one that was
        judged in it: who was one for a moment only is not named."""
        judged = min((row.judged for row in self._rows.values()),
                     default=self._begin + len(self._log))
        self._forget(max(0, judged - self._begin))
        present = {link.peer: [0] * 5 for link in self._rows}
        counts, self._counts = self._counts, present
        return [Entry(peer, *counted) for peer, counted in sorted(
                    counts.items(), key=lambda item: item[0] not in present)
                if peer in present or counted[EXPECTED] > counted[FIRST]]
