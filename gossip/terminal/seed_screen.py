"""The seeds' screen: a line for each peer that comes or goes, and below it who is there now.

It stands in for a Screen (screen.py), and like that shows all by a thread of its own with a bounded
queue: a terminal that blocks stops no seed.
"""

import queue
import threading
import time
from typing import NamedTuple

from gossip.terminal.command_line import show
from gossip.terminal.screen import QUEUE_LIMIT
from gossip.terminal.seed_words import SeedWords
from gossip.terminal.status_line import StatusLine, folded

INDENT = 12  # columns before the second line of a sentence


class _Said(NamedTuple):
    """Lines of the program itself."""

    text: str


class SeedScreen:
    """Shows the events of seeds in words, on standard output, which is a terminal."""

    def __init__(self, words: SeedWords):
        self._words = words
        self._status = StatusLine()
        self._queue: queue.Queue = queue.Queue(QUEUE_LIMIT)
        self._labelled = 0
        self._begun = time.monotonic()
        self._thread = threading.Thread(target=self._show_waiting, name="screen", daemon=True)
        self._thread.start()

    def labelled(self, label: str) -> "_OfSeed":
        """The screen of one seed; the last word of the label is its name."""
        self._labelled += 1
        return _OfSeed(self, (label.rpartition(" ")[2], self._labelled))

    def offer(self, item) -> None:
        """Show something when its turn comes, unless too much waits."""
        try:
            self._queue.put_nowait(item)
        except queue.Full:
            pass  # the output files have it

    def say(self, text: str) -> None:
        """Show lines that stay."""
        self.offer(_Said(text))

    def close(self, last: str, patience: float = 1.0) -> None:
        """Show what waits, how it was, and the last words, if the terminal takes them in time."""
        try:
            self._queue.put(last, timeout=patience)
        except queue.Full:
            return  # the terminal blocks; the thread ends with the process
        self._thread.join(patience)

    def _show_waiting(self) -> None:
        while not isinstance(item := self._next(), str):
            lines = self._words.due(time.monotonic())
            if isinstance(item, _Said):
                self._status.above(item.text, 4)
                self._status.update(self._words.status())
            elif item is not None:
                clock, seed, events = item
                for event in events:
                    lines += self._words.tell(time.monotonic(), clock, seed, event)
            for line in lines:
                self._status.above(line, INDENT)
            if lines:
                self._status.update(self._words.status())
        self._status.clear()
        minutes, seconds = divmod(round(time.monotonic() - self._begun), 60)
        show(folded(f"The seeds have ended after {f'{minutes} min ' if minutes else ''}{seconds} s: "
                    f"{self._words.summary()}. {item}"))

    def _next(self):
        """What is to be shown, the last line, or None when a peer is due."""
        wait = self._words.due_at() - time.monotonic()
        try:
            return self._queue.get(timeout=None if wait == float("inf") else max(0.0, wait))
        except queue.Empty:
            return None


class _OfSeed:
    """The screen as one seed has it."""

    def __init__(self, screen: SeedScreen, seed: tuple):
        self._screen = screen
        self._seed = seed

    def show(self, clock: str, events: list[str]) -> None:
        self._screen.offer((clock, self._seed, events))
