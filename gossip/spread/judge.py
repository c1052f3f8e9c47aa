"""The judge: which signed lines are good. It is asked before anything under them is taken.

Link readers call it, by way of the message list. To check a signature takes long, so the list's
lock is not held meanwhile: others get at the list.
"""

import collections
import threading

from gossip import wire
from gossip.addresses import Address
from gossip.spread.covers import Cover

CHECKED_KEPT = 16  # covers that were checked last: other readers may be about to take the same


class Judge:
    """Reads signed lines. `is_genuine(signed)` tells whether a signature is good; `kept(line)`, the
    cover of a line, if it is kept; `is_old(cover, brought_by)`, whether its signature does not
    matter."""

    def __init__(self, is_genuine, kept, is_old, corrupt_limit: int):
        self._is_genuine = is_genuine
        self._kept = kept
        self._is_old = is_old
        self._corrupt_limit = corrupt_limit
        self._lock = threading.Lock()  # held by the reader that checks a signature; guards:
        self._checked: collections.deque[Cover] = collections.deque(maxlen=CHECKED_KEPT)

    def read(self, lines: list[bytes], made_here: bool, brought_by: Address | None,
             checks: collections.Counter) -> dict[bytes, Cover | None]:
        """The signed lines among these, up to as many corrupt ones as end the link, as covers; None
        for a corrupt one. What was made here is good. The signatures that are checked are counted
        in `checks` for the neighbour that brought them."""
        covers, corrupt = {}, 0
        for line in lines:
            if line.startswith(wire.SIGNED) and line not in covers:
                covers[line] = self._cover(line, made_here, brought_by, checks)
                if covers[line] is None:
                    corrupt += 1
                    if corrupt == self._corrupt_limit:
                        break
        return covers

    def _cover(self, line: bytes, made_here: bool, brought_by: Address | None,
               checks: collections.Counter) -> Cover | None:
        cover = self._kept(line) or self._checked_lately(line)
        if cover is not None:
            return cover
        try:
            signed = wire.parse_signed(line)
        except wire.WireError:
            return None
        cover = Cover(line, signed)
        cover.good = made_here
        if made_here or self._is_old(cover, brought_by):
            return cover
        return self._check(cover, signed, brought_by, checks)

    def _checked_lately(self, line: bytes) -> Cover | None:
        """The cover of a line that was checked a moment ago. While another reader checks one, this
        waits: it may be the same."""
        with self._lock:
            return self._found(line)

    def _check(self, cover: Cover, signed: wire.Signed, brought_by: Address | None,
               checks: collections.Counter) -> Cover | None:
        """The cover, if its signature is good. Of several readers to which the same line comes
        together, one checks it."""
        with self._lock:
            found = self._found(cover.line)
            if found is not None:
                return found
            checks[brought_by] += 1
            cover.payer = brought_by
            cover.good = self._is_genuine(signed)
            if not cover.good:
                return None
            self._checked.append(cover)
            return cover

    def _found(self, line: bytes) -> Cover | None:
        """Expects the lock."""
        return next((cover for cover in self._checked if cover.line == line), None)
