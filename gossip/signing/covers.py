"""Covers: the signed lines that were found good, and which message each of them speaks of.

Rules only. A cover is kept as long as a text is held of which it speaks. A cover without such a
text waits for one; only the latest waiting covers are kept.

Others may push out what waits. So the cover that came last on a link is remembered with the link,
kept or not, and speaks for the lines behind it. Honest peers send every line behind its own cover,
those of one cover together (`wire.covered`): whatever others send, none of them ever looks guilty.
"""

import bisect
import collections
import weakref

from gossip import wire
from gossip.addresses import Address
from gossip.intervals import Intervals
from gossip.signing import grammar

WAITING_LIMIT = 1_000  # covers kept that speak of no text that is held
LIARS_LIMIT = 1_000  # runs remembered that have contradicted themselves; of more, the first goes


class Corrupt(Exception):
    """A line was changed, or said by another than its origin."""


class Cover:
    """One signed line."""

    __slots__ = ("line", "run", "first", "texts", "good", "told", "liar", "payer", "hashes",
                 "port", "unchecked")

    def __init__(self, line: bytes, signed: grammar.Signed, good: bool = False):
        self.line = line
        self.run = signed.run
        self.port = int(signed.run.split(b":")[-2])  # of its origin
        self.first = signed.first  # the number of the first message that it speaks of
        self.texts = 0  # how many texts are held of which it speaks
        self.good = good  # its signature was checked, and it contradicts none that is kept
        self.unchecked = None if good else signed  # what is to be checked
        self.told: weakref.ref | None = None  # where a peer at its origin's address said it
        self.liar: weakref.ref | None = None  # the same of a kept one that it contradicts
        # the neighbour on whose account it was checked, until it lets a message in
        self.payer: Address | None = None
        self.hashes = signed.hashes

    def count(self) -> int:
        """How many messages it speaks of."""
        return len(self.hashes) // grammar.HASH_SIZE

    def origin(self) -> bytes:
        """The address of its origin."""
        return self.run.rpartition(b":")[0]

    def last(self) -> int:
        """The number of the last message that it speaks of."""
        return self.first + self.count() - 1

    def hash_of(self, number: int) -> bytes:
        """The hash that it names for a number; empty when it does not speak of it."""
        at = (number - self.first) * grammar.HASH_SIZE
        return self.hashes[at:at + grammar.HASH_SIZE] if at >= 0 else b""


