"""Playing: shows how far many schedules are, which have failed, and what plays those again."""

import os
import time
from collections.abc import Callable

from gossip.experiments.schedules import Result
from gossip.terminal.command_line import show
from gossip.terminal.status_line import StatusLine, folded, time_left


class Playing:
    """Shows the results of so many schedules. A terminal also shows how far they are, and at the
    end again those that failed; `again(number)` is the command that plays one."""

    def __init__(self, count: int, again: Callable[[int], str]):
        self._count = count
        self._again = again
        self._begun = time.monotonic()
        self._status = StatusLine() if os.isatty(1) else None
        self._failed: list[Result] = []
        self._played = 0
        self._simulated = 0.0  # seconds
        self._show_status()

    def add(self, result: Result) -> None:
        """One more schedule has been played."""
        self._played += 1
        self._simulated += result.simulated
        if result.fault:
            self._failed.append(result)
            self._show_failed(result)
        self._show_status()

    def _show_failed(self, result: Result) -> None:
        text = f"schedule {result.number} FAILS: {result.fault}"
        if self._status is None:
            show(text)
        else:
            self._status.above(f"{text}\n{self._commands(result)}", 4)

    def _commands(self, result: Result) -> str:
        again = self._again(result.number)
        return f"  play it again: {again}\n  make it small: {again} --shrink"

    def _show_status(self) -> None:
        if self._status is None:
            return
        took = time.monotonic() - self._begun
        text = f"{self._played:,} of {self._count:,} schedules, {len(self._failed)} failed"
        if not self._played:
            self._status.update(text)
            return
        left = took / self._played * (self._count - self._played)
        pace = self._simulated / max(took, 1e-3)
        self._status.update(f"{text}   {self._simulated:,.0f} simulated s, {pace:,.0f} a second",
                            time_left(left))

    def close(self) -> None:
        """End the line that says how far they are; it goes away when all have been played."""
        if self._status is not None:
            self._status.clear() if self._played == self._count else self._status.end()

    def say(self, text: str) -> None:
        """Show a line that is not wider than a terminal."""
        show(text if self._status is None else folded(text, 4))

    def show_failed_again(self) -> None:
        """On a terminal: name the schedules that failed once more."""
        if self._status is not None:
            for result in self._failed:
                self.say(f"schedule {result.number} FAILS: {result.fault}\n"
                         f"{self._commands(result)}")
