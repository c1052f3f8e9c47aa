"""The message list: which messages were seen, and whose texts are held. Pure.

A message is named by its run, one life of a peer, and its number there. The numbers seen of a run
are kept as intervals, so that a duplicate is recognised after its text is evicted; nothing that was
seen is ever forgotten. Instead new runs and new gaps between numbers have a limit. What has no room
is neither noted nor forwarded, and is fetched when there is room. The next number of a run and
number 1 always have room, so filling gaps does not mute an origin; and what is kept for origins
that seeds have named is counted apart from all others, because anybody can invent those.
"""

import collections
import functools
import hashlib
import itertools
import math
import operator
from bisect import bisect_left, bisect_right
from zlib import crc32

from grapevine import wire
from grapevine.intervals import Intervals, Range
from grapevine.tools import ProtocolError
from grapevine.wire import Entries

CACHE_BYTES = 64 << 20  # weight of all texts held
EVICTED_TO = 0.95  # of that, so that evictions are few
RUN_GAPS = 1_000  # intervals in one run
SURE_GAPS = 8  # intervals of a run of a named origin, whatever others have
ALL_GAPS = 200_000  # intervals beyond the first of each run: of named origins, and of all others
RUNS = 30_000  # runs, beyond which there is room for named origins alone
RUNS_OF_NAMED = 8  # runs of one named origin, beyond RUNS
VECTOR_BYTES = 4 << 20  # of what is told at once of all that was seen; half of a link's backlog

sha256 = hashlib.sha256


class Run:
    """One run: the numbers seen of it, and the texts held."""

    __slots__ = ("key", "slice", "seen", "held", "ordered", "size", "share", "is_named")

    def __init__(self, key: bytes, is_named: bool):
        self.key, self.slice = key, crc32(key) % wire.SLICES
        self.seen = Intervals()
        self.held: dict[int, bytes] = {}  # number -> line, the oldest arrival first
        self.ordered: list[int] = []  # the same numbers, the lowest first
        self.size = 0  # weight of the texts held
        self.share = 0  # its part of the digest, as computed last
        self.is_named = is_named  # its gaps are counted with those of named origins

    def hold(self, numbers, line: bytes) -> None:
        """Hold a line under numbers that are in order, and under which none is held."""
        for number in numbers:
            self.held[number] = line
        at = bisect_left(self.ordered, numbers[0])
        end = bisect_left(self.ordered, numbers[-1], at)
        between = self.ordered[at:end]  # of other lines
        # at once, because each insertion moves all that is above
        self.ordered[at:end] = sorted([*between, *numbers]) if between else numbers

    def held_among(self, first: int, last: int) -> list[int]:
        """Return the numbers from first to last whose texts are held, in order."""
        return self.ordered[bisect_left(self.ordered, first):bisect_right(self.ordered, last)]

    def digest(self) -> int:
        known = self.key + repr(self.seen.ranges()).encode()
        return int.from_bytes(sha256(known).digest()[:16], "big")


class Added:
    """The result of adding gossip lines."""

    def __init__(self, new: list[bytes]):
        self.new = new  # lines that are held now, and go on
        self.messages = new  # what is new in them, each message by itself
        self.forbidden: list[bytes] = []  # new, but with a forbidden word: noted, and not held
        self.fault: ProtocolError | None = None  # of the line at which reading stopped


