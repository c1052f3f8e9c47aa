"""Waiting lines: checked gossip of runs of which it is not known yet whether they are genuine.

Rules only. Called by link readers, in a network that signs.
"""

import collections
import threading

from gossip.spread.covers import covered

LINES_LIMIT = 1_000
BYTES_LIMIT = 1 << 20
RUNS_LIMIT = 100


class WaitingLines:
    """Lines by run, in the order in which they came. One beyond the limits is not kept, but
    counted: anti-entropy brings it again."""

    def __init__(self):
        self._lock = threading.Lock()  # guards everything below
        # run -> line -> (its cover, the link that brought it)
        self._runs: dict[bytes, dict[bytes, tuple[bytes, object]]] = {}
        self._lines = self._bytes = 0  # in all
        self._dropped = 0

    def add(self, run: bytes, line: bytes, cover: bytes, link) -> None:
        """Keep a line, and the signed line that covers it."""
        with self._lock:
            lines, size = self._runs.get(run, {}), len(line) + len(cover)
            if line in lines:
                return
            if (self._lines == LINES_LIMIT or self._bytes + size > BYTES_LIMIT
                    or not lines and len(self._runs) == RUNS_LIMIT):
                self._dropped += 1
                return
            self._runs.setdefault(run, lines)[line] = cover, link
            self._lines += 1
            self._bytes += size

    def take(self, run: bytes) -> list[tuple[object, list[bytes]]]:
        """Take out the lines of a run: (link, lines behind their covers) for every link that has
        brought some."""
        with self._lock:
            lines = self._runs.pop(run, {})
            self._lines -= len(lines)
            self._bytes -= sum(len(line) + len(cover) for line, (cover, _) in lines.items())
        by_link: dict[object, list[bytes]] = collections.defaultdict(list)
        for line, (_, link) in lines.items():
            by_link[link].append(line)
        return [(link, covered(some, [lines[line][0] for line in some]))
                for link, some in by_link.items()]

    def dropped(self) -> dict[str, int]:
        """How many lines were not kept."""
        with self._lock:
            return {"lines of unknown runs": self._dropped}
