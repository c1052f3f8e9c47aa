"""Covers: the signed lines that were found good, and which message each of them speaks of.

Rules only, and no lock: the message list guards it. A cover is kept as long as a text is held of
which it speaks. One that speaks of none yet waits for them; of those only the latest are kept.
"""

import bisect
import collections

from gossip import wire
from gossip.intervals import Intervals

WAITING_LIMIT = 1_000  # covers kept that speak of no text that is held


def covered(lines: list[bytes], covers: list[bytes]) -> list[bytes]:
    """Gossip lines behind the signed lines that cover them; as they are when nothing is signed."""
    return [*dict.fromkeys(covers), *lines] if covers else lines


class Cover:
    """One signed line."""

    __slots__ = ("line", "run", "first", "texts", "_hashes")

    def __init__(self, line: bytes, signed: wire.Signed):
        self.line = line
        self.run = signed.run
        self.first = signed.first  # the number of the first message that it speaks of
        self.texts = 0  # how many of these are held
        self._hashes = signed.hashes

    def last(self) -> int:
        """The number of the last message that it speaks of."""
        return self.first + len(self._hashes) // wire.HASH_SIZE - 1

    def hash_of(self, number: int) -> bytes:
        """The hash that it names for a number; empty when it does not speak of it."""
        at = (number - self.first) * wire.HASH_SIZE
        return self._hashes[at:at + wire.HASH_SIZE] if at >= 0 else b""

    def contradicts(self, other: "Cover") -> bool:
        """Whether the two name different hashes for a number."""
        first, last = max(self.first, other.first), min(self.last(), other.last())
        size = max(0, last - first + 1) * wire.HASH_SIZE
        mine, theirs = ((first - cover.first) * wire.HASH_SIZE for cover in (self, other))
        return self._hashes[mine:mine + size] != other._hashes[theirs:theirs + size]


class Covers:
    """The covers that a peer knows. `is_genuine(signed)` tells whether a signature is good."""

    def __init__(self, is_genuine):
        self._is_genuine = is_genuine
        self._lines: set[bytes] = set()  # of all covers: a repetition is found without a look
        self._runs: dict[bytes, list[Cover]] = {}  # run -> its covers, in order of their `first`
        self._waiting: collections.OrderedDict[Cover, None] = collections.OrderedDict()

    def unknown(self, lines: list[bytes]) -> list[bytes]:
        """The lines without exact repetitions of a cover."""
        return [line for line in lines if line not in self._lines]

    def take(self, line: bytes, seen_of, trusted: bool = False) -> None:
        """Take a signed line; a trusted one was made here. `seen_of(run)` are the numbers seen of a
        run: when all that the line speaks of was seen, it is old, and is not looked at. WireError
        when it is malformed, not genuine, or contradicts one that came before."""
        if line in self._lines:
            return
        signed = wire.parse_signed(line)
        cover = Cover(line, signed)
        seen: Intervals = seen_of(signed.run)
        if not seen.missing(cover.first, cover.last()):
            return
        if any(cover.contradicts(other)
               for other in self._near(signed.run, cover.first, cover.last())):
            raise wire.WireError("it names another hash for a message than a line before")
        if not trusted and not self._is_genuine(signed):
            raise wire.WireError("its key or its signature is wrong")
        bisect.insort(self._runs.setdefault(signed.run, []), cover, key=_first)
        self._lines.add(line)
        self._waiting[cover] = None
        if len(self._waiting) > WAITING_LIMIT:
            self._drop(next(iter(self._waiting)))

    def cover_of(self, run: bytes, number: int) -> Cover | None:
        """A cover that speaks of this message; they all name the same hash for it."""
        return next((cover for cover in self._near(run, number, number)
                     if cover.hash_of(number)), None)

    def _near(self, run: bytes, first: int, last: int) -> list[Cover]:
        """The covers that may speak of these numbers: a cover speaks of 512 at most."""
        covers = self._runs.get(run, [])
        return covers[bisect.bisect_right(covers, first - wire.HASHES_LIMIT, key=_first):
                      bisect.bisect_right(covers, last, key=_first)]

    def held(self, cover: Cover) -> bool:
        """A text of which it speaks is held; answer whether it is the first."""
        cover.texts += 1
        self._waiting.pop(cover, None)
        return cover.texts == 1

    def dropped(self, cover: Cover) -> bool:
        """A text of which it speaks is held no longer; answer whether it was the last, and the
        cover is forgotten with it."""
        cover.texts -= 1
        if not cover.texts:
            self._drop(cover)
        return not cover.texts

    def _drop(self, cover: Cover) -> None:
        self._waiting.pop(cover, None)
        self._lines.discard(cover.line)
        covers = self._runs[cover.run]
        at = bisect.bisect_left(covers, cover.first, key=_first)
        while covers[at] is not cover:
            at += 1
        del covers[at]
        if not covers:
            del self._runs[cover.run]


def _first(cover: Cover) -> int:
    return cover.first
