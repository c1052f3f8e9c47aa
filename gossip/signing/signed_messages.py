"""Signed messages: the message list of a network that signs, and the covers of its messages.

Rules only. A cover is a signed line. A message is taken when a good cover speaks for it; otherwise
its line is corrupt, and nothing of it is remembered. The README says what is verified, and when.

A cover is kept while a text that it speaks for is held, or while it is one of the latest without a
text. A link remembers the last cover that came over it, kept or not, which speaks for the lines
behind it. Because honest peers send every line right behind its own cover (`wire.covered`), an
honest peer never looks guilty, whatever others send.
"""

import bisect
import collections
import functools
import itertools
import operator
import weakref

from gossip import wire
from gossip.addresses import Address
from gossip.intervals import Intervals
from gossip.settings import Settings
from gossip.signing import grammar
from gossip.spread.message_list import MessageList
from gossip.spread.run import Run, Texts, sha256
from gossip.tools import Recent

WAITING_LIMIT = 1_000  # covers kept without a text that is held
LIARS_LIMIT = 1_000  # runs remembered that have contradicted themselves

_first = operator.attrgetter("first")


class Corrupt(Exception):
    """A line was changed, or was not made by its origin."""


class Cover:
    """One signed line."""

    __slots__ = ("line", "run", "origin", "first", "last", "hashes", "texts", "good", "unchecked",
                 "told", "liar", "payer")

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
        self.liar: weakref.ref | None = None  # `told` of the kept cover that it contradicts
        self.payer: Address | None = None  # who paid for its check, until it lets a message in

    def hash_of(self, number: int) -> bytes:
        """Return its hash for a message number; empty if it has none."""
        at = (number - self.first) * grammar.HASH_SIZE
        return self.hashes[at:at + grammar.HASH_SIZE] if at >= 0 else b""


class Covers:
    """The covers that a peer knows."""

    def __init__(self):
        self.lines: dict[bytes, Cover] = {}  # all covers that are kept
        self.size = 0  # their bytes
        self._runs: dict[bytes, list[Cover]] = {}  # run -> its covers, in order of their `first`
        self._longest: dict[bytes, int] = {}  # run -> the most messages of one of its covers
        self._waiting: collections.OrderedDict[Cover, None] = collections.OrderedDict()
        self._liars = Recent(LIARS_LIMIT)  # run that has contradicted itself -> True
        self.contradictions: list[tuple[bytes, bytes]] = []  # pairs, until the owner takes them

    def unknown(self, lines: list[bytes], link=None) -> list[bytes]:
        """Return the lines without known covers behind which nothing new came."""
        unknown = []
        for is_known, group in itertools.groupby(lines, self.lines.__contains__):
            unknown += list(group)[-1:] if is_known else group
        cover = self.lines.get(unknown[0]) if len(unknown) == 1 else None
        if cover is None:
            return unknown
        self._came(cover, link)  # messages may come with the next bytes
        return []

    def is_old(self, cover: Cover, seen: Intervals, brought_by: Address | None) -> bool:
        """Return whether the signature of a cover need not be verified: all its messages were seen,
        and no kept cover contradicts it. Of a known liar either will do, if another brought it."""
        is_seen = not seen.missing(cover.first, cover.last)
        if self._liars.get(cover.run) and cover.origin != str(brought_by).encode():
            return is_seen or self._rival_of(cover) is not None
        return is_seen and self._rival_of(cover) is None

    def take(self, cover: Cover | None, link=None) -> Cover:
        """Take a verified signed line, which speaks for what comes next. Corrupt if it is bad, or
        if its origin has sent a contradiction on this very link: others may know another order."""
        if cover is None:
            raise Corrupt
        kept = self.keep(cover)
        if kept is None and cover.liar is not None and cover.liar() is link:
            raise Corrupt
        self._came(kept or cover, link)
        return kept or cover

    def keep(self, cover: Cover) -> Cover | None:
        """Keep a cover; return it as kept, None if it is bad."""
        kept = self.lines.get(cover.line)
        if kept is not None or not cover.good:
            return kept
        if (rival := self._rival_of(cover)) is not None:
            cover.good, cover.liar = False, rival.told
            self.contradictions.append((rival.line, cover.line))
            self._liars.add(cover.run, True)
            return None
        bisect.insort(self._runs.setdefault(cover.run, []), cover, key=_first)
        length = cover.last - cover.first + 1
        self._longest[cover.run] = max(self._longest.get(cover.run, 0), length)
        self.lines[cover.line] = cover
        self.size += len(cover.line)
        self._waiting[cover] = None
        if len(self._waiting) > WAITING_LIMIT:
            self._drop(next(iter(self._waiting)))
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
        """Return the cover, `last` or a kept one, that speaks for a message that is not held; None
        if the message is old (in `seen_of(run)`), or its cover a contradiction; else Corrupt."""
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

    def _near(self, run: bytes, first: int, last: int) -> list[Cover]:
        covers = self._runs.get(run, [])
        return covers[bisect.bisect_right(covers, first - self._longest.get(run, 0), key=_first):
                      bisect.bisect_right(covers, last, key=_first)]

    def held(self, cover: Cover) -> None:
        cover.texts += 1
        self._waiting.pop(cover, None)

    def dropped(self, cover: Cover) -> None:
        """Note that a text was dropped; drop a cover with its last."""
        cover.texts -= 1
        if not cover.texts:
            self._drop(cover)

    def _drop(self, cover: Cover) -> None:
        self._waiting.pop(cover, None)
        del self.lines[cover.line]
        self.size -= len(cover.line)
        covers = self._runs[cover.run]
        del covers[covers.index(cover, bisect.bisect_left(covers, cover.first, key=_first))]
        if not covers:
            del self._runs[cover.run], self._longest[cover.run]


