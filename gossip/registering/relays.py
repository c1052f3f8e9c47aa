"""Relays: how a seed tells other seeds of deaths. A part of a seed.

To each other seed there is one connection at a time. It carries a limited number of lines, and the
next one follows after a pause, because a seed reads a limited number of reports in a second.
"""

import functools

from gossip.addresses import Target
from gossip.node.part import Part

SEED = "a seed that is told"  # the role of a connection to one
AT_ONCE = 25  # lines told over one connection
RELAY_PAUSE = 1.0  # seconds between two connections to a seed
WAITING_LIMIT = 2_500  # lines that wait for one seed; more are only counted
TOLD = "told"  # why a connection ends over which lines were sent


class Relays(Part):
    """The lines of one seed that wait for others."""

    def __init__(self, node, seeds: list[Target]):
        self._node = node
        self._lines: dict[Target, list[bytes]] = {seed: [] for seed in seeds}
        # to whom a connection is being made, or stands, or is to rest
        self._under_way: set[Target] = set()

    def tell(self, line: bytes) -> None:
        """Tell every other seed a line, in its turn."""
        for seed, lines in self._lines.items():
            if len(lines) >= WAITING_LIMIT:
                self._node.counters.add("reports too many for another seed")
                continue
            lines.append(line)
            if seed not in self._under_way:
                self._dial(seed)

    def _dial(self, seed: Target) -> None:
        """Connect to a seed if there is something to tell."""
        if self._lines[seed]:
            self._under_way.add(seed)
            self._node.dial(self._node.new_link(SEED, seed), "relay")
        else:
            self._under_way.discard(seed)

    def on_up(self, link) -> None:
        """Send another seed, which is connected, the lines that wait for it, and hang up."""
        if link.role == SEED:
            lines = self._lines[link.target]
            link.send(b"".join(lines[:AT_ONCE]))
            del lines[:AT_ONCE]
            link.close(TOLD)

    def on_end(self, link) -> None:
        """Dial again after a pause. The lines are lost when the seed could not be reached."""
        if link.role != SEED:
            return
        lines = self._lines[link.target]
        if link.reason != TOLD:
            self._node.counters.add("reports that another seed could not be told", len(lines))
            lines.clear()
        dial = functools.partial(self._dial, link.target)
        self._node.flusher.take_over(dial, after=RELAY_PAUSE)
