"""The prober: finds out for a seed whether addresses answer, 64 at once, the rest in a queue.

Rules only: a probe itself is `probe(address, verdict)` of a node. Two who ask about one address
share its probe. The verdict comes as a call: True, False, or None when it could not be found
out. The queue has three lanes: whoever waits in one goes before everybody in the next. It is
bounded: beyond its limit the verdict is None at once.
"""

import collections
import threading

from gossip.addresses import Address

FIRST, USUAL, LAST = range(3)  # lanes of the queue
QUEUE_LIMIT = 2_000  # addresses that wait for a probe, or are being probed
LAST_LIMIT = 500  # the same, for one that asks for the last lane: the others keep their room
ASKERS_LIMIT = 100  # calls of `ask` that share one probe


class Prober:
    """Probes addresses, at most `at_once` of them at a time, each up to `tries` times."""

    def __init__(self, probe, tries: int, at_once: int):
        self._probe = probe  # probe(address, verdict) calls `verdict(alive)` once
        self._tries = tries  # probes at most; the verdict is that of the last one
        self._lock = threading.Lock()  # guards everything below
        self._free = at_once  # how many more probes may begin now
        self._beginning = False  # a thread is in the loop of `_begin`
        self._lanes = [collections.OrderedDict() for _ in (FIRST, USUAL, LAST)]  # address -> None
        self._askers: dict[Address, list] = {}  # queued or probed now -> (verdict, wanted)

    def ask(self, address: Address, verdict, wanted=lambda: True, lane: int = USUAL) -> None:
        """Have `verdict(alive)` called once it is known whether the address answers. An
        address that nobody wants any more (`wanted()`) when its turn comes is not probed; its
        verdict is None. One that waits in a later lane moves to this one."""
        with self._lock:
            askers = self._askers.get(address)
            full = (len(self._askers) >= (LAST_LIMIT if lane == LAST else QUEUE_LIMIT)
                    if askers is None else len(askers) >= ASKERS_LIMIT)
            if not full:
                self._askers.setdefault(address, []).append((verdict, wanted))
                later = [other for other in self._lanes[lane + 1:] if address in other]
                for other in later:
                    del other[address]
                if askers is None or later:
                    self._lanes[lane][address] = None
        if full:
            verdict(None)
        else:
            self._begin()

    def _begin(self) -> None:
        """Begin as many probes as may begin. One thread does so, in a loop, and a call meanwhile
        returns: else a probe that fails at once would begin the next one from within itself."""
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
            with self._lock:
                self._beginning = False  # this thread dies; others have to go on
            raise

    def _next(self) -> Address | None:
        """The next address to probe; None: there is none, or no probe may begin."""
        with self._lock:
            lane = next(filter(None, self._lanes), None)
            if lane and self._free:
                self._free -= 1
                return lane.popitem(last=False)[0]
            self._beginning = False
            return None

    def _wanted(self, address: Address) -> bool:
        with self._lock:
            askers = list(self._askers[address])
        return any(wanted() for _, wanted in askers)

    def _try(self, address: Address, tries: int) -> None:
        """Probe; without an answer, probe again while tries are left."""
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
