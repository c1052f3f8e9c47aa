"""The pulse of this process: how late its threads run.

A thread of its own, "pulse", wakes up again and again and looks how long after its time that is: it
waits for the processor and for the interpreter as all others do. It does so every 0.5 s when it
begins and while it is late, else every 4 s: so it costs next to nothing at rest. There is one in a
process, whatever nodes come and go there: it begins with the first node, and ends with the process.

When a beat comes late, the output files of all nodes say so by `late:SECONDS`. A node that goes on
before the pulse does has it look first (turns.py), so that the line stands before whatever follows.
"""

import errno
import math
import threading
import time
import weakref

from gossip.settings import LATE_FOR, LATE_FROM

BEAT = 0.5  # seconds between two beats at the beginning, and of a pulse that was late lately
REST = 4.0  # the same while all is in time, at most;
BEATS = 3  # so many in a liveness interval, at least: else neighbours miss what the pulse does not
NOTICED = 0.005  # seconds: a beat that is less late is in time
AT_ONCE = 1.0  # seconds of lateness that output files tell each time; less once in LATE_FOR s


class Lateness:
    """How late something was: the worst of the last LATE_FOR seconds, and the worst of all.

    It needs no lock where one thread at a time calls `note`: what others read is replaced whole.
    """

    def __init__(self):
        self.worst = 0.0  # seconds
        # (when, how late), the latest last: those since which nothing was as late
        self._lately: tuple[tuple[float, float], ...] = ()

    def note(self, now: float, late: float) -> None:
        """Something was `late` seconds late, as is known now."""
        self.worst = max(self.worst, late)
        self._lately = (*[earlier for earlier in self._lately
                          if earlier[0] > now - LATE_FOR and earlier[1] > late], (now, late))

    def lately(self, now: float) -> float:
        """Seconds: the worst of the last LATE_FOR seconds."""
        return max([late for when, late in self._lately if when > now - LATE_FOR], default=0.0)


class Pulse:
    """How late the beats come. The clock is handed in, so that tests can set it.

    It needs no lock: `beat` is called by one thread, and puts the next beat off only when all else
    is noted, so whoever reads meanwhile hears of this beat either way.
    """

    def __init__(self, now: float):
        self._late = Lateness()
        self._begun = now
        self._due = now + BEAT  # when the next beat is due
        self.rest = REST

    def beat(self, now: float) -> float:
        """The timer has fired; answer in how many seconds it is to fire again."""
        if now - self._due >= NOTICED:
            self._late.note(now, now - self._due)
        pause = BEAT if self._late.lately(now) or now < self._begun + LATE_FOR else self.rest
        self._due = now + pause
        return pause

    def lateness(self, now: float) -> float:
        """Seconds by which threads ran late at worst in the last LATE_FOR seconds; a beat that is
        overdue counts."""
        overdue = now - self._due  # looked at first: a beat meanwhile changes it last
        return max(self._late.lately(now), overdue)

    def worst_lateness(self, now: float) -> float:
        """The same since the pulse began."""
        overdue = now - self._due
        return max(self._late.worst, overdue)


class LivePulse:
    """A pulse with its thread. Before it begins, nobody is late."""

    def __init__(self, now=time.monotonic, sleep=time.sleep, clock=time.time):
        """`clock` is that of output files: what it skips has to be told there, too."""
        self._now, self._sleep, self._clock = now, sleep, clock
        self._lock = threading.Lock()  # guards all below
        self._begun = False
        self._pulse = Pulse(math.inf)
        self._outputs = weakref.WeakSet()  # which tell of late beats
        self._looked = self._told = -math.inf  # by `clock`: the last look, and when it told them
        self._pause = BEAT  # seconds until the next look
        self.expected = math.inf  # when whoever goes on has to look first; anybody may read it

    def begin(self) -> None:
        """Start the thread, unless it runs; OSError when the system has no thread left."""
        with self._lock:
            if self._begun:
                return
            self._pulse = Pulse(self._now())
            self._looked, self.expected = self._clock(), self._now() + BEAT + LATE_FROM
            try:
                threading.Thread(target=self._keep, name="pulse", daemon=True).start()
            except RuntimeError:
                self._pulse, self.expected = Pulse(math.inf), math.inf
                raise OSError(errno.EAGAIN, "the system has no thread left for it") from None
            self._begun = True

    def tell(self, output, interval: float) -> None:
        """Have an output file tell of late beats; that of a node with this liveness interval."""
        with self._lock:
            self._outputs.add(output)
            self._pulse.rest = max(BEAT, min(self._pulse.rest, interval / BEATS))

    def _keep(self) -> None:
        """The thread."""
        pause = BEAT
        while not self._sleep(pause):  # only that of a test ends it
            pause = self._pulse.beat(self._now())
            self.look(pause)

    def look(self, pause: float = BEAT) -> None:
        """Tell of lateness if this look comes late; another one follows in `pause` seconds. It
        stays expected until all files have told, so that nobody writes anything else before."""
        with self._lock:
            now = self._clock()
            late = now - self._looked - self._pause
            if late >= AT_ONCE or late > LATE_FROM and now > self._told + LATE_FOR:
                self._told = now
                for output in self._outputs:
                    output.late(now - self._looked)
            self._looked, self._pause = now, pause
            self.expected = self._now() + pause + LATE_FROM

    def lateness(self) -> float:
        """Seconds by which threads of this process ran late at worst lately."""
        return self._pulse.lateness(self._now())

    def worst_lateness(self) -> float:
        """The same since the pulse began."""
        return self._pulse.worst_lateness(self._now())


PULSE = LivePulse()  # the one of this process
