"""Covers: signed lines, and which messages each of them speaks for once it is verified.

Rules only. A verified cover is kept while a text that it speaks for is held, or while it is one of
the latest without a text. A link remembers the last cover that came over it, kept or not, which
speaks for the lines behind it. Because honest peers send every line right behind its own cover
(`wire.covered`), an honest peer never looks guilty, whatever others send.
"""

import bisect
import collections
import itertools
import operator
import weakref

from gossip import wire
from gossip.addresses import Address
from gossip.intervals import Intervals
from gossip.signing import grammar
from gossip.tools import Recent

TEXTLESS_LIMIT = 1_000  # covers kept without a text that is held
LIARS_LIMIT = 1_000  # runs remembered that have contradicted themselves

_first = operator.attrgetter("first")


class Corrupt(Exception):
    """A line was changed, or was not made by its origin."""


class Cover:
    """A signed line."""

    __slots__ = ("line", "run", "origin", "first", "last", "hashes", "texts", "good", "unchecked",
                 "told", "rival_told", "payer")

    def __init__(self, line: bytes, signed: grammar.Signed, good: bool = False):
        self.line = line
        self.run = signed.run
        self.origin = signed.run.rpartition(b":")[0]  # its address
        self.first, self.last = signed.first, signed.last  # numbers for which it speaks
        self.hashes = signed.hashes
        self.texts = 0  # how many of its texts are held
        self.good = good  # verified, and contradicts no kept cover
        self.unchecked = None if good else signed  # its content, until it is verified
        self.told: weakref.ref | None = None  # the link to its origin's address that brought it
        self.rival_told: weakref.ref | None = None  # `told` of the kept cover that it contradicts
        self.payer: Address | None = None  # who paid for its check, until it lets a message in

    def hash_of(self, number: int) -> bytes:
        """Return its hash for a message number; empty if it has none."""
        at = (number - self.first) * grammar.HASH_SIZE
        return self.hashes[at:at + grammar.HASH_SIZE] if at >= 0 else b""


