"""The pulse of this process: how late its threads run.

A thread of its own, "pulse", one per process, wakes up again and again and measures how late it is,
because it waits for the processor and for the interpreter as all others do. When it is later than
LATE_FROM, the output files of all nodes say so by `late:SECONDS`, but only once in LATE_FOR seconds
unless it is later than AT_ONCE. A node that wakes up before the pulse makes the pulse look first
(threads.py), so that this line precedes whatever follows.
"""

import errno
import math
import threading
import time
import weakref

from gossip.settings import LATE_FOR, LATE_FROM
from gossip.tools import Worst

BEAT = 0.5  # seconds between two beats at first, and for LATE_FOR s after a late beat
REST = 4.0  # seconds at most between two beats while all is in time
BEATS = 3  # per liveness interval at least, so that it notices what neighbours notice
NOTICED = 0.005  # seconds of lateness below which a beat is in time
AT_ONCE = 1.0  # seconds of lateness that files tell each time; less only once in LATE_FOR s


class LivePulse:
    """Lateness of the threads of a process. Before it begins, nobody is late.

    What `lateness` reads needs no lock: one thread calls `beat`, which moves the due time last, so
    that others see a late beat as noted or overdue."""

    def __init__(self, now=time.monotonic, sleep=time.sleep, clock=time.time):
        """`clock` is that of output files, which also tell when it jumps."""
        self._now, self._sleep, self._clock = now, sleep, clock
        self._late = Worst(LATE_FOR)
        self._begun = self._due = math.inf  # when it began, and when the next beat is due
        self._rest = REST
        self._lock = threading.Lock()  # guards all below
        self._outputs = weakref.WeakSet()  # the files that tell of late beats
        self._looked = self._told = -math.inf  # by `clock`: the last look, and when files were told
        self._pause = BEAT  # seconds until the next look
        self.expected = math.inf  # from then on, every turn looks first; anybody may read it

    def begin(self) -> None:
        """Start the thread, unless it runs. OSError if the system has no thread left."""
        with self._lock:
            if self._begun < math.inf:
                return
            now = self._now()
            self._begun, self._due, self.expected = now, now + BEAT, now + BEAT + LATE_FROM
            self._looked = self._clock()
            try:
                threading.Thread(target=self._keep, name="pulse", daemon=True).start()
            except RuntimeError:
                self._begun = self._due = self.expected = math.inf
                raise OSError(errno.EAGAIN, "the system has no thread left for it") from None

    def begin_anew(self) -> None:
        """Forget everything, in a child process that was forked: its thread is not there."""
        self.__init__(self._now, self._sleep, self._clock)

    def tell(self, output, interval: float) -> None:
        """Report late beats to a file, whose node has this liveness interval."""
        with self._lock:
            self._outputs.add(output)
            self._rest = max(BEAT, min(self._rest, interval / BEATS))

    def _keep(self) -> None:
        pause = BEAT
        while not self._sleep(pause):  # only the `sleep` of a test returns something
            pause = self.beat()
            self.look(pause)

    def beat(self) -> float:
        """Note a beat; return the seconds until the next."""
        now = self._now()
        if now - self._due >= NOTICED:
            self._late.note(now, now - self._due)
        pause = BEAT if self._late.lately(now) or now < self._begun + LATE_FOR else self._rest
        self._due = now + pause
        return pause

    def look(self, pause: float = BEAT) -> None:
        """Tell files if this look is late. Set `expected` after that, because no node may write
        anything before. The next look follows in `pause` seconds."""
        with self._lock:
            now = self._clock()
            late = now - self._looked - self._pause
            if late >= AT_ONCE or late > LATE_FROM and not 0 <= now - self._told <= LATE_FOR:
                self._told = now
                for output in self._outputs:
                    output.late(now - self._looked)
            self._looked, self._pause = now, pause
            self.expected = self._now() + pause + LATE_FROM

    def lateness(self) -> float:
        """Return the worst lateness within LATE_FOR, an overdue beat included, in seconds."""
        now = self._now()
        return max(now - self._due, self._late.lately(now))  # in this order: `beat` writes it last

    def worst_lateness(self) -> float:
        """Return the worst lateness since the pulse began, in seconds."""
        return max(self._now() - self._due, self._late.ever)


PULSE = LivePulse()  # of this process
