"""The message list of a peer that signs: it holds signed lines, and verifies what is new. Pure.

A line is held once, under the number of each of its messages, and goes as a whole. What is held, or
has no room, is dropped before its signature is checked. What stays unknown is told in `Added`.
"""

from grapevine import wire
from grapevine.intervals import Intervals, Range
from grapevine.messages import SURE_GAPS, Added, Messages, Run, sha256
from grapevine.signing.grammar import Signed, parse_signed
from grapevine.tools import Recent


READING, TEXTS_READ = 0.001, 32  # of a check in vain: what a line costs that is read and not
# wanted, and each so many texts of it. So little, because honest neighbours bring such lines, too,
# and may not be read more slowly for as many as they can verify and pass on
FOUL_RUNS, FOUL_RANGES = 1_000, 10_000  # runs, and ranges of each, of which only forbidden lines
# came, and so many that to fill them costs an origin as many signatures


class SignedAdded(Added):
    """The result of adding signed lines."""

    def __init__(self):
        super().__init__([])
        self.messages = []
        self.corrupt: list[bytes] = []  # lines that nobody has signed
        self.entered: list[Signed] = []  # the same as `new`
        self.unknown: list[Signed] = []  # of runs that are not known to be genuine
        self.no_room: list[Signed] = []
        self.contradictions: list[tuple[Signed, Signed]] = []  # good lines with a number in common
        self.vain = 0  # corrupt lines, and READING of those not wanted; no contradictions, which
        # honest neighbours cannot help passing on: each has taken another line first