class SignedFresh:
    """The result of taking a batch of gossip lines and signed lines: Fresh, and more."""

    def __init__(self):
        self.lines: list[bytes] = []
        self.shown = ""
        self.fault: wire.WireError | None = None
        self.forbidden: list[str] = []
        self.refused: list[bytes] = []
        self.covers: list[bytes] = []  # of each new line
        self.corrupt: list[bytes] = []
        self.unknown: list[tuple[bytes, bytes, bytes]] = []  # (run, line, cover) of unknown runs
        self.checks = collections.Counter()  # neighbour -> checks charged, less those given back
        self.contradictions: list[tuple[bytes, bytes]] = []  # pairs of good signed lines


class SignedTexts(Texts):
    """The texts that are held, with their covers, which take room, too."""

    def __init__(self, covers: Covers, settings: Settings, shares):
        super().__init__(settings, shares)
        self._covers = covers
        self.lines: dict[bytes, Cover] = {}

    def cover(self, run: Run, line: bytes, cover: Cover) -> None:
        """Note the cover of a new text of a run."""
        self.lines[line] = cover
        self._covers.held(cover)
        if cover.texts == 1:
            run.weight += len(cover.line)

    def is_over(self) -> bool:
        return (len(self.lines) > self._settings.cache_size
                or self._bytes + self._covers.size > self._settings.cache_bytes
                and bool(self.lines))

    def _drop(self, run: Run, line: bytes) -> None:
        cover = self.lines[line]
        super()._drop(run, line)
        self._covers.dropped(cover)
        if not cover.texts:
            run.weight -= len(cover.line)