class Covers:
    """The covers that a peer knows."""

    def __init__(self):
        self.size = 0  # bytes of all that are kept
        self._lines: dict[bytes, Cover] = {}  # all covers that are kept
        self._runs: dict[bytes, list[Cover]] = {}  # run -> its covers, in order of their `first`
        self._longest: dict[bytes, int] = {}  # run -> of how many messages one of them speaks
        self._waiting: collections.OrderedDict[Cover, None] = collections.OrderedDict()
        self._liars: dict[bytes, None] = {}  # runs that have contradicted themselves
        # pairs of good signed lines that contradict each other, since they were taken out last
        self.contradictions: list[tuple[bytes, bytes]] = []

    def unknown(self, lines: list[bytes], link=None) -> list[bytes]:
        """The lines without repetitions of a cover behind which nothing else came."""
        if not any(map(self._lines.__contains__, lines)):
            return lines
        if len(lines) == 1:  # nearly always: of what it covers, all was dropped before
            self._came(self._lines[lines[0]], link)
            return []
        unknown, repeated = [], None
        for line in lines:
            if line in self._lines:
                repeated = line
                continue
            if repeated is not None:
                unknown.append(repeated)
                repeated = None
            unknown.append(line)
        if repeated is not None:  # what it covers may come with the next bytes
            if unknown:
                unknown.append(repeated)
            else:
                self._came(self._lines[repeated], link)
        return unknown

    def kept(self, line: bytes) -> Cover | None:
        """The cover of this line, if it is kept."""
        return self._lines.get(line)

    def is_old(self, cover: Cover, seen: Intervals, brought_by: Address | None) -> bool:
        """Whether its signature does not matter: all that it speaks of was seen, with no other hash
        as far as is known; or it contradicts a kept one, as others of its run have done before, and
        another than its origin has brought it, who may be honest."""
        is_seen = not seen.missing(cover.first, cover.last())
        if cover.run in self._liars and cover.origin() != str(brought_by).encode():
            return is_seen or self._rival_of(cover) is not None
        return is_seen and self._rival_of(cover) is None

    def take(self, cover: Cover | None, link=None) -> Cover:
        """Take a signed line that was verified: it speaks for what comes next on this link.
        Corrupt when it is bad, or contradicts another by the fault of who has sent it: of its
        origin, which has said both on this link. Any other neighbour may have met them in another
        order; so may an honest peer that listens now where their origin has listened before."""
        if cover is None:
            raise Corrupt
        kept = self.keep(cover)
        if kept is None and cover.liar is not None and cover.liar() is link:
            raise Corrupt
        cover = kept or cover
        self._came(cover, link)
        return cover

    def keep(self, cover: Cover) -> Cover | None:
        """The cover as it is kept, from now on if it was not. None when it is not good."""
        kept = self._lines.get(cover.line)
        if kept is not None or not cover.good:
            return kept
        rival = self._rival_of(cover)
        if rival is not None:
            cover.good, cover.liar = False, rival.told
            self.contradictions.append((rival.line, cover.line))
            self._liars[cover.run] = None
            if len(self._liars) > LIARS_LIMIT:
                del self._liars[next(iter(self._liars))]
            return None
        bisect.insort(self._runs.setdefault(cover.run, []), cover, key=_first)
        self._longest[cover.run] = max(self._longest.get(cover.run, 0), cover.count())
        self._lines[cover.line] = cover
        self.size += len(cover.line)
        self._waiting[cover] = None
        if len(self._waiting) > WAITING_LIMIT:
            self._drop(next(iter(self._waiting)))
        return cover

    def _rival_of(self, cover: Cover) -> Cover | None:
        """A kept cover that contradicts this one. The kept ones agree, so each has to be compared
        only beyond the numbers of which those before it speak: a signer may make many."""
        compared = cover.first  # all below was compared
        for other in self._near(cover.run, cover.first, cover.last()):
            last = other.last()
            if last >= compared:
                if grammar.contradict(cover, other, compared):
                    return other
                compared = last + 1
        return None

    def _came(self, cover: Cover, link) -> None:
        if link is not None:
            link.cover = cover
            if cover.port == link.peer.port and cover.origin() == str(link.peer).encode():
                cover.told = weakref.ref(link)

    def speaking(self, message: wire.Gossip, digest: bytes, last: Cover | None,
                 seen_of) -> Cover | None:
        """The cover that lets in a message that is not held: the last that came on its link, or any
        that is kept. None when it is old; Corrupt when a cover names another hash for it, or none
        speaks of it and its number was not seen: `seen_of(run)` has those that were."""
        run, number, named = message.run, message.number, digest[:grammar.HASH_SIZE]
        if last is not None and last.run == run and last.hash_of(number) == named:
            return last if last.texts else self.keep(last)
        cover = next((cover for cover in self._near(run, number, number)
                      if cover.hash_of(number)), None)  # they all name the same hash for it
        if cover is None and number in seen_of(run):
            return None
        if cover is None or cover.hash_of(number) != named:
            raise Corrupt
        return cover

    def _near(self, run: bytes, first: int, last: int) -> list[Cover]:
        """The covers that may speak of these numbers."""
        covers = self._runs.get(run, [])
        return covers[bisect.bisect_right(covers, first - self._longest.get(run, 0), key=_first):
                      bisect.bisect_right(covers, last, key=_first)]

    def held(self, cover: Cover) -> None:
        """A text of which it speaks is held."""
        cover.texts += 1
        if cover.texts == 1:
            self._waiting.pop(cover, None)

    def dropped(self, cover: Cover) -> None:
        """A text of which it speaks is held no longer; the cover is forgotten with the last."""
        cover.texts -= 1
        if not cover.texts:
            self._drop(cover)

    def _drop(self, cover: Cover) -> None:
        self._waiting.pop(cover, None)
        del self._lines[cover.line]
        self.size -= len(cover.line)
        covers = self._runs[cover.run]
        at = bisect.bisect_left(covers, cover.first, key=_first)
        while covers[at] is not cover:
            at += 1
        del covers[at]
        if not covers:
            del self._runs[cover.run], self._longest[cover.run]


def _first(cover: Cover) -> int:
    return cover.first