class Messages:
    def __init__(self, own_run: bytes, cache_size: int, is_named, find_word=None):
        """Hold `cache_size` texts at most. `is_named(address)` tells whether a seed has named it,
        `find_word(text)` finds forbidden words."""
        self._own_run, self._is_named, self._find_word = own_run, is_named, find_word
        self.runs: dict[bytes, Run] = {}
        self.texts: dict[bytes, bytes] = {}  # line held -> its SHA-256, in order of arrival
        self._hashes: set[bytes] = set()  # the message list: the SHA-256 of all texts held
        self._least = CACHE_BYTES // max(1, cache_size)  # weight of a short text
        self._size = 0  # weight of all texts held
        self._gaps = {True: 0, False: 0}  # of named origins, of others
        self._runs_of = collections.Counter()  # origin -> runs beyond RUNS
        self._slices = [0] * wire.SLICES
        self._changed: set[Run] = set()  # runs whose share of the digest is out of date
        self.hashed = 0  # ranges of which shares were computed
        self.dropped = collections.defaultdict(int)  # what for -> lines; faster than a Counter

    # What comes in.

    def drop_known(self, lines: list[bytes]) -> list[bytes]:
        """Return the lines that are not held, before anything is parsed: most of a flood is."""
        texts = self.texts
        new = [line for line in lines if line not in texts]
        self.dropped["duplicates"] += len(lines) - len(new)
        return new

    def add(self, lines: list[bytes], is_own: bool = False) -> Added:
        """Check gossip lines, and note and hold those that are new, up to an invalid one."""
        if len(lines) > 1 and self._add_block(lines, is_own):
            return Added(lines)
        added = Added([])
        try:
            for line in lines:
                digest = sha256(wire.gossip_part(line)).digest()
                if digest not in self._hashes:
                    self._add(line, digest, is_own, added)
                else:
                    self.dropped["duplicates"] += 1
        except ProtocolError as error:
            added.fault = error
        self._evict()
        return added

    def _add(self, line: bytes, digest: bytes, is_own: bool, added: Added) -> None:
        key, number = wire.parse_gossip(line)
        if (key == self._own_run) != is_own:
            self.dropped["messages in our name"] += 1
        elif self._note(key, number):
            if self._find_word and not is_own and self.forbids(wire.gossip_text(line)):
                added.forbidden.append(line)
            else:
                self._hold(self.runs[key], number, line, digest)
                added.new.append(line)

    def _add_block(self, lines: list[bytes], is_own: bool) -> bool:
        """Add lines that all continue one run, as those of a burst do; return whether they do."""
        block = wire.parse_block(lines) if self._find_word is None else None
        run = block and self.runs.get(block[0])
        if (not run or (run.key == self._own_run) != is_own
                or not run.seen.continue_with(*block[1:])):
            return False
        self._changed.add(run)
        digests = [sha256(line).digest() for line in lines]
        run.held.update(enumerate(lines, block[1]))
        run.ordered += range(block[1], block[2] + 1)  # above all others
        self.texts.update(zip(lines, digests))
        self._hashes.update(digests)
        self._weigh(run, sum(map(max, map(len, lines), itertools.repeat(self._least))))
        self._evict()
        return True

    def _note(self, key: bytes, number: int) -> bool:
        """Note a number; return whether it was new, and had room."""
        run = self.runs.get(key) or self._begin(key)
        if run is None or not run.seen.continue_with(number, number):
            if run is not None and number in run.seen:
                self.dropped["duplicates"] += 1
                return False
            if run is None or not self._has_room(run, number):
                self.dropped["no room"] += 1
                return False
            self._add_gap(run, number, number)
        self._changed.add(run)
        return True

    def _add_gap(self, run: Run, first: int, last: int) -> None:
        """Note numbers, and what they add to the gaps of a run."""
        before = max(1, len(run.seen))
        run.seen.add(first, last)
        self._gaps[run.is_named] += len(run.seen) - before

    def forbids(self, text: str) -> bool:
        """Tell whether a text has a forbidden word."""
        return self._find_word is not None and self._find_word(text) is not None

    # Room.

    def _begin(self, key: bytes) -> Run | None:
        if not self._may_begin(key):
            return None
        origin = wire.origin_of(key)
        self._runs_of[origin] += len(self.runs) >= RUNS
        run = self.runs[key] = Run(key, key == self._own_run or self._is_named(origin))
        return run

    def _may_begin(self, key: bytes) -> bool:
        origin = wire.origin_of(key)
        return (key == self._own_run or len(self.runs) < RUNS
                or self._is_named(origin) and self._runs_of[origin] < RUNS_OF_NAMED)

    def _has_room(self, run: Run, number: int) -> bool:
        """Tell whether a number may be noted. If it begins an interval, there must be room for it,
        in a full run only far below all others: 63 times at most, since the lowest halves then."""
        seen = run.seen
        if number == 1 or not len(seen) or seen.touches(number):
            return True
        is_named = self._is_of_named(run)
        return (is_named and len(seen) < SURE_GAPS or self._gaps[is_named] < ALL_GAPS
                and (len(seen) < RUN_GAPS or number <= seen.lowest() // 2))

    def _is_of_named(self, run: Run) -> bool:
        """Tell whether a seed has named the origin of a run, also if that was after it began."""
        if not run.is_named and self._is_named(wire.origin_of(run.key)):
            run.is_named = True
            self._gaps[False] -= len(run.seen) - 1
            self._gaps[True] += len(run.seen) - 1
        return run.is_named

    # Texts. Of too many, the runs that have most lose their oldest.

    def _hold(self, run: Run, number: int, line: bytes, digest: bytes) -> None:
        run.hold([number], line)
        self.texts[line] = digest
        self._hashes.add(digest)
        self._weigh(run, max(self._least, len(line)))

    def _weigh(self, run: Run, weight: int) -> None:
        """Note that a run holds so much more, or less."""
        run.size += weight
        self._size += weight

    def _evict(self) -> None:
        """Make room: each named origin has an equal share of it for all its runs, and all others
        together one, because they may be invented. In a share, each run has an equal part."""
        if self._size <= CACHE_BYTES:
            return
        target = max(int(CACHE_BYTES * EVICTED_TO), self._least)
        shares = collections.defaultdict(list)  # named origin, or None for all others -> runs
        for run in self.runs.values():
            if run.held:
                named = self._is_of_named(run)
                shares[run.key.rpartition(b":")[0] if named else None].append(run)
        level = equal_share([sum(run.size for run in runs) for runs in shares.values()], target)
        for runs in shares.values():
            share = equal_share([run.size for run in runs], level)
            for run in sorted(runs, key=lambda run: -run.size):
                for number in list(run.held):  # the oldest first
                    if run.size <= share or self._size <= target:
                        break
                    self._drop(run, number)
                if len(run.held) < len(run.ordered):
                    run.ordered = sorted(run.held)

    def _drop(self, run: Run, number: int) -> None:
        line = run.held.pop(number)
        self._hashes.remove(self.texts.pop(line))
        self._weigh(run, -max(self._least, len(line)))
        self.dropped["texts evicted"] += 1

    # What others ask for.

    def slices(self) -> list[int]:
        """Return the digest of all that was seen, in slices of 128 bits."""
        for run in self._changed:
            share = run.digest()
            self._slices[run.slice] ^= run.share ^ share
            run.share = share
            self.hashed += len(run.seen)
        self._changed.clear()
        return self._slices

    def digest(self) -> str:
        return f"{functools.reduce(operator.xor, self.slices()):032x}"

    def vector(self, mask: int) -> bytes:
        """Return the lines that tell what was seen of the runs in some slices. If that is too much,
        those with most gaps are left out: honest runs have few, and no gaps may end a link."""
        seen = [(run.key, ranges) for run in self.runs.values()
                if mask >> run.slice & 1 and (ranges := run.seen.ranges())]
        entries, room = [], VECTOR_BYTES
        for run, ranges in sorted(seen, key=lambda one: len(one[1])):
            entry = wire.entry(run, ranges)
            room -= len(entry) + 1
            if room < 0:
                break
            entries.append(entry)
        return wire.say_entries("seen", entries)

    def lacking(self, entries: Entries, limit: float = math.inf) -> Entries:
        """Return what was not seen here of another's vector, and has room; no more runs once
        `limit` ranges were found."""
        lacking, left = [], limit
        for key, ranges in entries:
            if left < 0:
                break
            run = self.runs.get(key)
            if key == self._own_run:
                continue  # others cannot have more of it, unless somebody forged that
            if run is not None:
                gaps = [part for low, high in ranges for gap in run.seen.missing(low, high)
                        if (part := self._part_with_room(run, gap))]
            else:
                gaps = ranges if self._may_begin(key) else []
            if gaps:
                lacking.append((key, gaps))
                left -= len(gaps)
        return lacking

    def _part_with_room(self, run: Run, gap: Range) -> Range | None:
        if self._has_room(run, gap[0]):
            return gap
        return (gap[1], gap[1]) if gap[1] + 1 in run.seen else None

    def portion(self, entries: Entries, limit: int) -> tuple[list[bytes], Entries]:
        """Return the lines held of these messages, in order, until they have about `limit` bytes;
        and which of those up to the last one were seen, but are not held any more."""
        lines, gone, size = {}, {}, 0
        for key, ranges in entries:
            run = self.runs.get(key)
            if run is None:
                continue
            lost = gone.setdefault(key, [])
            for first, last in ranges:
                for number in run.held_among(first, last):
                    if size >= limit:
                        return list(lines), list(gone.items())
                    if first < number:  # which is seldom, and costs much
                        lost += run.seen.common(first, number - 1)
                    first, line = number + 1, run.held[number]
                    if line not in lines:  # one may hold several messages
                        lines[line] = None
                        size += len(line) + 1
                lost += run.seen.common(first, last)
        return list(lines), list(gone.items())

    def count(self) -> int:
        return sum(len(run.held) for run in self.runs.values())

    def latest(self, most: int) -> list[bytes]:
        """Return the last `most` messages held, in order of arrival."""
        latest = []
        for line in reversed(list(itertools.islice(reversed(self.texts), most))):
            run, first, messages = self.read(line)
            latest += [message for number, message in enumerate(messages, first)
                       if self.runs[run].held.get(number) is line]
        return latest[-most:]

    def read(self, line: bytes) -> tuple[bytes, int, list[bytes]]:
        """Return the run of a line held, the number of its first message, and its messages."""
        return *wire.gossip_key(line), [wire.gossip_part(line)]

    def span(self, line: bytes) -> tuple[bytes, int, int] | None:
        """Return the run of a line, and the numbers of its first and its last message; None if it
        is not worth an answer."""
        run, number = wire.gossip_key(line)
        return run, number, number


def equal_share(sizes: list[int], total: int) -> int:
    """Return the level to which all sizes have to be cut so that their sum is at most `total`; the
    largest size if nothing has to be cut."""
    ordered = sorted(sizes)
    for at, size in enumerate(ordered):
        level = total // (len(ordered) - at)
        if size > level:
            return level
        total -= size
    return max(ordered, default=0)
