"""The screen: shows events on the terminal, by a thread of its own with a bounded queue.

A terminal that blocks or is closed stops nothing: lines that do not fit into the queue, or cannot
be written, are counted and forgotten.
"""

import functools
import os
import queue
import threading
import types
from collections.abc import Callable

from gossip.addresses import Address
from gossip.terminal.command_line import complain, write_all
from gossip.tools import failure

QUEUE_LIMIT = 1_000  # batches of events that may wait
NOTHING = "", [], None  # such a batch, without events

_COLOURS = {  # event -> ANSI colour; all other events stay plain
    "started": "1", "stopped": "1", "registered": "32", "connected": "32", "degree": "2",
    "generated": "36", "liveness request": "2", "liveness reply": "2",
    "liveness missed": "33", "disconnected": "33", "refused": "33", "rejected": "33",
    "dead": "31", "reported": "31", "told": "31", "removed": "31", "dead report": "31",
    "passed on": "31",
}


class Screen:
    """Writes `HH:MM:SS.mmm event` lines to a descriptor. Others show events in another way; where
    one of these fails, `on_failure` is told, and the rest is shown in this way."""

    def __init__(self, descriptor: int = 1):
        self._descriptor = descriptor
        self._colours = os.isatty(descriptor)
        # Texts that are said; events with their clock and their seed; None at the end.
        self._queue: queue.Queue = queue.Queue(QUEUE_LIMIT)
        self._lock = threading.Lock()  # guards dropped
        self.dropped = 0  # lines that were never shown
        self.on_failure: Callable[[str], None] = complain
        self._thread = threading.Thread(target=self._run, name="screen", daemon=True)
        self._thread.start()

    def of(self, seed: Address):
        """Return what one of several seeds shows its events on."""
        return types.SimpleNamespace(show=functools.partial(self.show, seed=seed))

    def show(self, clock: str, events: list[str], seed: Address | None = None) -> None:
        """Show events with the time `HH:MM:SS.ffffff`; never blocks."""
        self._offer((clock, events, seed), len(events))

    def say(self, text: str) -> None:
        """Show an answer to a typed command, without a time; never blocks."""
        self._offer(text, text.count("\n") + 1)

    def _offer(self, item, lines: int) -> None:
        try:
            self._queue.put_nowait(item)
        except queue.Full:
            with self._lock:
                self.dropped += lines

    def close(self, patience: float = 1.0) -> None:
        """Show the lines that wait, if the terminal takes them in time, and end the thread."""
        try:
            self._queue.put(None, timeout=patience)
        except queue.Full:
            return  # the terminal blocks; the thread ends with the process
        self._thread.join(patience)

    # The screen's thread calls these.

    def _run(self) -> None:
        try:
            while (item := self._next()) is not None:
                self._show(item)
            self._end()
        except Exception as error:
            self.on_failure(failure("screen", error))
            while (item := self._queue.get()) is not None:
                Screen._show(self, item)

    def _next(self):
        """What is to be shown; NOTHING when something that waited is due."""
        try:
            return self._queue.get(timeout=self._due_in())
        except queue.Empty:
            return NOTHING

    def _due_in(self) -> float | None:
        """The seconds until there is something to show, whatever comes; None: there is nothing."""
        return None

    def _show(self, item) -> None:
        self._put(f"{item}\n" if isinstance(item, str) else self._raw(*item))

    def _end(self) -> None:
        """Show what waited."""

    def _raw(self, clock: str, events: list[str], seed: Address | None) -> str:
        head = clock[:12] + (f" [seed {seed.port}]" if seed else "")
        return "".join(f"{head} {self._coloured(event)}\n" for event in events)

    def _coloured(self, event: str) -> str:
        colour = self._colours and _COLOURS.get(event.partition(":")[0])
        return f"\x1b[{colour}m{event}\x1b[0m" if colour else event

    def _put(self, text: str) -> None:
        if not write_all(self._descriptor, text.encode(errors="replace")):
            with self._lock:
                self.dropped += text.count("\n")
