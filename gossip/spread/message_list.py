"""The message list: which gossip messages a peer has seen, and the texts that it still holds.

Rules only: link readers, generator, console and anti-entropy call it from their threads.

A message is known by its origin's run and its number. The texts are kept by the SHA-256 of
their lines, the oldest arrival leaves first; the numbers are kept as intervals per run and
outlive the texts, so that a replay of what was evicted is still old. Numbers that a neighbour
declared gone are kept beside them: not seen, but not asked for again either.
"""

import collections
import functools
import operator
import threading
from typing import NamedTuple

from gossip import wire
from gossip.intervals import Intervals, Range
from gossip.settings import Settings
from gossip.spread.run import ALL_SLICES, SLICES, Run, sha256


class Fresh(NamedTuple):
    """The new ones of a batch, in their order, and the fault at which reading it ended."""

    lines: list[bytes]
    shown: list[str]
    fault: wire.WireError | None


class MessageList:
    """What this peer has seen; `add` is the one place that tells new from old."""

    def __init__(self, settings: Settings, own_run: bytes = b""):
        self._settings = settings
        self._own_run = own_run  # messages of this run are made here and nowhere else
        self._lock = threading.Lock()  # guards everything below
        self._texts: dict[bytes, bytes] = {}  # digest -> line as received
        self._lines: set[bytes] = set()  # the same lines, to know a repetition without a hash
        self._order = collections.deque()  # (digest, run, number), oldest arrival first
        self._bytes = 0  # size of all texts
        self._runs: collections.OrderedDict[bytes, Run] = collections.OrderedDict()
        self._changed: set[Run] = set()  # runs whose share of the digest is out of date
        self._digests = [[0] * SLICES, [0] * SLICES]  # of what is known, of what was seen
        self._old = 0  # messages dropped as old
        self._forged = 0  # messages of our own run that we did not make, or made long ago
        self._dropped = collections.Counter()  # what else was dropped -> how often

    def unknown(self, lines: list[bytes]) -> list[bytes]:
        """Leave out the lines, of whatever kind, that repeat a held gossip line exactly: most
        of what arrives. No look further, no hash."""
        with self._lock:
            known = self._lines
            unknown = [line for line in lines if line not in known]
            self._old += len(lines) - len(unknown)
            return unknown

    def add(self, lines: list[bytes], made_here: bool = False) -> Fresh:
        """Take gossip lines, received or made here; return those that are new, each checked in
        full. What others made in the name of one's own run is dropped."""
        fresh = Fresh([], [], None)
        with self._lock:
            for line in lines:
                digest = sha256(wire.gossip_part(line)).digest()
                if digest in self._texts:
                    self._old += 1
                    continue
                try:
                    message = wire.parse_gossip(line)
                    run = self._run(message.run)
                except wire.WireError as error:
                    fresh = fresh._replace(fault=error)
                    break
                if message.run == self._own_run and not made_here:
                    self._forged += 1
                elif run.seen.add(message.number):
                    self._remember(run, message.number, digest, line)
                    fresh.lines.append(line)
                    fresh.shown.append(message.shown)
                else:
                    self._old += 1
            self._evict()
        return fresh

    def count(self) -> int:
        """How many texts are held."""
        with self._lock:
            return len(self._texts)

    def latest(self, most: int) -> list[bytes]:
        """The texts that came last, in the order in which they came."""
        with self._lock:
            texts = []
            for digest, run, number in reversed(self._order):
                if len(texts) == most:
                    break
                if run.held.get(number) == digest:
                    texts.append(wire.gossip_part(self._texts[digest]))
            return texts[::-1]

    def dropped(self) -> dict[str, int]:
        """What was dropped since the start, and how often."""
        with self._lock:
            return {"messages that were old": self._old,
                    "messages in our name": self._forged, **self._dropped}

    def digest(self, seen_only: bool = False) -> str:
        """A digest of all that is known: equal for two peers that have nothing to tell each
        other (or, if asked, of what was seen: what others called gone does not count)."""
        with self._lock:
            self._renew_digests()
            return f"{functools.reduce(operator.xor, self._digests[seen_only]):032x}"

    def slices(self, seen_only: bool = False) -> list[int]:
        """The same in SLICES slices, each 32 bits long."""
        with self._lock:
            self._renew_digests()
            return [one & 0xFFFF_FFFF for one in self._digests[seen_only]]

    def _renew_digests(self) -> None:
        """Expects the lock."""
        for run in self._changed:
            shares = run.digests()
            for digests, old, new in zip(self._digests, run.shares, shares):
                digests[run.slice] ^= old ^ new
            run.shares = shares
        self._changed.clear()

    def vector(self, slices: int = ALL_SLICES) -> list[bytes]:
        """All that is known of runs in some slices of the digest (bits of `slices`): the entries
        of a status line, one per run."""
        with self._lock:
            return [run.entry() for run in self._runs.values()
                    if slices >> run.slice & 1 and run.ranges()]

    def runs(self) -> int:
        """Of how many runs something is known."""
        with self._lock:
            return len(self._runs)

    def lacking(self, entries, ask_again: bool) -> list[tuple[bytes, list[Range]]]:
        """What of another's vector was not seen here (and, unless asked, is not gone)."""
        lacking = []
        with self._lock:
            for key, ranges in entries:
                if key == self._own_run:
                    continue  # what others have of it beyond ours is forged
                run = self._runs.get(key)
                if run is not None and not ask_again and run.ranges() == ranges:
                    continue
                if run is not None:
                    known = run.seen if ask_again else run.known()
                    ranges = [gap for low, high in ranges for gap in known.missing(low, high)]
                if ranges:
                    lacking.append((key, ranges))
        return lacking

    def texts(self, entries, limit: int):
        """Return (lines held of what is wanted, in number order; what of it was known here
        once, and is not held).

        Stops after about `limit` bytes; what comes later is in neither.
        """
        lines, gone, size = [], [], 0
        with self._lock:
            for key, ranges in entries:
                run = self._runs.get(key) or Run(key)
                known = run.known()
                for first, last in ranges:
                    for number in run.numbers(first, last):
                        if size >= limit:
                            return lines, _joined(gone)
                        if first < number:
                            gone.append((key, known.common([(first, number - 1)])))
                        lines.append(self._texts[run.held[number]])
                        size += len(lines[-1]) + 1
                        first = number + 1
                    if first <= last:
                        gone.append((key, known.common([(first, last)])))
        return lines, _joined(gone)

    def note_gone(self, entries) -> None:
        """Remember that these can no longer be had: do not ask for them again.

        It is a neighbour's word only: when one of them comes all the same, none counts as gone
        any longer.
        """
        with self._lock:
            for key, ranges in entries:
                if not ranges:
                    continue
                run = self._run(key)
                for first, last in ranges:
                    run.gone.add_range(first, last)
                    self._bound(run.gone)
                self._note_change(run)

    def _run(self, key: bytes) -> Run:
        """The row of a run, now the one used last. Expects the lock."""
        run = self._runs.get(key)
        if run is None:
            wire.check_run(key)
            run = self._runs[key] = Run(key)
            if len(self._runs) > self._settings.runs_kept:
                self._forget_run(next(iter(self._runs.values())))
        else:
            self._runs.move_to_end(key)
        return run

    def _remember(self, run: Run, number: int, digest: bytes, line: bytes) -> None:
        """Keep a new text. Expects the lock."""
        self._note_change(run)
        if len(run.gone) and number in run.gone:
            run.gone = Intervals()  # it was not gone, and so may the others not be
        if len(run.seen) > self._settings.intervals_kept:
            self._bound(run.seen)
        run.hold(number, digest)
        self._texts[digest] = line
        self._lines.add(line)
        self._order.append((digest, run, number))
        self._bytes += len(line)

    def _note_change(self, run: Run) -> None:
        """Expects the lock."""
        run.changed()
        self._changed.add(run)

    def _bound(self, intervals: Intervals) -> None:
        """Keep an interval set within its limit. Expects the lock."""
        while len(intervals) > self._settings.intervals_kept:
            intervals.close_lowest_gap()
            self._dropped["gaps closed in the numbers of a run"] += 1

    def _evict(self) -> None:
        """Drop the oldest texts beyond the limits. Expects the lock."""
        while (len(self._order) > self._settings.cache_size
               or self._bytes > self._settings.cache_bytes):
            digest, run, number = self._order.popleft()
            if not run.drop(number):
                continue  # its run was forgotten before
            self._drop_text(digest)
            self._dropped["texts evicted"] += 1

    def _forget_run(self, run: Run) -> None:
        """Drop everything about a run. Expects the lock."""
        del self._runs[run.key]
        self._changed.discard(run)
        for digests, share in zip(self._digests, run.shares):
            digests[run.slice] ^= share
        for digest in run.held.values():
            self._drop_text(digest)
        run.held.clear()
        self._dropped["runs forgotten"] += 1

    def _drop_text(self, digest: bytes) -> None:
        line = self._texts.pop(digest)
        self._lines.discard(line)
        self._bytes -= len(line)


def _joined(entries):
    """Entries of the same run joined into one."""
    joined: dict[bytes, list[Range]] = {}
    for key, ranges in entries:
        if ranges:
            joined.setdefault(key, []).extend(ranges)
    return list(joined.items())
