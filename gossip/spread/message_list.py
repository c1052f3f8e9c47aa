"""The message list: the messages that a peer has seen, or still holds.

Rules only. A message is identified by its run (one life of its origin) and its number, a text by
the SHA-256 of its line. Texts above the limit are evicted (room.py). The numbers seen of a run
are kept as intervals, and outlive the texts, so that an evicted message is still a duplicate when
it comes again. room.py limits intervals and runs. A message without room is refused, and is not
requested while it would be refused again. signing/signed_messages.py is for a network that signs.
"""

import functools
import itertools
import operator
from collections.abc import Callable
from typing import NamedTuple

from gossip import wire
from gossip.addresses import Address
from gossip.intervals import Range
from gossip.settings import Settings
from gossip.spread.room import Room
from gossip.spread.run import ALL_SLICES, Digest, Run, Texts, sha256

OLD = "messages that were old"  # the name of a counter
FEW_GAPS = 8  # intervals of numbers seen of a run


class Fresh(NamedTuple):
    """The result of taking a batch of gossip lines."""

    lines: list[bytes]  # the new lines, in order
    shown: str  # the new lines as output files show them, with `\n` between them
    fault: wire.WireError | None = None  # the error at which reading stopped
    forbidden: list[str] | tuple = ()  # lines with a forbidden word, as output files show them
    refused: list[bytes] | tuple = ()  # lines refused for lack of room
    covers: list[bytes] | tuple = ()  # the cover of each new line, where gossip is signed


