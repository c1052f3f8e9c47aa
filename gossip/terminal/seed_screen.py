"""The seeds' screen: a line for each peer that comes or goes, and below it who is there now."""

import math
import time

from gossip.terminal.command_line import show
from gossip.terminal.screen import NOTHING, Labelled, Screen
from gossip.terminal.seed_words import SeedWords
from gossip.terminal.status_line import StatusLine, folded
from gossip.terminal.words import many

INDENT = 12  # columns before the second line of a sentence


class SeedScreen(Screen):
    """Shows the events of seeds in words, on standard output, which is a terminal; at the end how
    it was, and the last words."""

    def __init__(self, words: SeedWords, last: str):
        self._words = words
        self._last = last
        self._status = StatusLine()
        self._labels = 0
        self._begun = time.monotonic()
        super().__init__()

    def labelled(self, label: str) -> Labelled:
        """The screen of one seed; the last word of the label is its name."""
        self._labels += 1
        return Labelled(self, f"{label.rpartition(' ')[2]} {self._labels} ")

    # The screen's thread calls these.

    def _due_in(self) -> float | None:
        due_at = self._words.due_at()
        return None if due_at == math.inf else max(0.0, due_at - time.monotonic())

    def _show(self, item) -> None:
        lines, said = self._words.due(time.monotonic()), isinstance(item, str)
        if said:
            self._status.above(item, 4)
        else:
            clock, events, label = item
            for event in events:
                lines += self._words.tell(time.monotonic(), clock, tuple(label.split()), event)
        if self.dropped and self._queue.empty():
            lines.append(self._tell_dropped())
        for line in lines:
            self._status.above(line, INDENT)
        if said or lines:
            self._status.update(self._words.status())

    def _tell_dropped(self) -> str:
        with self._lock:
            dropped, self.dropped = self.dropped, 0
        return (f"{'':{INDENT}}{many(dropped, 'event')} not shown, because the terminal was "
                "blocked; the output files have all")

    def _end(self) -> None:
        self._show(NOTHING)
        self._status.clear()
        minutes, seconds = divmod(round(time.monotonic() - self._begun), 60)
        show(folded(f"The seeds have ended after {f'{minutes} min ' if minutes else ''}{seconds} "
                    f"s: {self._words.summary()}. {self._last}"))