class SignedMessages(Messages):
    """`is_genuine(run)`, which is given later, tells whether a run belongs to its address."""

    is_genuine = staticmethod(lambda run: True)
    CORRUPT_LIMIT = 3  # corrupt lines, after which nothing more that came with them is looked at

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.contradicted: set[bytes] = set()  # runs that have contradicted themselves
        self.checked = 0  # signatures
        # run -> numbers of which only forbidden lines came. A clean line is taken in their place,
        # or an origin could bring that to all but one peer, which its neighbours would then miss
        self._foul = Recent(FOUL_RUNS)

    def add(self, lines: list[bytes], is_own: bool = False) -> SignedAdded:
        added = SignedAdded()
        for line in lines:
            signed = parse_signed(line)
            if signed is not None and not (is_own or self._is_wanted(signed, added)):
                added.vain += READING * (1 + len(signed.numbers) / TEXTS_READ)
            elif signed is not None and (is_own or self._is_good(signed)):
                self._enter(signed, added)
            else:
                added.corrupt.append(line)
                added.vain += 1
                if len(added.corrupt) >= self.CORRUPT_LIMIT:
                    break
        self._evict()
        return added

    def _is_wanted(self, signed: Signed, added: SignedAdded) -> bool:
        """Tell whether a line brings news: messages that have room, or a contradiction."""
        if signed.run == self._own_run:
            self.dropped["messages in our name"] += 1
        elif not self.is_genuine(signed.run):
            added.unknown.append(signed)
        elif signed.line in self.texts:
            self.dropped["duplicates"] += 1
        elif (run := self.runs.get(signed.run)) is None:
            if self._may_begin(signed.run):
                return True
            self._note_no_room(signed, added)
        elif missing := run.seen.missing(signed.first, signed.last):
            if (self._part_with_room(run, missing[0])
                    and not self._wastes_room(run, missing[0][0], signed)):
                return True
            self._note_no_room(signed, added)
        elif self._foul_of(signed) and not self._is_forbidden(signed):
            return True
        else:
            self.dropped["duplicates"] += 1
            return signed.run not in self.contradicted and self._rival(run, signed) is not None
        return False

    def _note_no_room(self, signed: Signed, added: SignedAdded) -> None:
        self.dropped["no room"] += 1
        added.no_room.append(signed)

    def _may_begin(self, key: bytes) -> bool:
        return self.is_genuine(key) and super()._may_begin(key)

    def _wastes_room(self, run: Run, first: int, signed: Signed) -> bool:
        """Tell whether a line would use up room for what others take: it begins a gap of a run with
        some, and is forbidden, so that others do not even hear of it from here."""
        return (len(run.seen) >= SURE_GAPS and not run.seen.touches(first)
                and self._is_forbidden(signed))

    @staticmethod
    def _rival(run: Run, signed: Signed) -> bytes | None:
        """Return another line that is held for one of these numbers."""
        return next((run.held[number] for number in signed.numbers if number in run.held), None)

    def _is_good(self, signed: Signed) -> bool:
        self.checked += 1
        return signed.is_good()

    def _enter(self, signed: Signed, added: SignedAdded) -> None:
        """Note and hold what is new of a good line."""
        run = self.runs.get(signed.run) or self._begin(signed.run)
        is_forbidden = self._is_forbidden(signed)  # its origin has signed all of it together
        if run.seen.continue_with(signed.first, signed.last):  # as nearly always
            new, messages = signed.numbers, signed.messages
        else:
            foul = [] if is_forbidden else self._foul_of(signed)
            new = self._add_missing(run, signed, added, foul)
            whole = signed.messages
            messages = [whole[number - signed.first] for number in new]
        self._changed.add(run)
        if is_forbidden:
            added.forbidden += messages
            self._note_foul(signed.run, new)
        elif new:
            self.texts[signed.line] = digest = sha256(signed.line).digest()
            self._hashes.add(digest)
            run.hold(new, signed.line)
            self._weigh(run, self._weight(signed.line, len(new)))
            added.new.append(signed.line)
            added.entered.append(signed)
            added.messages += messages

    def _add_missing(self, run: Run, signed: Signed, added: SignedAdded, foul: list[Range]
                     ) -> list[int]:
        """Note what is new of a line that follows on nothing, or repeats a number, and tell of a
        contradiction; return the new numbers, with those that were `foul` until now."""
        rival = self._rival(run, signed)
        if rival is not None and signed.run not in self.contradicted:
            self.contradicted.add(signed.run)
            added.contradictions.append((parse_signed(rival), signed))
        missing = run.seen.missing(signed.first, signed.last)
        for low, high in missing:
            self._add_gap(run, low, high)
        if foul:
            self._foul[signed.run].remove(signed.first, signed.last)
        new = sorted(missing + foul)
        return [number for low, high in new for number in range(low, high + 1)]

    def _foul_of(self, signed: Signed) -> list[Range]:
        """Return which numbers of a line came in forbidden ones alone."""
        foul = self._foul.get(signed.run)
        return foul.common(signed.first, signed.last) if foul is not None else []

    def _note_foul(self, run: bytes, numbers) -> None:
        foul = self._foul.setdefault(run, Intervals())
        for number in numbers:
            foul.add(number, number)
        while len(foul) > FOUL_RANGES:
            foul.remove(foul.lowest(), foul.lowest())

    def _is_forbidden(self, signed: Signed) -> bool:
        return (self._find_word is not None and signed.run != self._own_run
                and any(self.forbids(text.decode()) for text in signed.texts))

    def _weight(self, line: bytes, count: int) -> int:
        return max(self._least * count, len(line))

    def _drop(self, run: Run, number: int) -> None:
        """Drop a line with all its messages, which were held together."""
        line = run.held.get(number)
        if line is None:
            return
        signed = parse_signed(line)
        held = [each for each in signed.numbers if run.held.get(each) is line]
        for each in held:
            del run.held[each]
        self._hashes.remove(self.texts.pop(line))
        self._weigh(run, -self._weight(line, len(held)))
        self.dropped["texts evicted"] += len(held)

    def read(self, line: bytes) -> tuple[bytes, int, list[bytes]]:
        signed = parse_signed(line)
        return signed.run, signed.first, signed.messages

    def span(self, line: bytes) -> tuple[bytes, int, int] | None:
        if line in self.texts:  # which costs no more to repeat than to find out that it repeats
            run, first = wire.gossip_key(line)
            return run, first, first + line.split(b":", 4)[3].count(b",")
        signed = parse_signed(line)
        return signed and (signed.run, signed.first, signed.last)
