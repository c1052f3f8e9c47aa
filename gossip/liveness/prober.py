"""The prober: finds out for a seed whether addresses answer, so many at once, the rest in a queue.

Rules only: a probe itself is `probe(address, verdict)` of a node. Whoever asks about an address
that is being probed joins; the verdict comes as a call: True, False, or None when it could not be
found out. The queue is bounded: beyond its limit the verdict is None at once.
"""

import collections
import threading

from gossip.addresses import Address

QUEUE_LIMIT = 2_000  # addresses that wait for a probe, or are being probed
ASKERS_LIMIT = 100  # who waits for the same probe


class Prober:
    """Probes addresses, at most `at_once` of them at a time, each up to `tries` times."""

    def __init__(self, probe, tries: int, at_once: int):
        self._probe = probe  # probe(address, verdict) calls `verdict(alive)` once, or, when the
        self._tries = tries  # node stops, never
        self._lock = threading.Lock()  # guards everything below
        self._free = at_once  # probes that may begin
        self._beginning = False  # somebody begins probes, and will look for more
        self._first: collections.deque[Address] = collections.deque()  # go before the others
        self._queue: collections.deque[Address] = collections.deque()
        self._askers: dict[Address, list] = {}  # queued or under way -> (whom to tell, wanted)

    def ask(self, address: Address, verdict, wanted=lambda: True, first: bool = False) -> None:
        """Have `verdict(alive)` called once it is known whether the address answers. When its
        turn comes and `wanted()` holds for no asker any more, it is not probed (None). `first`:
        before others that wait."""
        with self._lock:
            askers = self._askers.get(address)
            full = (len(self._askers) >= QUEUE_LIMIT if askers is None
                    else len(askers) >= ASKERS_LIMIT)
            if not full:
                self._askers.setdefault(address, []).append((verdict, wanted))
                if askers is None:
                    (self._first if first else self._queue).append(address)
        if full:
            verdict(None)
        else:
            self._begin()

    def _begin(self) -> None:
        """Begin probes while there are any to begin. One thread at a time does it, in a loop: a
        probe that fails at once would otherwise begin the next one from within itself."""
        with self._lock:
            if self._beginning:
                return
            self._beginning = True
        try:
            while (address := self._next()) is not None:
                if self._wanted(address):
                    self._try(address, self._tries)
                else:
                    self._known(address, None)
        except BaseException:
            self._beginning = False  # this thread dies of it, others go on beginning
            raise

    def _next(self) -> Address | None:
        """The next address to probe; None: there is none, or no probe may begin."""
        with self._lock:
            queue = self._first or self._queue
            if queue and self._free:
                self._free -= 1
                return queue.popleft()
            self._beginning = False
            return None

    def _wanted(self, address: Address) -> bool:
        with self._lock:
            askers = list(self._askers[address])
        return any(wanted() for _, wanted in askers)

    def _try(self, address: Address, tries: int) -> None:
        """Probe once; while there is no answer, and tries are left, once more."""
        def answered(alive: bool | None) -> None:
            if alive or tries == 1:
                self._known(address, alive)
                self._begin()
            else:
                self._try(address, tries - 1)
        self._probe(address, answered)

    def _known(self, address: Address, alive: bool | None) -> None:
        """The verdict on an address: tell all who asked."""
        with self._lock:
            askers = self._askers.pop(address)
            self._free += 1
        for verdict, _ in askers:
            verdict(alive)
