"""The seam between a node and its world, which has clocks, threads and connections.

    a node asks its world        now()  time()  rng  later(seconds, call, *arguments, thread=…)
                                 listen(accepted, door)  dial(link, seconds) -> connection
                                 hear(heard, door)  post(data, to, door)  stop()
    a link asks its connection   send(data) -> bytes taken  resume()  close()  .world  .is_broken
    the world calls its node     up(link)  took(link, data)  ended(link, reason, error)
                                 crowd_out(error), if nobody can be accepted
                                 what `listen` was told: accepted(connection, remote) -> link
                                 what `hear` was told: heard(data, remote)
    the world calls a link       flush(now), when there is room and link.waiting

A door is opened before the node begins, and named by its number: 0 is its own address. Some are for
connections (`listen`), others for datagrams (`hear`, `post`), which may get lost.

One call at a time, and never from within another: what a node asks for happens after its call. A
dial is followed by `up`, before which `link.remote` is None, or by `ended` alone. Each link has one
`ended`, when it breaks or soon after its `close`, and no call follows that. A link is not read
while `link.is_held`, until `resume`. Duties, deadlines and lateness are the node's own (node.py),
made of `later`, whose `thread` names who makes the call where there are threads.
"""

import heapq
import itertools
import math


class Calls:
    """The calls to come, in the order of their times."""

    def __init__(self):
        self._heap: list[tuple] = []  # (when, serial number, call, arguments)
        self._serial = itertools.count()  # orders calls of the same moment

    def at(self, when: float, call, *arguments) -> bool:
        """Add a call; return whether it is now the next one."""
        entry = when, next(self._serial), call, arguments
        heapq.heappush(self._heap, entry)
        return self._heap[0] is entry

    def next_at(self) -> float:
        """Return when the next call is due, or infinity."""
        return self._heap[0][0] if self._heap else math.inf

    def due(self, now: float) -> list[tuple]:
        """Take off and return the calls that are due, as (call, arguments). What they add belongs
        to the next round, even if it is due at once."""
        due = []
        while self._heap and self._heap[0][0] <= now:
            due.append(heapq.heappop(self._heap)[2:])
        return due