class MessageList:
    """The messages that this peer has seen. `add_block` takes most new lines, `add` the rest."""

    def __init__(self, settings: Settings, own_run: bytes = b"", texts=Texts):
        """Use `texts(settings, shares)` to make the store of texts."""
        self._forbidden_in = settings.filter.search()
        self._own_run = own_run  # of which only this peer makes messages
        self._room = Room(settings, own_run)
        self._texts = texts(settings, self._room.shares)
        # Whether a line is held: finds duplicates without a hash. This needs no turn.
        self.holds = self._texts.lines.__contains__
        self._runs: dict[bytes, Run] = {}
        self._digest = Digest()  # of all that was seen
        self._old = 0  # duplicates dropped
        self._forged = 0  # messages of our own run that others made
        self._forgotten = 0  # runs that were forgotten

    def add_block(self, lines: list[bytes], made_here: bool = False) -> Fresh | None:
        """Add gossip that continues a known run, and so needs no room. Add nothing and return None
        unless all lines do."""
        if self._forbidden_in is not None:
            return None
        block = wire.parse_block(lines)
        run = None if block is None else self._runs.get(block.run)
        if run is None or (block.run == self._own_run) is not made_here:
            return None
        if not self._keep_block(run, block, lines, [sha256(line).digest() for line in lines]):
            return None
        if self._texts.is_over():
            self._texts.evict()
        return Fresh(lines, block.shown)

    def _keep_block(self, run: Run, block: wire.Block, lines: list[bytes], digests: list[bytes],
                    cover=None) -> bool:
        """Keep messages if they continue their run. Return whether they do."""
        if not run.seen.extend(block.first, block.last):
            return False
        if run.vouched is not None:
            self._room.used(run)
        run.changed()
        self._digest.changed(run)
        # None of these texts is held yet, because only texts with seen numbers are held.
        self._texts.hold(run, block.first, lines, digests, cover)
        return True

    def add(self, lines: list[bytes], made_here: bool = False, brought_by: Address | None = None
            ) -> Fresh:
        """Check gossip lines, add new ones, stop at an invalid line.
        `brought_by` is the neighbour that is charged for the room that they need."""
        fresh, fault = Fresh([], "", None, [], []), None
        try:
            for line in lines:
                digest = sha256(wire.gossip_part(line)).digest()
                if digest in self._texts.digests:
                    self._old += 1
                    continue
                message = wire.parse_gossip(line)
                if not self._is_forged(message, made_here):
                    self._keep(line, digest, message, made_here, brought_by, fresh)
        except wire.WireError as error:
            fault = error
        if self._texts.is_over():
            self._texts.evict()
        shown = b"\n".join(map(wire.gossip_part, fresh.lines)).decode()
        return fresh._replace(fault=fault, shown=shown)

    def _is_forged(self, message: wire.Gossip, made_here: bool) -> bool:
        """Count a message forged in this peer's name; return whether it is."""
        is_forged = message.run == self._own_run and not made_here
        self._forged += is_forged
        return is_forged

    def _keep(self, line: bytes, digest: bytes, message: wire.Gossip, made_here: bool,
              brought_by: Address | None, fresh: Fresh, cover=None) -> bool:
        """Keep a message if its number is new. Return whether its text is held now."""
        run = self._run(message.run, brought_by)
        # None: there is no room for it; otherwise false: it was seen before
        new = run and (run.seen.extend(message.number, message.number)
                       or self._room.note(run.seen, message.number, brought_by))
        if new:
            run.changed()
            self._digest.changed(run)
        if (self._forbidden_in is not None and not made_here
                and self._forbidden_in(wire.gossip_fields(line)[2].decode())):
            fresh.forbidden.append(message.shown)  # not held, and not requested again
        elif new:
            self._texts.hold(run, message.number, [line], [digest], cover)
            fresh.lines.append(line)
            return True
        elif new is None:
            fresh.refused.append(line)
        else:
            self._old += 1
        return False

    def forbids(self, text: str) -> bool:
        return self._forbidden_in is not None and self._forbidden_in(text) is not None

    def count(self) -> int:
        return len(self._texts.lines)

    def latest(self, most: int) -> list[bytes]:
        """Return the last `most` texts, in order of arrival."""
        lines = list(itertools.islice(reversed(self._texts.lines), most))
        return [wire.gossip_part(line) for line in reversed(lines)]

    def dropped(self) -> dict[str, int]:
        dropped = {"texts evicted": self._texts.evicted, "runs forgotten": self._forgotten}
        return {OLD: self._old, "messages in our name": self._forged, **self._room.refused,
                **{name: count for name, count in dropped.items() if count}}

    def digest(self) -> str:
        """Return 32 hex digits, equal for peers that have seen the same."""
        return f"{functools.reduce(operator.xor, self._digest.slices()):032x}"

    def slices(self) -> list[int]:
        """Return the digest in 64 slices, each a number of 32 bits."""
        return [one & 0xFFFF_FFFF for one in self._digest.slices()]

    def vector(self, slices: int = ALL_SLICES) -> list[bytes]:
        """Return the entries of runs in some slices. Bit n stands for slice n."""
        return [run.entry() for run in self._runs.values() if slices >> run.slice & 1]

    def last_seen(self, key: bytes, most: int) -> list[Range]:
        run = self._runs.get(key)
        return run.seen.ranges()[-most:] if run else []

    def seen(self) -> dict[bytes, list[Range]]:
        return {key: run.seen.ranges() for key, run in self._runs.items()}

    def has_few_gaps(self, key: bytes) -> bool:
        """Return whether a run has few gaps, so that others have room."""
        run = self._runs.get(key)
        return run is not None and len(run.seen) <= FEW_GAPS

    def runs(self) -> int:
        return len(self._runs)

    def unseen(self, entries) -> list[tuple[bytes, list[Range]]]:
        unseen = []
        for key, ranges in entries:
            run = self._runs.get(key)
            if key == self._own_run:
                continue  # messages of our own run that only others have are forged
            if run is not None and run.seen.ranges() == ranges:
                continue  # nearly always
            if run is not None:
                ranges = [gap for low, high in ranges for gap in run.seen.missing(low, high)]
            if ranges:
                unseen.append((key, ranges))
        return unseen

    def lacking(self, entries, neighbour: Address | None = None) -> list[tuple[bytes, list[Range]]]:
        """Return the unseen part of a neighbour's vector that has room now."""
        lacking = []
        for key, ranges in self.unseen(entries):
            run = self._runs.get(key)
            if run is not None:
                ranges = self._room.part_with_room(run.seen, ranges, neighbour)
            elif not self._room.would_begin(key, neighbour):
                continue
            if ranges:
                lacking.append((key, ranges))
        return lacking

    def texts(self, entries, limit: int):
        """Return (held lines in number order, entries seen but no longer held). Stop after about
        `limit` bytes; later numbers are in neither."""
        lines, size, weigh = [], 0, self._scales()
        gone: dict[bytes, list[Range]] = {}
        for key, ranges in entries:
            run = self._runs.get(key) or Run(key)
            for first, last in ranges:
                for number in run.numbers(first, last):
                    if size >= limit:
                        return lines, list(gone.items())
                    if first < number and (some := run.seen.common([(first, number - 1)])):
                        gone.setdefault(key, []).extend(some)
                    lines.append(run.held[number])
                    size += weigh(lines[-1])
                    first = number + 1
                if first <= last and (some := run.seen.common([(first, last)])):
                    gone.setdefault(key, []).extend(some)
        return lines, list(gone.items())

    def _scales(self) -> Callable[[bytes], int]:
        """Return a function that weighs a text, in bytes on the wire."""
        return lambda line: len(line) + 1

    def vouch(self, addresses) -> bool:
        """Note that seeds name addresses. Return whether refused runs may have room now."""
        refused = self._room.vouch(addresses)
        self._forget_surplus()
        return refused

    def _run(self, key: bytes, brought_by: Address | None) -> Run | None:
        """Return the record of a run, new if need be. None if there is no room for it."""
        run = self._runs.get(key)
        if run is not None:
            if run.vouched is not None:
                self._room.used(run)
            return run
        run, origin = Run(key), wire.check_run(key)
        if not self._room.begins(run, origin, brought_by):
            return None
        self._runs[key] = run
        self._forget_surplus()
        return run

    def _forget_surplus(self) -> None:
        """Forget everything about the runs above the limit."""
        while (run := self._room.surplus()) is not None:
            del self._runs[run.key]
            self._digest.forget(run)
            self._room.forgotten(run)
            self._texts.forget(run)
            self._forgotten += 1
