"""Signed messages: the message list of a network that signs.

Rules only. A message is taken when a cover speaks for it (covers.py); otherwise its line is
corrupt, and nothing of it is remembered. A signature is verified before what it covers is taken,
and charged to the neighbour if a message behind it is not held. Other signatures are verified early
or not at all, and cost nothing, because an origin may sign a message anew for each neighbour.
"""

import collections
import functools
from collections.abc import Callable

from gossip import wire
from gossip.addresses import Address
from gossip.intervals import Intervals
from gossip.settings import Settings
from gossip.signing import grammar
from gossip.signing.covers import Corrupt, Cover, Covers
from gossip.spread.message_list import MessageList
from gossip.spread.run import Run, Texts, sha256


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
        # good, but of a run that is not known to be genuine: (run, line, its cover)
        self.unknown: list[tuple[bytes, bytes, bytes]] = []
        # neighbour -> signatures charged to it, less those that have let a message in
        self.checks: collections.Counter[Address | None] = collections.Counter()
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

    def unknown(self, lines: list[bytes], link=None) -> list[bytes]:
        """Return the lines without held gossip lines and repeated covers."""
        return self._covers.unknown(super().unknown(lines), link)

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
        corrupt. After as many corrupt lines as end a link, nothing is verified. `checks` counts
        what messages needed."""
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
            if cover is None or cover.unchecked is None or self._is_old(cover, brought_by):
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
        cover = self._covers.lines.get(line)
        if cover is not None:
            return cover
        try:
            return Cover(line, grammar.parse_signed(line), good=made_here)
        except wire.WireError:
            return None

    def _is_old(self, cover: Cover, brought_by: Address | None) -> bool:
        is_old = self._covers.is_old(cover, self._seen_of(cover.run), brought_by)
        return is_old or self._is_denied(cover.run, brought_by)

    def _seen_of(self, key: bytes) -> Intervals:
        run = self._runs.get(key)
        return Intervals() if run is None else run.seen

    def texts(self, entries, limit: int):
        """Return what MessageList does, lines of one cover together behind it."""
        lines, gone = super().texts(entries, limit)
        return wire.covered(lines, [self._texts.lines[line].line for line in lines]), gone

    def _scales(self) -> Callable[[bytes], int]:
        covers = set()

        def weigh(line: bytes) -> int:
            cover = self._texts.lines[line]
            size = len(line) + 1
            if cover not in covers:
                covers.add(cover)
                size += len(cover.line) + 1
            return size

        return weigh
