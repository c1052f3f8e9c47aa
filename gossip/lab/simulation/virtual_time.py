"""Virtual time: what is going to happen, one call after the other, in the order of time.

The time jumps from one call to the next. Calls at the same moment are made in the order in which
they were asked for, so that a run can be repeated call by call. Nobody can wait, because nothing
else would happen meanwhile: whoever has to wait raises WouldWait.
"""

import collections
import contextlib
import heapq

from gossip.node.world import NEVER

STILL_LIMIT = 20_000  # calls without time passing: somebody spins
TALLIED = 1_000  # of them, the last ones, are counted by name
OVER = -NEVER  # of a duty, when its next turn is due: no other time is sooner


class Spinning(Exception):
    """Calls were made again and again, and no time passed."""


class WouldWait(Exception):
    """A node has to wait for what only another event can bring: in virtual time, for ever."""


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
        """Make all calls up to this moment; Spinning after 20,000 calls at one moment."""
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
            self._tally.clear()
            return
        self._tally[name_of(call, arguments)] += 1
        if self._still == STILL_LIMIT:
            [(name, times)] = self._tally.most_common(1)
            raise Spinning(f"{STILL_LIMIT} calls in a row while no time passed; {times} of the "
                           f"last {TALLIED} were {name}")


def name_of(call, arguments: tuple) -> str:
    """Name a call by the first `label` of what it is about or of whose method it is, or else by the
    method."""
    for thing in (*arguments, call):
        label = getattr(getattr(thing, "__self__", thing), "label", None)
        if label is not None:
            return label
    return call.__qualname__


# What threads do live.

class VirtualTurn(contextlib.nullcontext):
    """Nothing happens at the same time: whoever calls the node has the turn."""

    crowded_until = 0.0

    def after(self, call, *arguments) -> None:
        """Make a call at once, as it cannot wait here."""
        call(*arguments)

    def share(self) -> None:
        """Nobody waits here."""

    def waited(self) -> float:
        """Nobody waits here."""
        return 0.0


class VirtualDuty:
    """A method of a node that is called again and again. Its world has `now`, `later`, `node`."""

    def __init__(self, world, name: str, turn, after: float):
        self.label = f"{name!r} of {world.node.address}"
        self.turns = 0  # how often it was called
        self._world = world
        self._turn = turn
        self._due = NEVER  # when the next turn is due; OVER once it is not to be called again
        self._set(world.now() + after)

    def hurry(self) -> None:
        """Have the turn called soon, before the time that it answered."""
        self._set(self._world.now())

    def _set(self, due: float) -> None:
        """Be due at this moment, unless sooner anyway."""
        if due < self._due:
            self._due = due
            self._world.later(due, self, self._take, due)

    def _take(self, due: float) -> None:
        """Take the turn that was due at this moment."""
        if due != self._due:
            return  # it was hurried since, and has been called
        self._due = NEVER
        self.turns += 1
        answer = self._turn(self._world.now())
        if answer == NEVER:
            self._due = OVER
        elif answer is not None:
            self._set(answer)


class VirtualFlusher:
    """Sends what connections did not take, when they have room again."""

    def __init__(self, world):
        self._world = world

    def watch(self, link) -> None:
        """Nothing to do for a link with a backlog: its connection tells when it has room."""

    def forget(self, link) -> None:
        """Nothing to do for a link that has ended."""

    def take_over(self, job, after: float = 0.0) -> None:
        """Have `job()` called after so many seconds."""
        self._world.later(self._world.now() + after, self, job)

    def condition(self) -> "NoWaiting":
        """Return a condition on which nobody can wait."""
        return NoWaiting()

    def has_room(self, links) -> bool:
        """Return whether new messages may be made: no link has a long backlog that still moves."""
        return not any(link.pauses_origin(self._world.now()) for link in links)

    def wait_for_room(self, links, seconds: float) -> None:
        """WouldWait if there is none."""
        if not self.has_room(links):
            raise WouldWait("for room in the backlog of a neighbour")


class NoWaiting(contextlib.nullcontext):
    """Stands for a condition where nobody may wait on one."""

    def notify_all(self) -> None:
        """Nobody waits."""

    def wait_for(self, predicate, timeout: float | None = None) -> bool:
        """Return True if the predicate holds already; else WouldWait."""
        if not predicate():
            raise WouldWait("until another thread has sent what was brought before")
        return True
