"""The pulse of this process: how late its threads run.

A thread of its own, "pulse", wakes up again and again and looks how long after its time that is: it
waits for the processor and for the interpreter as all others do. It does so every 0.5 s when it
begins and while it is late, else every 4 s: so it costs next to nothing at rest. There is one in a
process, whatever nodes come and go there: it begins with the first node, and ends with the process.
"""

import collections
import errno
import math
import threading
import time

from gossip.settings import LATE_FOR

BEAT = 0.5  # seconds between two beats at the beginning, and of a pulse that was late lately
REST = 4.0  # the same while all is in time
NOTICED = 0.005  # seconds: a beat that is less late is in time


class Pulse:
    """The worst lateness of the last beats. The clock is handed in, so that tests can set it.

    It needs no lock: `beat` is called by one thread, and puts the next beat off only when all else
    is noted, so whoever reads meanwhile hears of this beat either way.
    """

    def __init__(self, now: float):
        self._worst = 0.0  # seconds: the worst lateness of all
        self._lately = 0.0  # the worst of the last LATE_FOR seconds
        self._beats: collections.deque = collections.deque()  # those of them: (when, how late)
        self._begun = now
        self._due = now + BEAT  # when the next beat is due

    def beat(self, now: float) -> float:
        """The timer has fired; answer in how many seconds it is to fire again."""
        late = now - self._due
        if late >= NOTICED or self._beats:
            self._note(now, late)
        pause = BEAT if self._beats or now < self._begun + LATE_FOR else REST
        self._due = now + pause
        return pause

    def _note(self, now: float, late: float) -> None:
        """Remember a beat, and forget the old ones."""
        if late >= NOTICED:
            self._beats.append((now, late))
        while self._beats and self._beats[0][0] <= now - LATE_FOR:
            self._beats.popleft()
        self._worst = max(self._worst, late)
        self._lately = max((late for _, late in self._beats), default=0.0)

    def lateness(self, now: float) -> float:
        """Seconds by which threads ran late at worst in the last LATE_FOR seconds; a beat that is
        overdue counts."""
        overdue = now - self._due  # looked at first: a beat meanwhile changes it last
        return max(self._lately, overdue)

    def worst_lateness(self, now: float) -> float:
        """The same since the pulse began."""
        overdue = now - self._due
        return max(self._worst, overdue)


class LivePulse:
    """A pulse with its thread. Before it begins, nobody is late."""

    def __init__(self, now=time.monotonic, sleep=time.sleep):
        self._now, self._sleep = now, sleep
        self._lock = threading.Lock()  # guards _begun
        self._begun = False
        self._pulse = Pulse(math.inf)

    def begin(self) -> None:
        """Start the thread, unless it runs; OSError when the system has no thread left."""
        with self._lock:
            if self._begun:
                return
            self._pulse = Pulse(self._now())
            try:
                threading.Thread(target=self._keep, name="pulse", daemon=True).start()
            except RuntimeError:
                self._pulse = Pulse(math.inf)
                raise OSError(errno.EAGAIN, "the system has no thread left for it") from None
            self._begun = True

    def _keep(self) -> None:
        """The thread."""
        pause = BEAT
        while not self._sleep(pause):  # only that of a test ends it
            pause = self._pulse.beat(self._now())

    def lateness(self) -> float:
        """Seconds by which threads of this process ran late at worst lately."""
        return self._pulse.lateness(self._now())

    def worst_lateness(self) -> float:
        """The same since the pulse began."""
        return self._pulse.worst_lateness(self._now())


PULSE = LivePulse()  # the one of this process
