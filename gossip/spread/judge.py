"""The judge: which signed lines are good. It is asked before anything under them is taken.

A signature is checked when a message stands behind it that is not held, on the account of the
neighbour that brought both. Any other is checked early, or not at all: an origin may sign the same
message anew for each of its neighbours, and these must not pay for it.
"""

import collections

from gossip import wire
from gossip.addresses import Address
from gossip.spread.covers import Cover


class Judge:
    """Reads signed lines. `is_genuine(signed)` tells whether a signature is good; `kept(line)`, the
    cover of a line, if it is kept; `is_held(line)`, whether a gossip line is; `is_old(cover,
    brought_by)`, whether its signature does not matter; and `checks_early(neighbour)`, whether one
    more may be checked before a message needs it."""

    def __init__(self, is_genuine, kept, is_held, is_old, checks_early, corrupt_limit: int):
        self._is_genuine = is_genuine
        self._kept = kept
        self._is_held = is_held
        self._is_old = is_old
        self._checks_early = checks_early
        self._corrupt_limit = corrupt_limit

    def read(self, lines: list[bytes], last: Cover | None, made_here: bool,
             brought_by: Address | None, checks: collections.Counter) -> dict[bytes, Cover | None]:
        """The signed lines among these, and `last`, the one that came before, as covers; None for a
        corrupt one. What was made here is good. After as many corrupt ones as end the link, no more
        signatures are checked. Those that messages needed are counted in `checks` for the neighbour
        that brought them."""
        covers = {} if last is None else {last.line: last}
        needed = {}
        for line in lines:
            if line.startswith(wire.SIGNED):
                if line not in covers:
                    covers[line] = self._cover(line, made_here)
                last = covers[line]
            elif (last is not None and last.unchecked is not None and last not in needed
                  and not self._is_held(line)):
                needed[last] = True
        for cover in dict.fromkeys([*needed, *covers.values()]):
            if cover is None or cover.unchecked is None or self._is_old(cover, brought_by):
                continue
            if cover in needed:
                checks[brought_by] += 1
                cover.payer = brought_by
            elif not self._checks_early(brought_by):
                break
            if not self._is_good(cover):
                covers[cover.line] = None
                if list(covers.values()).count(None) == self._corrupt_limit:
                    break
        return covers

    def _cover(self, line: bytes, made_here: bool) -> Cover | None:
        cover = self._kept(line)
        if cover is not None:
            return cover
        try:
            return Cover(line, wire.parse_signed(line), good=made_here)
        except wire.WireError:
            return None

    def _is_good(self, cover: Cover) -> bool:
        cover.good = self._is_genuine(cover.unchecked)
        cover.unchecked = None
        return cover.good
