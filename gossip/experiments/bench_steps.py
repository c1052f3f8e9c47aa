"""Bench steps: what a terminal shows of a benchmark: a step for each network that is measured."""

import time

from gossip.experiments.steps import Steps
from gossip.terminal.status_line import StatusLine


class BenchSteps(Steps):
    """The steps of a benchmark. `planned` has the seconds that each network takes at least; the
    time that is left is told by how much longer the first ones took."""

    def __init__(self, planned: list[float], status: StatusLine | None):
        super().__init__(status)
        self._planned = planned  # of the last step, and of those to come
        self._measured = self._took = 0.0  # seconds planned for what is measured, and taken

    def begin_network(self, name: str) -> None:
        """A network starts."""
        self.begin(name, str, self._seconds_left)

    def end_network(self, result: str) -> None:
        """It was measured."""
        self._measured += self._planned.pop(0)
        self._took += time.monotonic() - self._begun
        self._left = float
        self.describe(lambda: result)

    def _seconds_left(self) -> float:
        pace = self._took / self._measured if self._measured else 1.0
        last, *others = self._planned
        return max(0.0, pace * last - (time.monotonic() - self._begun)) + pace * sum(others)