class SignedMessages(MessageList):
    """The messages that this peer has seen, and the signed lines that cover them."""

    def __init__(self, settings: Settings, own_run: bytes, is_genuine,
                 is_known=lambda run: True, is_denied=lambda run, neighbour: False,
                 checks_early=lambda neighbour: True):
        """`is_denied(run, neighbour)`: are its messages dropped if the neighbour brings them now?
        `checks_early(neighbour)`: may one more signature be verified before it is needed?"""
        self._covers = Covers()
        super().__init__(settings, own_run, functools.partial(SignedTexts, self._covers))
        self._corrupt_most = settings.corrupt_most()
        self._is_genuine = is_genuine
        self._is_known, self._is_denied = is_known, is_denied
        self._checks_early = checks_early
        # Drops repeated covers. This needs no turn, because only a link's reader changes its cover.
        self.without_covers = self._covers.unknown

    def unknown(self, lines: list[bytes], link=None) -> list[bytes]:
        """Return the lines without held gossip lines and repeated covers."""
        return self.without_covers(super().unknown(lines), link)

    def add_block(self, lines: list[bytes], made_here: bool = False) -> None:
        """Take nothing, because each line needs a cover."""

    def add(self, lines: list[bytes], made_here: bool = False, brought_by: Address | None = None,
            link=None) -> SignedFresh:
        """Take gossip and signed lines, but none after too many corrupt lines."""
        fresh = SignedFresh()
        last = link and link.cover  # the cover that came last on the link
        covers = self._verified(lines, last, made_here, brought_by, fresh.checks)
        last = last and covers[last.line]
        for line in lines:
            try:
                if line in covers:
                    last = self._covers.take(covers[line], link)
                else:
                    self._take_covered(line, last, made_here, brought_by, fresh)
            except Corrupt:
                fresh.corrupt.append(line)
                if len(fresh.corrupt) == self._corrupt_most:
                    break
            except wire.WireError as error:
                fresh.fault = error
                break
        if self._texts.is_over():
            self._texts.evict()
        fresh.contradictions, self._covers.contradictions = self._covers.contradictions, []
        fresh.shown = wire.shown(fresh.lines)
        return fresh

    def _take_covered(self, line: bytes, last: Cover | None, made_here: bool,
                      brought_by: Address | None, fresh: SignedFresh) -> None:
        """Take a gossip line; `last` is the last cover on its link."""
        digest = sha256(wire.gossip_part(line)).digest()
        if digest in self._texts.digests:
            self._old += 1
            return
        message = wire.parse_gossip(line)
        cover = self._covers.speaking(message, digest, last, self._seen_of)
        if cover is None:
            self._old += 1
        elif self._is_forged(message, made_here):
            return
        elif not made_here and not self._is_known(message.run):
            fresh.unknown.append((message.run, line, cover.line))
        elif (run := self._keep(line, digest, message, made_here, brought_by, fresh)) is not None:
            self._texts.cover(run, line, cover)
            fresh.covers.append(cover.line)
            if cover.payer is not None:
                fresh.checks[cover.payer] -= 1
                cover.payer = None

    def _verified(self, lines: list[bytes], last: Cover | None, made_here: bool,
                  brought_by: Address | None, checks: collections.Counter
                  ) -> dict[bytes, Cover | None]:
        """Return the covers of these lines and `last`, which came before, by signed line; None if
        corrupt. Stop after as many corrupt lines as end a link. `checks` counts what was needed."""
        covers = {} if last is None else {last.line: last}
        needed: dict[Cover, bool] = {}
        for line in lines:
            if line.startswith(wire.SIGNED):
                if line not in covers:
                    covers[line] = self._cover(line, made_here)
                last = covers[line]
            elif last and last.unchecked and last not in needed and not self.holds(line):
                needed[last] = True
        for cover in dict.fromkeys([*needed, *covers.values()]):
            if (cover is None or cover.unchecked is None
                    or self._covers.is_old(cover, self._seen_of(cover.run), brought_by)
                    or self._is_denied(cover.run, brought_by)):
                continue
            if cover in needed:
                checks[brought_by] += 1
                cover.payer = brought_by
            elif not self._checks_early(brought_by):
                break
            cover.good, cover.unchecked = self._is_genuine(cover.unchecked), None
            if not cover.good:
                covers[cover.line] = None
                if list(covers.values()).count(None) == self._corrupt_most:
                    break
        return covers

    def _cover(self, line: bytes, made_here: bool) -> Cover | None:
        try:
            return (self._covers.lines.get(line)
                    or Cover(line, grammar.parse_signed(line), good=made_here))
        except wire.WireError:
            return None

    def _seen_of(self, key: bytes) -> Intervals:
        run = self._runs.get(key)
        return Intervals() if run is None else run.seen

    def texts(self, entries, limit: int):
        """Return what MessageList does, lines of one cover together behind it."""
        lines, gone = super().texts(entries, limit)
        return wire.covered(lines, [self._texts.lines[line].line for line in lines]), gone

    def _scales(self):
        weighed = set()

        def weigh(line: bytes) -> int:
            cover = self._texts.lines[line]
            size = len(line) + 1 if cover in weighed else len(line) + 1 + len(cover.line) + 1
            weighed.add(cover)
            return size

        return weigh
