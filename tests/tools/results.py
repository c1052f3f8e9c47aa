"""Results of many runs of pytest: what has passed, what failed and how to run that again, what was
skipped and why."""

import collections
import os
import pathlib
import re
import shlex
import sys
import time

from gossip.terminal.screen import StatusLine

COUNT = re.compile(r"(\d+) (failed|passed|skipped|error)")
FAILED = re.compile(r"(?:FAILED|ERROR) (.+?)(?: - .*)?$", re.MULTILINE)
SKIPPED = re.compile(r"SKIPPED \[(\d+)\] \S+: (.*)$", re.MULTILINE)
WITH_REASONS = "-rfEs"  # lets pytest say at its end what failed, and why it has skipped what


class Results:
    """The results of so many batches, shown while they come. A terminal shows how far they are, and
    of the batches only those in which something failed."""

    def __init__(self, batches: int, folder: pathlib.Path, slow: bool):
        self._batches = batches
        self._folder = folder  # of all tests
        self._again = [os.path.basename(sys.executable), os.path.relpath(folder)]
        self._again += ["--slow"] if slow else []
        self._begun = time.monotonic()
        self._status = StatusLine() if os.isatty(1) else None
        self._done = 0
        self._total: collections.Counter = collections.Counter()
        self._skipped: collections.Counter = collections.Counter()  # reason -> tests
        self._failed: list[str] = []  # names of tests, or of files that pytest could not run
        self._show_status()

    @property
    def flags(self) -> list[str]:
        """What pytest is to be told, so that its output tells all that is shown."""
        return [] if self._status is None else [WITH_REASONS]

    def add(self, files: list[pathlib.Path], output: str, is_well: bool) -> None:
        """A batch of test files has run."""
        self._done += 1
        lines = output.splitlines() or [""]
        for count, word in COUNT.findall(lines[-1]):
            self._total[word] += int(count)
        for count, reason in SKIPPED.findall(output):
            self._skipped[reason] += int(count)
        if not is_well:
            self._failed += FAILED.findall(_summary(output)) or list(map(os.path.relpath, files))
        if self._status is not None:
            self._status.clear()
        if self._status is None or not is_well:
            names = " ".join(str(path.relative_to(self._folder)) for path in files)
            print(f"{names}:\n{output}", end="", flush=True)
        self._show_status()

    def _show_status(self) -> None:
        if self._status is not None:
            bad = self._total["failed"] + self._total["error"]
            self._status.update(f"{self._done} of {self._batches} batches, "
                                f"{self._total['passed']:,} passed, {bad} failed",
                                f"{time.monotonic() - self._begun:.0f} s")

    def close(self) -> None:
        """End the line that says how far they are; it goes away when all have run."""
        if self._status is not None:
            self._status.clear() if self._done == self._batches else self._status.end()

    def summary(self) -> str:
        """How many of each; then why tests were skipped, then what failed, with its command."""
        counts = ", ".join(f"{count} {word}" for word, count in sorted(self._total.items()))
        lines = [f"{counts} in {time.monotonic() - self._begun:.2f}s"]
        lines += [f"  skipped {count}: {reason}" for reason, count in self._skipped.most_common()]
        if self._failed:
            lines += ["what failed, and what runs it again:"]
            lines += [f"  {shlex.join([*self._again, name])}" for name in self._failed]
        return "\n".join(lines)


def _summary(output: str) -> str:
    """The end of what pytest has said, in which it names what failed."""
    return output.rpartition(" short test summary info ")[2]
