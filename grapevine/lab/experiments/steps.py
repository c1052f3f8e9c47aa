"""The progress of a command, in numbered steps or in lines."""

import math
import shutil
import time
from collections.abc import Callable

from grapevine.lab.proof.check import CLAIMS, SHOWN, format_rows
from grapevine.lab.proof.disturbances import FAILS, HOLDS, UNCLEAR
from grapevine.lab.proof.evidence import Row
from grapevine.terminal.command_line import USUAL_WIDTH, show, terminal_width
from grapevine.terminal.screen import StatusLine, folded, obeys, time_left

NAME = 15  # columns of a step's name, where the terminal has room
CLAIM = 14  # column at which the claim of a row begins


class Steps:
    """Numbered steps, the last of which is the status line. Without a terminal, and with --plain or
    --quiet, `are_shown` is False, and the last step is told `every` few seconds, unless --quiet."""

    def __init__(self, args, every: float = math.inf):
        self._status = StatusLine()
        self.are_shown = obeys() and not (args.plain or args.quiet)
        self._every = math.inf if args.quiet else every
        self._first = self._begun = self._told = time.monotonic()
        self._number = 0
        self._name, self._words, self._left = "", str, float  # of the last step

    def begin(self, name: str, words: Callable[[], str], left: Callable[[], float] = float) -> None:
        """Begin a step. Show `words()`, and `left()` seconds, or else the seconds so far."""
        self.end()
        self._number += 1
        self._begun, self._name = time.monotonic(), name
        self._words, self._left = words, left
        self.show()

    def show(self) -> None:
        """Show the last step as it is now."""
        now = time.monotonic()
        if self.are_shown:
            name = f"{self._name:<{NAME if terminal_width() >= USUAL_WIDTH else 0}}"
            left = self._left()
            self._status.update(f"{self._number:3}  {name}  {self._words()}",
                                time_left(left) if left > 0 else f"{now - self._begun:.1f} s")
        elif now - self._told >= self._every:
            self._told = now
            show(f"{now - self._first:5.1f} s  {self._last()}")

    def _last(self) -> str:
        return f"{self._name}: {self._words()}"

    def say_late(self, outputs: str) -> None:
        """Say that the last step was not over in time, and whether a full disk may be why."""
        full = "" if shutil.disk_usage(outputs).free else (
            "; no space is left for output files, so the proof lacks what they lack")
        self.say("not everything happened as it should, or in time. The last step is "
                 f"{self._last()}{full}")

    def end(self) -> None:
        """Leave the last step as it is."""
        self._status.end()

    def say(self, text: str, indent: int = 0) -> None:
        """Show lines below all steps, folded on a terminal."""
        self.end()
        show(folded(text, indent) if self.are_shown else text)

    def say_proof(self, rows: list[Row], next_lines: str) -> None:
        """Show the proof. Where steps are shown, use words, and say what to do next."""
        if not self.are_shown:
            show(format_rows(rows))
            return
        marks = {HOLDS: "✓", FAILS: "✗", UNCLEAR: "?", "": " "}
        lines = [f"{self._number + 1:3}  the proof, from the output files alone:", ""]
        for row in rows:
            lines.append(f"{marks[row.verdict]} {row.name:<10}  {CLAIMS.get(row.name, '')}")
            lines += [f"{'':<{CLAIM}}{text}" for text in [row.figures, *row.details[:SHOWN]]]
            if len(row.details) > SHOWN:
                lines.append(f"{'':<{CLAIM}}and {len(row.details) - SHOWN} more")
        claims = sum(bool(row.verdict) for row in rows)
        failing, unclear = ([row.name for row in rows if row.verdict == verdict]
                            for verdict in (FAILS, UNCLEAR))
        verdict = f"All {claims} claims hold."
        if failing:
            verdict = f"{len(failing)} of {claims} claims do not hold: {', '.join(failing)}."
        elif unclear:
            verdict = f"{len(unclear)} of {claims} claims are unclear: {', '.join(unclear)}."
        self.say("\n".join([*lines, "", verdict]), CLAIM)
        self.say(next_lines, 4)
