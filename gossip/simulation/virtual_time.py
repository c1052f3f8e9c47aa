"""Virtual time: what is going to happen, one call after the other, in the order of time.

Nothing waits: the time jumps from one call to the next. Calls at the same moment are made in the
order in which they were asked for, so that a run can be repeated call by call.
"""

import collections
import heapq

STILL_LIMIT = 20_000  # calls without time passing: somebody spins
TALLIED = 1_000  # of them, the last ones, are counted by name


class Spinning(Exception):
    """Calls were made again and again, and no time passed between them."""


class VirtualTime:
    """The moment, in seconds from 0 on, and the calls to come."""

    def __init__(self):
        self.now = 0.0
        self.calls = 0  # made so far
        self._heap: list[tuple] = []  # (when, number, call, arguments)
        self._number = 0  # of the latest call that was asked for: orders those of one moment
        self._still = 0  # calls made since time passed
        self._tally: collections.Counter = collections.Counter()

    def at(self, when: float, call, *arguments) -> None:
        """Have `call(*arguments)` made at this moment, or now if it has passed."""
        self._number += 1
        heapq.heappush(self._heap, (when if when > self.now else self.now, self._number,
                                    call, arguments))

    def run(self, until: float) -> None:
        """Make all calls up to this moment. Spinning after 20,000 calls at one moment; the
        exception of a call ends the run, too."""
        heap = self._heap
        while heap and heap[0][0] <= until:
            when, _, call, arguments = heapq.heappop(heap)
            if when > self.now:
                self.now, self._still = when, 0
            else:
                self._count_still(call, arguments)
            self.calls += 1
            call(*arguments)
        if until > self.now:
            self.now, self._still = until, 0

    def _count_still(self, call, arguments) -> None:
        self._still += 1
        if self._still <= STILL_LIMIT - TALLIED:
            return
        if self._still == STILL_LIMIT - TALLIED + 1:
            self._tally.clear()
        self._tally[name_of(call, arguments)] += 1
        if self._still == STILL_LIMIT:
            [(name, times)] = self._tally.most_common(1)
            raise Spinning(f"{STILL_LIMIT} calls in a row while no time passed; {times} of the "
                           f"last {TALLIED} were {name}")


def name_of(call, arguments: tuple) -> str:
    """How a call is named to a reader: by the first `label` of what it is about or of whose method
    it is, or else by the method."""
    for thing in (*arguments, call):
        label = getattr(getattr(thing, "__self__", thing), "label", None)
        if label is not None:
            return label
    return call.__qualname__
