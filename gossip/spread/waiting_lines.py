"""Waiting lines: checked gossip of runs of which it is not known yet whether they are genuine.

Rules only, for a network that signs.
"""

import collections

from gossip.spread.covers import covered

# One link may bring as much as there is room left for others: half of this if it is alone, and
# several together never all.
LIMITS = {"lines": 1_000, "bytes": 1 << 20, "runs": 100}


class WaitingLines:
    """Lines by run, in the order in which they came. One beyond the limits is not kept, but
    counted: anti-entropy brings it again."""

    def __init__(self):
        # run -> line -> (its cover, the link that brought it)
        self._runs: dict[bytes, dict[bytes, tuple[bytes, object]]] = {}
        # what there is a limit of -> link -> how much of it
        self._used = {what: collections.Counter() for what in LIMITS}
        self._dropped = 0

    def add(self, run: bytes, line: bytes, cover: bytes, link) -> None:
        """Keep a line, and the signed line that covers it."""
        lines = self._runs.get(run, {})
        if line in lines:
            return
        before = next(reversed(lines.values()))[0] if lines else b""
        needs = {"lines": 1, "bytes": _size(line, cover, before), "runs": int(not lines)}
        if not all(self._has_room(what, link, need) for what, need in needs.items() if need):
            self._dropped += 1
            return
        self._runs.setdefault(run, lines)[line] = cover, link
        for what, need in needs.items():
            self._used[what][link] += need

    def _has_room(self, what: str, link, need: int) -> bool:
        """Whether a link may have so much more."""
        used = self._used[what]
        return used[link] + need <= LIMITS[what] - sum(used.values())

    def take(self, run: bytes) -> list[tuple[object, list[bytes]]]:
        """Take out the lines of a run: (link, lines behind their covers) for every link that has
        brought some."""
        by_link: dict[object, list[bytes]] = collections.defaultdict(list)
        lines = self._runs.pop(run, {})
        gone, before = {what: collections.Counter() for what in LIMITS}, b""
        for line, (cover, link) in lines.items():
            gone["runs"][link] += not by_link  # the run counts for who has brought it first
            gone["lines"][link] += 1
            gone["bytes"][link] += _size(line, cover, before)
            before = cover
            by_link[link].append(line)
        for what, used in self._used.items():
            used -= gone[what]  # what falls to 0 is forgotten
        return [(link, covered(some, [lines[line][0] for line in some]))
                for link, some in by_link.items()]

    def dropped(self) -> dict[str, int]:
        """How many lines were not kept."""
        return {"lines of unknown runs": self._dropped}


def _size(line: bytes, cover: bytes, before: bytes) -> int:
    """The bytes of a line, and of its cover, unless that is the cover of the line before."""
    return len(line) + (0 if cover == before else len(cover))
