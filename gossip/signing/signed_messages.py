"""Signed messages: the message list of a network that signs.

Rules only. A message is taken when a good cover, that is a signed line, speaks for it, and its run
is genuine. Without a cover its line is corrupt, unless its number was seen, and nothing of it is
remembered. The README says what is verified, and when.
"""

import collections
import functools
import itertools
import operator

from gossip import wire
from gossip.addresses import Address
from gossip.intervals import Intervals
from gossip.settings import Settings
from gossip.signing import grammar
from gossip.signing.covers import Corrupt, Cover, Covers
from gossip.spread.message_list import MessageList
from gossip.spread.run import Run, Texts, sha256


_is_cover = operator.methodcaller("startswith", wire.SIGNED)


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

    def hold(self, run: Run, first: int, lines: list[bytes], digests: list[bytes],
             cover: Cover) -> None:
        super().hold(run, first, lines, digests, cover)
        if not cover.texts:
            run.weight += len(cover.line)
        self._covers.text_held(cover, len(lines))

    def is_over(self) -> bool:
        return (len(self.lines) > self._settings.cache_size
                or self._bytes + self._covers.size > self._settings.cache_bytes
                and bool(self.lines))

    def _drop(self, run: Run, line: bytes) -> None:
        cover = self.lines[line]
        super()._drop(run, line)
        self._covers.text_dropped(cover)
        if not cover.texts:
            run.weight -= len(cover.line)


class SignedMessages(MessageList):
    """The messages that this peer has seen, and their covers."""

    def __init__(self, settings: Settings, own_run: bytes, is_good,
                 is_known=lambda run: True, is_denied=lambda run, neighbour: False,
                 checks_early=lambda neighbour: True):
        """`is_denied(run, neighbour)`: are its messages dropped if the neighbour brings them now?
        `checks_early(neighbour)`: may one more signature be verified before it is needed?"""
        self._covers = Covers()
        super().__init__(settings, own_run, functools.partial(SignedTexts, self._covers))
        self._corrupt_most = settings.corrupt_most()
        self._is_good = is_good
        self._is_known, self._is_denied = is_known, is_denied
        self._checks_early = checks_early
        # Drops repeated covers. This needs no turn, because only a link's reader changes its cover;
        # several readers may note that they were told the same one, and any of these will do.
        self.without_known_covers = self._covers.without_known
        self.is_liar = self._covers.is_liar

    def add_block(self, lines: list[bytes], made_here: bool = False) -> None:
        """Take nothing, because lines need covers (`_add_behind` takes blocks with theirs)."""

    def add(self, lines: list[bytes], made_here: bool = False, brought_by: Address | None = None,
            link=None) -> SignedFresh:
        """Take gossip and signed lines, but none after too many corrupt lines."""
        fresh = SignedFresh()
        self._add_all(lines, made_here, brought_by, link, fresh)
        if self._texts.is_over():
            self._texts.evict()
        fresh.contradictions, self._covers.contradictions = self._covers.contradictions, []
        fresh.shown = b"\n".join(fresh.lines).decode()  # gossip that is signed has no prefix
        return fresh

    def _add_all(self, lines: list[bytes], made_here: bool, brought_by: Address | None, link,
                  fresh: SignedFresh) -> None:
        """Take lines, up to an invalid line, or too many corrupt ones."""
        batches = [(are_covers, list(group))
                   for are_covers, group in itertools.groupby(lines, _is_cover)]
        last = link and link.cover  # the cover that came last
        if last is not None and last.unchecked and batches and not batches[0][0]:
            last = self._covers.kept.get(last.line, last)  # verified if another link brought it
            if self._fails_check(last, batches[0][1], brought_by, fresh):
                last = link.cover = None
        # each batch with the next one, because the last cover of a batch speaks for those lines
        for (are_covers, batch), (_, lines_behind) in itertools.zip_longest(
                batches, batches[1:], fillvalue=(False, ())):
            if not are_covers and self._add_behind(batch, last, made_here, fresh):
                continue
            for at, line in enumerate(batch, 1):
                try:
                    if are_covers:
                        last = None  # if this cover is bad, no cover speaks for what comes next
                        cover = self._cover(line, made_here)
                        behind = lines_behind if at == len(batch) else ()
                        if self._fails_check(cover, behind, brought_by, fresh):
                            raise Corrupt
                        last = self._covers.take(cover, link)
                    else:
                        self._add_covered(line, last, made_here, brought_by, fresh)
                except Corrupt:
                    fresh.corrupt.append(line)
                    if len(fresh.corrupt) == self._corrupt_most:
                        return
                except wire.WireError as error:
                    fresh.fault = error
                    return

    def _add_behind(self, lines: list[bytes], last: Cover | None, made_here: bool,
                    fresh: SignedFresh) -> bool:
        """Take lines behind a cover at once if they continue its run; return whether they did."""
        if last is None or self._forbidden_in is not None or not (
                made_here or self._is_known(last.run)):
            return False
        block, run = wire.parse_block(lines), self._runs.get(last.run)
        if (block is None or block.run != last.run or run is None
                or (last.run == self._own_run) is not made_here):
            return False
        digests = [sha256(line).digest() for line in lines]
        cover = self._covers.speaking_for_all(last, block, digests)
        if cover is None or not self._keep_block(run, block, lines, digests, cover):
            return False
        fresh.lines += lines
        self._note_cover(cover, len(lines), fresh)
        return True

    def _note_cover(self, cover: Cover, lines: int, fresh: SignedFresh) -> None:
        """Note the cover of new lines. Credit the payer of a check that let them in."""
        fresh.covers += [cover.line] * lines
        if cover.payer is not None:
            fresh.checks[cover.payer] -= 1
            cover.payer = None

    def _add_covered(self, line: bytes, last: Cover | None, made_here: bool,
                      brought_by: Address | None, fresh: SignedFresh) -> None:
        """Take a gossip line; `last` is the last cover on its link."""
        digest = sha256(line).digest()
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
        elif self._keep(line, digest, message, made_here, brought_by, fresh, cover):
            self._note_cover(cover, 1, fresh)

    def _cover(self, line: bytes, made_here: bool) -> Cover:
        """Return the kept cover with this line, else a new one; Corrupt if it is malformed."""
        try:
            return (self._covers.kept.get(line)
                    or Cover(line, grammar.parse_signed(line), good=made_here))
        except wire.WireError:
            raise Corrupt from None

    def _fails_check(self, cover: Cover, lines_behind, brought_by: Address | None,
                     fresh: SignedFresh) -> bool:
        """Verify a signature, unless that was done or would change nothing; return whether it is
        bad. If no line behind the cover is new, verify only as long as `checks_early`."""
        if (cover.unchecked is None
                or self._covers.needs_no_check(cover, self._seen_of(cover.run), brought_by)
                or self._is_denied(cover.run, brought_by)):
            return False
        if not all(map(self.holds, lines_behind)):
            fresh.checks[brought_by] += 1
            cover.payer = brought_by
        elif not self._checks_early(brought_by):
            return False
        cover.good, cover.unchecked = self._is_good(cover.unchecked), None
        return not cover.good

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