class Covers:
    """The covers that a peer knows."""

    def __init__(self):
        self.kept: dict[bytes, Cover] = {}  # line -> cover
        self.size = 0  # their bytes
        self._runs: dict[bytes, list[Cover]] = {}  # run -> its covers, in order of their `first`
        self._longest: dict[bytes, int] = {}  # run -> the most messages of one of its covers
        self._textless: collections.OrderedDict[Cover, None] = collections.OrderedDict()
        self._liars = Recent(LIARS_LIMIT)  # run that has contradicted itself -> True
        self.contradictions: list[tuple[bytes, bytes]] = []  # pairs, until the owner takes them

    def without_known(self, lines: list[bytes], link=None) -> list[bytes]:
        """Drop known covers, but for the last in a row, which may speak for what comes next. If
        nothing but one known cover is left, drop it, too, and note it on the link."""
        left = lines
        if len(lines) > 1:
            left = []
            for is_known, group in itertools.groupby(lines, self.kept.__contains__):
                left += list(group)[-1:] if is_known else group
        cover = self.kept.get(left[0]) if len(left) == 1 else None
        if cover is None:
            return left
        self._came(cover, link)  # messages may come with the next bytes
        return []

    def needs_no_check(self, cover: Cover, seen: Intervals, brought_by: Address | None) -> bool:
        """Return whether the signature of a cover need not be verified: all its messages were seen,
        and no kept cover contradicts it. Of a run that has contradicted itself, either cover will
        do, unless the origin brought it."""
        is_seen = cover.last in seen and not seen.missing(cover.first, cover.last)
        if self.is_liar(cover.run) and cover.origin != str(brought_by).encode():
            return is_seen or self._rival_of(cover) is not None
        return is_seen and self._rival_of(cover) is None

    def is_liar(self, run: bytes) -> bool:
        """Return whether a run has contradicted itself here, known to be genuine or not."""
        return self._liars.get(run, default=False)

    def take(self, cover: Cover, link=None) -> Cover:
        """Take a signed line, which speaks for what comes next. Corrupt if it contradicts a kept
        one, and the origin itself sent both over this link. Who forwards is not blamed, because it
        may have received the other one first."""
        kept = self.keep(cover)
        if None not in (link, cover.rival_told) and kept is None and cover.rival_told() is link:
            raise Corrupt
        self._came(kept or cover, link)
        return kept or cover

    def keep(self, cover: Cover) -> Cover | None:
        """Keep a cover; return it as kept, None unless it is good."""
        kept = self.kept.get(cover.line)
        if kept is not None or not cover.good:
            return kept
        if (rival := self._rival_of(cover)) is not None:
            cover.good, cover.rival_told = False, rival.told
            self.contradictions.append((rival.line, cover.line))
            self._liars.add(cover.run, True)
            return None
        bisect.insort(self._runs.setdefault(cover.run, []), cover, key=_first)
        length = cover.last - cover.first + 1
        self._longest[cover.run] = max(self._longest.get(cover.run, 0), length)
        self.kept[cover.line] = cover
        self.size += len(cover.line)
        self._textless[cover] = None
        if len(self._textless) > TEXTLESS_LIMIT:
            self._drop(next(iter(self._textless)))
        return cover

    def _rival_of(self, cover: Cover) -> Cover | None:
        """Return a kept cover that contradicts this one."""
        compared = cover.first  # all below was compared; kept covers agree, and may be many
        for other in self._near(cover.run, cover.first, cover.last):
            if other.last >= compared:
                if grammar.contradict(cover, other, compared):
                    return other
                compared = other.last + 1
        return None

    def _came(self, cover: Cover, link) -> None:
        if link is not None:
            link.cover = cover
            if cover.origin == str(link.peer).encode():
                cover.told = weakref.ref(link)

    def speaking(self, message: wire.Gossip, digest: bytes, last: Cover | None,
                 seen_of) -> Cover | None:
        """Return the cover (`last`, or a kept one) of a message; None if the message is old (in
        `seen_of(run)`), or its cover a contradiction, or of a run denied lately; else Corrupt."""
        run, number, named = message.run, message.number, digest[:grammar.HASH_SIZE]
        if last is not None and last.run == run and last.hash_of(number) == named:
            return last if last.texts else self.keep(last)
        cover = next((cover for cover in self._near(run, number, number)
                      if cover.hash_of(number)), None)  # kept covers all have the same hash
        if cover is None and number in seen_of(run):
            return None
        if cover is None or cover.hash_of(number) != named:
            raise Corrupt
        return cover

    def speaking_for_all(self, last: Cover, block: wire.Block, digests: list[bytes]
                         ) -> Cover | None:
        """Return `last` if it speaks for a block of its run; keep it again, if it was dropped."""
        at = (block.first - last.first) * grammar.HASH_SIZE
        named = b"".join([digest[:grammar.HASH_SIZE] for digest in digests])
        if at < 0 or last.hashes[at:at + len(named)] != named:
            return None
        return self.keep(last)

    def _near(self, run: bytes, first: int, last: int) -> list[Cover]:
        covers = self._runs.get(run, [])
        return covers[bisect.bisect_right(covers, first - self._longest.get(run, 0), key=_first):
                      bisect.bisect_right(covers, last, key=_first)]

    def text_held(self, cover: Cover, texts: int) -> None:
        cover.texts += texts
        self._textless.pop(cover, None)

    def text_dropped(self, cover: Cover) -> None:
        """Note that a text was dropped; drop a cover with its last."""
        cover.texts -= 1
        if not cover.texts:
            self._drop(cover)

    def _drop(self, cover: Cover) -> None:
        self._textless.pop(cover, None)
        del self.kept[cover.line]
        self.size -= len(cover.line)
        covers = self._runs[cover.run]
        del covers[covers.index(cover, bisect.bisect_left(covers, cover.first, key=_first))]
        if not covers:
            del self._runs[cover.run], self._longest[cover.run]
