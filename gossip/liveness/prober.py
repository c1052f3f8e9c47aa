"""The prober: finds out for a seed whether an address answers, on a bounded pool of threads.

A probe is a fresh connection with one Liveness Request on it. Whoever asks about an address
that is being probed joins; the verdict comes as a call, on the prober's thread: True, False, or
None when it could not be found out. What waits is bounded: beyond that the verdict is None.
"""

import threading

from gossip.addresses import Address
from gossip.liveness.pool import Pool

QUEUE_LIMIT = 2_000  # addresses that wait for a probe
ASKERS_LIMIT = 100  # who waits for the same probe


class Prober:
    """Probes addresses, at most `at_once` of them at a time, each `tries` times."""

    def __init__(self, node, tries: int, at_once: int):
        self._node = node  # its `probe(address)` answers True, False or None
        self._tries = tries
        self._pool = Pool(node, "prober", at_once)
        self._lock = threading.Lock()  # guards _askers
        self._askers: dict[Address, list] = {}  # queued or under way -> (whom to tell, wanted)

    def ask(self, address: Address, verdict, wanted=lambda: True, first: bool = False) -> None:
        """Have `verdict(alive)` called once it is known whether the address answers, unless
        nobody wants to know any more when its turn comes. `first`: before others that wait."""
        with self._lock:
            askers = self._askers.get(address)
            full = (len(self._askers) >= QUEUE_LIMIT if askers is None
                    else len(askers) >= ASKERS_LIMIT)
            if not full:
                self._askers.setdefault(address, []).append((verdict, wanted))
        if full:
            verdict(None)
        elif askers is None:
            self._pool.run(self._probe, address, first=first)

    def _probe(self, address: Address) -> None:
        alive = None
        try:
            if self._wanted(address):
                alive = self._find_out(address)
        finally:
            with self._lock:
                askers = self._askers.pop(address)
        if not self._node.stopping.is_set():
            for verdict, _ in askers:
                verdict(alive)

    def _wanted(self, address: Address) -> bool:
        with self._lock:
            return any(wanted() for _, wanted in self._askers[address])

    def _find_out(self, address: Address) -> bool | None:
        alive = None
        for _ in range(self._tries):
            alive = self._node.probe(address)
            if alive:
                break
        return alive
